/** A picture at an http(s) address. */
import type { ClipError } from '../errors.ts';
import { isPassing, retryAfter } from '../hub/client.ts';
import { bodyPieces, joinPieces } from '../image/body.ts';
import type { ImageLimits } from '../image/limits.ts';
import { PictureError } from './picture-error.ts';
import { PassingError, type Retries, retried } from './retries.ts';

/** What is on the web and does not answer is given up sooner than our own storage. */
const RETRIES: Retries = { attempts: 4, pauseMs: 300, longestMs: 10_000 };
const TIMEOUT_MS = 30_000;

/** @throws PictureError IO; ClipError IMAGE_TOO_LARGE; the signal's reason */
export async function webPicture(url: string, limits: ImageLimits, signal: AbortSignal): Promise<Uint8Array> {
  if (!URL.canParse(url)) throw new PictureError('IO', 'it is not an address');
  try {
    return await retried(
      async () => {
        const timed = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
        let response: Response;
        try {
          response = await fetch(url, { signal: timed });
        } catch (error) {
          signal.throwIfAborted();
          throw new PassingError('it does not answer', { cause: error });
        }
        if (!response.ok) {
          await response.body?.cancel();
          const message = `status ${response.status}`;
          if (!isPassing(response.status)) throw new PictureError('IO', message);
          throw new PassingError(message, { after: retryAfter(response.headers) });
        }
        return await joinPieces(bodyPieces(response, url, limits, signal)).catch((error) => {
          if ((error as ClipError).code !== 'IO' || signal.aborted) throw error;
          throw new PassingError('its answer ended early', { cause: error });
        });
      },
      signal,
      RETRIES,
    );
  } catch (error) {
    throw error instanceof PassingError ? new PictureError('IO', error.message, { cause: error }) : error;
  }
}
