/** Files through a decoder: row by row into a sink, in slices between which the event loop turns. */
import { yieldIfDue } from '../scheduler.ts';
import type { PictureHeader, RowDecoder, RowSink } from './rows.ts';

/** Steps of a decoder between two looks at the clock and the signal: some ms. */
const STEPS = 8;

/**
 * Decodes a file.
 *
 * @param next the next bytes of the file; undefined after the last. They must not change until it is called again
 * @param begin is called once, when the header is known, for what takes the rows. Its errors and the sink's pass as they are
 * @throws ClipError as the decoder does; what `next` throws; the signal's reason
 */
export async function readRows(
  decoder: RowDecoder,
  next: () => Promise<Uint8Array | undefined> | Uint8Array | undefined,
  begin: (header: PictureHeader) => RowSink,
  signal: AbortSignal | undefined,
): Promise<void> {
  let sink: RowSink | undefined;
  for (let steps = 1; ; steps++) {
    if (steps % STEPS === 0) await yieldIfDue(signal);
    const step = decoder.step();
    if (step === 'end') return;
    if (step === 'input') {
      const bytes = await next();
      signal?.throwIfAborted();
      if (bytes) decoder.push(bytes);
      else decoder.end();
    } else if (step === 'header') {
      sink = begin(decoder.header as PictureHeader);
      if (sink.window) decoder.want?.(sink.window);
    } else if (step !== 'busy') {
      (sink as RowSink).take(step);
    }
  }
}
