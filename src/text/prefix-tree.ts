/**
 * Batches of texts as prefix trees, and CLIP's causal mask. In the published code a mask (`build_attention_mask`, an upper
 * triangle of -infinity) keeps each token from attending to later ones. Here the mask is a list for each row, of its
 * ancestors and itself: the only rows that it attends to.
 */

/**
 * Token sequences as a tree in which every distinct prefix occurs once. The text tower computes one row for each node. A
 * node attends to its ancestors and itself, so its row has the same bits as if its sequence were alone in the batch. (For towers
 * without a causal mask, padded-texts.ts makes chunks of whole texts.)
 */
export interface Chunk {
  /** Token of each node [nodes]. A node comes after all its ancestors. */
  tokens: Int32Array;
  /** Position of each node in its sequences, from 0 [nodes]. */
  positions: Int32Array;
  /** Where each node's list of attended nodes starts in `ancestors` [nodes]. */
  listStart: Int32Array;
  /** Length of that list: the node's position plus one [nodes]. */
  listLength: Int32Array;
  /**
   * The causal mask: paths from the root to a node, itself included, as node indices in order of depth. Each leaf of the
   * tree has one list; an inner node uses the first `listLength` entries of the list of the first leaf below it.
   */
  ancestors: Int32Array;
  /** Nodes at which sequences end (inner nodes too), and the indices of these sequences in the input. */
  leaves: { node: number; sequences: number[] }[];
}

/** Collects the nodes of a chunk. */
class ChunkBuilder {
  readonly tokens: number[] = [];
  readonly positions: number[] = [];
  readonly listStart: number[] = [];
  readonly ancestors: number[] = [];
  readonly leaves: Chunk['leaves'] = [];
  /** Node at each depth of the previous sequence. */
  private readonly path: number[] = [];

  /** Appends a sequence whose first `shared` tokens are those of the previous one. */
  append(sequence: readonly number[], shared: number, indices: number[]): void {
    // A sequence that continues the previous one extends its list, which is the last in `ancestors`.
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
 * Builds prefix trees of at most `maxNodes` nodes each. Sequences are sorted, so that neighbors share prefixes; a new
 * chunk starts where the next sequence would not fit, and repeats the prefix that it shares with the chunk before. Equal
 * sequences are one path with several indices.
 * @param sequences token ids, e.g. BOS ... EOT; none may be empty
 * @param maxNodes most rows that the text tower has memory for
 * @returns the chunks; every index of the input is in exactly one leaf. No chunks for no sequences
 * @throws RangeError if `maxNodes` is not a positive number, or a sequence is empty or longer than `maxNodes` (with its
 *   index)
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
  let chunk = new ChunkBuilder();
  let last: readonly number[] = [];
  for (let next = 0; next < order.length; ) {
    const sequence = sequences[order[next]];
    const indices = [order[next++]];
    while (next < order.length && compare(sequences[order[next]], sequence) === 0) indices.push(order[next++]);

    let shared = sharedLength(last, sequence);
    if (chunk.tokens.length + sequence.length - shared > maxNodes) {
      chunks.push(chunk.finish());
      chunk = new ChunkBuilder();
      shared = 0;
    }
    chunk.append(sequence, shared, indices);
    last = sequence;
  }
  if (chunk.tokens.length > 0) chunks.push(chunk.finish());
  return chunks;
}

/** What the tree saves: rows to compute, and tokens of all sequences one by one (ragged, no padding). */
export function sharedNodes(
  sequences: readonly (readonly number[])[],
  chunks: readonly Chunk[],
): { nodes: number; tokens: number } {
  return {
    nodes: chunks.reduce((sum, chunk) => sum + chunk.tokens.length, 0),
    tokens: sequences.reduce((sum, sequence) => sum + sequence.length, 0),
  };
}
