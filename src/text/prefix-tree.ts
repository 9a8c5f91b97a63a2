/**
 * A batch of token sequences in which every distinct prefix occurs once. A causal text tower computes one row a node;
 * a node attends to the nodes on its path from the root, and nothing else (so each row comes out as if its sequence were
 * alone in the batch).
 */
export interface Chunk {
  /** Token of each node [nodes]. A node comes after all its ancestors. */
  tokens: Int32Array;
  /** Position of each node in its sequences, from 0 [nodes]. */
  positions: Int32Array;
  /** Where the path of each node begins in `ancestors` [nodes]. */
  listStart: Int32Array;
  /** How many entries the path has: its position plus one [nodes]. */
  listLength: Int32Array;
  /**
   * Paths from the root to a node, itself included, as node indices in ascending depth. There is one list for each leaf
   * of the tree; an inner node uses the first `listLength` entries of the list of the first leaf below it.
   */
  ancestors: Int32Array;
  /** Nodes at which sequences end, and which: indices into the input. May be inner nodes. */
  leaves: { node: number; sequences: number[] }[];
}

/** A chunk while it grows. */
class Growth {
  readonly tokens: number[] = [];
  readonly positions: number[] = [];
  readonly listStart: number[] = [];
  readonly ancestors: number[] = [];
  readonly leaves: Chunk['leaves'] = [];
  /** Node at each depth of the last sequence. */
  private readonly path: number[] = [];

  /** Appends a sequence whose first `shared` tokens are those of the last one. */
  append(sequence: readonly number[], shared: number, indices: number[]): void {
    // If the last path only goes on, its list, which is the last one, goes on with it.
    let start = this.ancestors.length - shared;
    if (shared < this.path.length) {
      start = this.ancestors.length;
      this.path.length = shared;
      for (const node of this.path) this.ancestors.push(node);
    }
    for (let depth = shared; depth < sequence.length; depth++) {
      const node = this.tokens.length;
      this.tokens.push(sequence[depth]);
      this.positions.push(depth);
      this.listStart.push(start);
      this.ancestors.push(node);
      this.path.push(node);
    }
    this.leaves.push({ node: this.path[sequence.length - 1], sequences: indices });
  }

  finish(): Chunk {
    return {
      tokens: Int32Array.from(this.tokens),
      positions: Int32Array.from(this.positions),
      listStart: Int32Array.from(this.listStart),
      listLength: Int32Array.from(this.positions, (position) => position + 1),
      ancestors: Int32Array.from(this.ancestors),
      leaves: this.leaves,
    };
  }
}

/** Length of the common prefix of two sequences. */
function sharedLength(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}

/** Lexicographic order, a prefix before its continuations. */
export function compare(a: readonly number[], b: readonly number[]): number {
  const shared = sharedLength(a, b);
  return shared === a.length || shared === b.length ? a.length - b.length : a[shared] - b[shared];
}

/**
 * Puts sequences into prefix trees of at most `maxNodes` nodes each. They are sorted, so that neighbours share their
 * beginnings, and cut into chunks where the next sequence would not fit; a chunk repeats the prefix that it shares with
 * the one before it. Equal sequences are one path with several indices.
 *
 * @param sequences token ids, e.g. BOS ... EOT; none may be empty.
 * @param maxNodes the most rows that the text tower has room for.
 * @returns the chunks; every index of the input is in exactly one leaf. No sequences, no chunks.
 * @throws RangeError if `maxNodes` is no positive number, or a sequence is empty or longer than `maxNodes` (named by its index).
 */
export function buildPrefixTree(sequences: readonly (readonly number[])[], maxNodes: number): Chunk[] {
  if (!(maxNodes >= 1)) throw new RangeError(`maxNodes must be at least 1, got ${maxNodes}`);
  sequences.forEach((sequence, i) => {
    if (sequence.length === 0) throw new RangeError(`sequence ${i} is empty`);
    if (sequence.length > maxNodes) {
      throw new RangeError(
        `sequence ${i} has ${sequence.length} tokens, more than the ${maxNodes} that there is room for`,
      );
    }
  });

  const order = sequences.map((_, i) => i).sort((i, j) => compare(sequences[i], sequences[j]) || i - j);
  const chunks: Chunk[] = [];
  let growth = new Growth();
  let last: readonly number[] = [];
  for (let next = 0; next < order.length; ) {
    const sequence = sequences[order[next]];
    const indices = [order[next++]];
    while (next < order.length && compare(sequences[order[next]], sequence) === 0) indices.push(order[next++]);

    let shared = sharedLength(last, sequence);
    if (growth.tokens.length + sequence.length - shared > maxNodes) {
      chunks.push(growth.finish());
      growth = new Growth();
      shared = 0;
    }
    growth.append(sequence, shared, indices);
    last = sequence;
  }
  if (growth.tokens.length > 0) chunks.push(growth.finish());
  return chunks;
}

/** What the tree saves: rows to compute, against tokens of all sequences one by one (ragged, no padding). */
export function sharedNodes(
  sequences: readonly (readonly number[])[],
  chunks: readonly Chunk[],
): { nodes: number; tokens: number } {
  return {
    nodes: chunks.reduce((sum, chunk) => sum + chunk.tokens.length, 0),
    tokens: sequences.reduce((sum, sequence) => sum + sequence.length, 0),
  };
}
