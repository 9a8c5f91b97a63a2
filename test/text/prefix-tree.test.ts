import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { buildPrefixTree, type Chunk, sharedNodes } from '../../src/text/prefix-tree.ts';
import { fillTemplate, parseLabelsFile } from '../../src/text/prompts.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';

/** The nodes on the path to `node`, as the text tower reads them. */
function pathOf(chunk: Chunk, node: number): number[] {
  return [...chunk.ancestors.subarray(chunk.listStart[node], chunk.listStart[node] + chunk.listLength[node])];
}

/** Checks everything that a chunk promises, and returns each input's sequence as its leaf tells it. */
function readBack(chunks: readonly Chunk[], maxNodes: number): Map<number, number[]> {
  const sequences = new Map<number, number[]>();
  for (const chunk of chunks) {
    const nodes = chunk.tokens.length;
    expect(nodes).toBeGreaterThan(0);
    expect(nodes).toBeLessThanOrEqual(maxNodes);
    expect([chunk.positions, chunk.listStart, chunk.listLength].map((array) => array.length)).toEqual([
      nodes,
      nodes,
      nodes,
    ]);
    const seen = new Set<string>();
    for (let node = 0; node < nodes; node++) {
      const path = pathOf(chunk, node);
      expect(path).toHaveLength(chunk.positions[node] + 1);
      expect(path.at(-1)).toBe(node);
      path.forEach((ancestor, depth) => {
        expect(chunk.positions[ancestor]).toBe(depth);
        if (depth > 0) expect(ancestor).toBeGreaterThan(path[depth - 1]);
      });
      // No prefix is computed twice in a chunk.
      const prefix = path.map((ancestor) => chunk.tokens[ancestor]).join();
      expect(seen.has(prefix)).toBe(false);
      seen.add(prefix);
    }
    for (const { node, sequences: indices } of chunk.leaves) {
      for (const index of indices) {
        expect(sequences.has(index)).toBe(false);
        sequences.set(
          index,
          pathOf(chunk, node).map((ancestor) => chunk.tokens[ancestor]),
        );
      }
    }
  }
  return sequences;
}

function checkAll(sequences: number[][], maxNodes: number): Chunk[] {
  const chunks = buildPrefixTree(sequences, maxNodes);
  const back = readBack(chunks, maxNodes);
  expect(sequences.map((_, i) => back.get(i))).toEqual(sequences);
  expect(back.size).toBe(sequences.length);
  return chunks;
}

describe('buildPrefixTree', () => {
  it('shares beginnings, and one list along a chain', () => {
    const [chunk, ...rest] = checkAll(
      [
        [9, 1, 2, 3],
        [9, 1, 4],
        [9, 5],
      ],
      100,
    );
    expect(rest).toEqual([]);
    expect([...chunk.tokens]).toEqual([9, 1, 2, 3, 4, 5]);
    expect([...chunk.positions]).toEqual([0, 1, 2, 3, 2, 1]);
    expect([...chunk.ancestors]).toEqual([0, 1, 2, 3, 0, 1, 4, 0, 5]);
    expect([...chunk.listStart]).toEqual([0, 0, 0, 0, 4, 7]);
    expect([...chunk.listLength]).toEqual([1, 2, 3, 4, 3, 2]);
    expect(chunk.leaves).toEqual([
      { node: 3, sequences: [0] },
      { node: 4, sequences: [1] },
      { node: 5, sequences: [2] },
    ]);
  });

  it('computes equal sequences once and keeps their positions apart', () => {
    const chunks = checkAll([[1, 2], [3], [1, 2], [1, 2]], 100);
    expect(chunks).toHaveLength(1);
    expect(chunks[0].tokens).toHaveLength(3);
    expect(chunks[0].leaves).toEqual([
      { node: 1, sequences: [0, 2, 3] },
      { node: 2, sequences: [1] },
    ]);
  });

  it('ends a sequence at an inner node when another goes on from there', () => {
    const [chunk] = checkAll([[1, 2, 3], [1], [1, 2, 3, 4], [1, 7]], 100);
    expect(chunk.leaves).toEqual([
      { node: 0, sequences: [1] },
      { node: 2, sequences: [0] },
      { node: 3, sequences: [2] },
      { node: 4, sequences: [3] },
    ]);
    // One list for each leaf of the tree: 1 2 3 4 and 1 7.
    expect([...chunk.ancestors]).toEqual([0, 1, 2, 3, 0, 4]);
  });

  it('cuts into chunks that repeat the shared beginning', () => {
    const sequences = [
      [9, 1, 2],
      [9, 1, 3],
      [9, 1, 4],
    ];
    expect(checkAll(sequences, 4).map((chunk) => [...chunk.tokens])).toEqual([
      [9, 1, 2, 3],
      [9, 1, 4],
    ]);
    expect(checkAll(sequences, 3)).toHaveLength(3);
    expect(() => buildPrefixTree(sequences, 2)).toThrow(
      new RangeError('sequence 0 has 3 tokens, more than the 2 that there is room for'),
    );
  });

  it('holds for random sequences at every chunk size', () => {
    let state = 1;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state >>> 16) % below;
    };
    const sequences = Array.from({ length: 300 }, () => Array.from({ length: 1 + random(7) }, () => random(4)));
    for (const maxNodes of [7, 8, 13, 50, 299, 10_000]) checkAll(sequences, maxNodes);
  });

  it('refuses what it cannot place', () => {
    expect(() => buildPrefixTree([[1], []], 10)).toThrow(new RangeError('sequence 1 is empty'));
    for (const maxNodes of [0, -1, Number.NaN]) expect(() => buildPrefixTree([[1]], maxNodes)).toThrow(RangeError);
    expect(buildPrefixTree([], 10)).toEqual([]);
  });
});

describe('the thousand names of ImageNet', () => {
  const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
  const tokenizer = Tokenizer.fromJSON(read('../golden/clip-tokenizer/tokenizer.json'));
  const prompts = (labels: string): number[][] =>
    parseLabelsFile(read(labels)).map((label) => tokenizer.encode(fillTemplate('a photo of a {}.', label)));

  // The figures of the design are those of the synsets' first names; OpenAI's curated names are a little longer.
  it.each([
    ['first names of the synsets', './imagenet-synsets.txt', { nodes: 3792, tokens: 8942 }],
    ["OpenAI's names", '../golden/imagenet.txt', { nodes: 4008, tokens: 9165 }],
  ])('need fewer than half of the rows: %s', (_name, labels, expected) => {
    const sequences = prompts(labels);
    expect(sequences).toHaveLength(1000);
    expect(sharedNodes(sequences, buildPrefixTree(sequences, Number.POSITIVE_INFINITY))).toEqual(expected);
  });

  it('cost little more in chunks', () => {
    const sequences = prompts('../golden/imagenet.txt');
    const chunks = checkAll(sequences, 512);
    expect(chunks.length).toBe(8);
    expect(sharedNodes(sequences, chunks).nodes).toBeLessThan(4008 * 1.02);
  });
});
