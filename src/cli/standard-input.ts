/** Standard input, named `-` in arguments and options. */
import { ClipError } from '../errors.ts';
import { quote, UsageError } from './failure.ts';

export const STANDARD_INPUT = '-';

/** How messages name an input. */
export function title(name: string): string {
  return name === STANDARD_INPUT ? 'standard input' : quote(name);
}

/** An error about an input with the input's name in front; other errors as they are. */
export const titled = (name: string, error: unknown): unknown =>
  error instanceof ClipError ? new ClipError(error.code, `${title(name)}: ${error.message}`, { cause: error }) : error;

/** @throws UsageError if more than one of the names is `-`: a stream can be read only once */
export function checkStandardInput(names: readonly (string | undefined)[]): void {
  if (names.filter((name) => name === STANDARD_INPUT).length > 1) {
    throw new UsageError('- (standard input) can be given only once');
  }
}

/** Reads a stream to its end, or until it has more than `most` bytes. */
export async function collect(stream: AsyncIterable<Uint8Array>, most = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > most) break; // closes the stream
  }
  return Buffer.concat(chunks, length);
}
