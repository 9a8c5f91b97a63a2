/** `resize: squash`, bicubic and bilinear: both sides to one size, byte for byte as Pillow 13 (test/oracle/squash.py). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { preprocess } from '../../src/image/preprocess.ts';
import { preprocessConfigFromOpenClip } from '../../src/image/preprocess-config.ts';
import { goldenPath } from '../model/golden.ts';

const { cases } = JSON.parse(readFileSync(goldenPath('squash.json'), 'utf8')) as {
  cases: { file: string; size: number; interpolation: string; sha256: string }[];
};

it.each(cases)('$file to $size, $interpolation', async ({ file, size, interpolation, sha256 }) => {
  const config = preprocessConfigFromOpenClip({ size, resize_mode: 'squash', interpolation });
  const { data, width, height } = await preprocess(readFileSync(goldenPath(file)), config);
  expect([width, height]).toEqual([size, size]);
  expect(createHash('sha256').update(data).digest('hex')).toBe(sha256);
});
