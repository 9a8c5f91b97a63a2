/** Positions on other grids against torch (test/oracle/position_grid.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { resizePositions } from '../../src/weights/position-grid.ts';

interface Case {
  from: number;
  to: number;
  table: number[];
  resized: number[];
}

const { cases } = JSON.parse(readFileSync('test/golden/position-grids.json', 'utf8')) as { cases: Case[] };

describe('position embeddings', () => {
  it.each(cases)('from $from to $to are those of OpenCLIP', ({ from, to, table, resized }) => {
    const out = resizePositions(Float32Array.from(table), { trained: from, size: to });
    expect(out).toHaveLength(resized.length);
    for (const [i, value] of resized.entries()) expect(Math.abs(out[i]! - value)).toBeLessThan(5e-6);
  });
});
