/** What the tests of files in parts share: where the parts are, what was asked for, and the text tower's embedding. */
import { afterAll, beforeAll } from 'vitest';
import { PARTS } from '../../src/hub/block-list.ts';
import { loadClip } from '../../src/load.ts';
import { readSafetensorsHeader } from '../../src/weights/safetensors.ts';
import { bytesSource } from '../../src/weights/source.ts';
import { goldenPath, readGolden } from '../model/golden.ts';
import { sha256 } from './fake-hub.ts';
import { cache, here, NAME, useFakeHub, WEIGHTS, weights } from './surroundings.ts';

export const BLOCK = 64 << 10;
const { ...usual } = PARTS;

/** A fake hub for each test, and blocks so small that the model has many. */
export function useParts(): void {
  beforeAll(() => void Object.assign(PARTS, { block: BLOCK, least: 4 * BLOCK }));
  afterAll(() => void Object.assign(PARTS, usual));
  useFakeHub();
}

export const ID = sha256(weights);
export const parts = (id = ID) => cache('.edgeclip', `${id}.parts`);
export const list = (id = ID) => cache('.edgeclip', `${id}.blocks`);

/** Where the image tower's tensors lie, next to each other. */
const header = await readSafetensorsHeader(bytesSource(weights, WEIGHTS));
export const visual = [...header.tensors.values()].filter(({ name }) => name.startsWith('visual.'));
export const image = { start: visual[0]!.offset, end: visual.at(-1)!.offset + visual.at(-1)!.byteLength };

/** Ranges of the file that were asked for, and the bytes in them; the look at its list of tensors comes first. */
export const asked = (id = ID) =>
  here.hub.asked.filter(({ at, path }) => at === 'files' && path === `/${id}`).map(({ range }) => range);
export const rangesAsked = (id = ID) =>
  asked(id).map((range) => /^bytes=(\d+)-(\d+)$/.exec(range!)!.slice(1).map(Number) as [number, number]);
export const bytesAsked = () => rangesAsked().slice(1).reduce((sum, [from, to]) => sum + to - from + 1, 0); // biome-ignore format: one line

export async function textEmbedding(options: object = {}): Promise<Float32Array> {
  const { token_ids: ids } = readGolden('tiny-vit/expected.json');
  using clip = await loadClip(NAME, { towers: ['text'], ...options });
  return (await clip.encodeTokens(ids))[0]!;
}

export async function goldenText(): Promise<Float32Array> {
  const { token_ids: ids } = readGolden('tiny-vit/expected.json');
  using clip = await loadClip(goldenPath('tiny-vit'), { towers: ['text'] });
  return (await clip.encodeTokens(ids))[0]!;
}
