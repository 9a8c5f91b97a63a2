/** Which files a thread decodes: those of the package's own formats, and those whose package it can import. */
import { decoderAddress } from '#platform';
import { hasText } from '../bytes.ts';
import { ownFormat } from '../image/format.ts';
import type { TakenImage } from '../image/input.ts';

/** Whether a thread decodes a file. One too short to tell is refused there. */
export async function isForThread(bytes: Uint8Array): Promise<boolean> {
  return ownFormat(bytes) !== undefined || (await packageOf(bytes)) !== undefined;
}

/** Whether it does so in one call, of seconds for a huge picture. */
export async function isWholeForThread(bytes: Uint8Array): Promise<boolean> {
  return ownFormat(bytes) === 'webp' || (await packageOf(bytes)) !== undefined;
}

/** The address of the package that decodes a picture; undefined if it needs none. */
export async function decoderOf({ bytes }: TakenImage): Promise<string | undefined> {
  return bytes && packageOf(bytes);
}

async function packageOf(bytes: Uint8Array): Promise<string | undefined> {
  if (!hasText(bytes, 4, 'ftyp')) return undefined;
  const kind = (await import('../image/heif.ts')).heifKind(bytes);
  return kind && decoderAddress(kind);
}
