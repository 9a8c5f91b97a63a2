/** Fingerprints of what computes a row: model, precision, options. */
import { createHash } from 'node:crypto';
import type { Clip } from '../clip.ts';
import { packageVersion } from './version.ts';

export interface MakerOptions {
  readonly normalize: boolean;
  readonly orient: boolean;
  readonly scaled?: boolean;
}

/**
 * A fingerprint for each kind of row that changes whenever its numbers can change: a hash of the embeddings of a fixed
 * picture and a fixed text (the same bits on every machine), the options, and the package version, which covers decoders and
 * text cleaning. A copied model has the same fingerprint; other weights in the same folder have another.
 */
export async function rowMakers(clip: Clip, options: MakerOptions): Promise<{ file: string; text: string }> {
  const { towers, text } = clip.info();
  const probe = towers.includes('image') ? await clip.encodeImage(probePicture()) : undefined;
  const words = towers.includes('text') && text?.tokenizer ? await clip.encodeText('a photo of a café.') : undefined;
  const maker = (embedding: Float32Array | undefined, ...settings: (boolean | string)[]) => {
    const hash = createHash('sha256').update(JSON.stringify([packageVersion(), ...settings]));
    return hash
      .update(embedding ? Buffer.from(embedding.buffer, embedding.byteOffset, embedding.byteLength) : '')
      .digest('hex');
  };
  const scaled = options.scaled ? ['scaled'] : []; // rows of earlier versions keep their fingerprint
  return { file: maker(probe, options.normalize, options.orient, ...scaled), text: maker(words, options.normalize) };
}

/** A portrait picture larger than any tower's input, so that resize and crop are covered. */
function probePicture() {
  const [width, height] = [450, 600];
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = (i * 7 + (i >> 8) * 13 + (i >> 15) * 31) & 255;
  return { data, width, height };
}
