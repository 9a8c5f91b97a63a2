import { expect, it } from 'vitest';
import { prefixChunks } from '../../src/prefix-chunks.ts';
import { buildPrefixTree, type Chunk, sharedNodes } from '../../src/text/prefix-tree.ts';
import { rejection } from './checkpoint.ts';
import { tokenRows } from './token-ids.ts';

async function chunksOf(rows: number[][], signal?: AbortSignal): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of prefixChunks(rows, 256, signal)) chunks.push(chunk);
  return chunks;
}

it('is buildPrefixTree for lists of up to 4096', async () => {
  const rows = tokenRows(700);
  expect(await chunksOf(rows)).toEqual(buildPrefixTree(rows, 256));
  expect(await chunksOf([])).toEqual([]);
});

it('of a long list has each sequence once, with its tokens, and shares nearly as much', async () => {
  const rows = Array.from({ length: 3 }, (_, i) => tokenRows(4500, i + 1)).flat();
  const chunks = await chunksOf(rows);
  const seen = new Set<number>();
  for (const { tokens, ancestors, listStart, listLength, leaves } of chunks) {
    for (const { node, sequences } of leaves) {
      const path = Array.from(
        ancestors.subarray(listStart[node], listStart[node]! + listLength[node]!),
        (i) => tokens[i],
      );
      for (const i of sequences) {
        expect(seen.has(i)).toBe(false);
        seen.add(i);
        if (String(path) !== String(rows[i])) expect.fail(`row ${i} has another path`);
      }
    }
  }
  expect(seen.size).toBe(rows.length);
  const whole = sharedNodes(rows, buildPrefixTree(rows, 256)).nodes;
  expect(sharedNodes(rows, chunks).nodes / whole).toBeLessThan(1.005);
});

it('stops by a signal', async () => {
  const reason = new Error('enough');
  expect(await rejection(chunksOf(tokenRows(10), AbortSignal.abort(reason)))).toBe(reason);
});
