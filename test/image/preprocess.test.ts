import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { preprocess } from '../../src/image/preprocess.ts';
import { preprocessConfigFromHuggingFace, preprocessConfigFromOpenClip } from '../../src/image/preprocess-config.ts';

const folder = new URL('../golden/preprocess/', import.meta.url);
const cases: {
  name: string;
  input: string;
  target: number;
  floor_crop_sha256: string;
  half_even_crop_sha256: string;
}[] = JSON.parse(await readFile(new URL('cases.json', folder), 'utf8'));

describe('preprocess', () => {
  it.each(cases)('makes the crop of Pillow: $name', async ({ input, target, ...sums }) => {
    const bytes = await readFile(new URL(input, folder));
    const floor = await preprocess(bytes, preprocessConfigFromHuggingFace({ size: target, crop_size: target }));
    expect(floor).toMatchObject({ width: target, height: target });
    expect(sha256(floor.data)).toBe(sums.floor_crop_sha256);
    const halfEven = await preprocess(bytes, preprocessConfigFromOpenClip({}, target));
    expect(sha256(halfEven.data)).toBe(sums.half_even_crop_sha256);
  });

  it('tells the two crop conventions apart', () => {
    const differing = cases.filter((one) => one.floor_crop_sha256 !== one.half_even_crop_sha256);
    expect(differing.length).toBeGreaterThan(0);
  });
});

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
