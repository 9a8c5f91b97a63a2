/**
 * The nearest vectors of a PostgreSQL index. pgvector ranks; those that rounding may have put in a wrong place are read, and our
 * own kernel computes their products, so that answers are those of a plain f32 scan, bit for bit (docs/numerics.md, "Search").
 */
import { asCosine } from '../cosine.ts';
import { ClipError } from '../errors.ts';
import { yieldIfDue } from '../scheduler.ts';
import { Best } from './best.ts';
import type { Session } from './postgres.ts';
import { sentVector } from './postgres-copy.ts';
import { halfVector, hasHnsw } from './postgres-schema.ts';
import { EXACT_ROWS, type Records } from './records.ts';

/** Ids that are asked for beyond the k best, so that few searches ask twice. */
const SPARE = 64;
/** Candidates of HNSW for each that is wanted, and least and most of them (docs/search.md has their recall). */
const BREADTH = 4;
const LEAST_CANDIDATES = 400;
/** The largest `hnsw.ef_search`. */
const MOST_CANDIDATES = 1000;
/** Vectors that are read at once. */
const READ_ROWS = 4 * EXACT_ROWS;

export interface Wanted {
  /** Of length 1. */
  readonly query: Float32Array;
  readonly k: number;
  readonly filter: ((id: number) => boolean) | undefined;
  /** Whether HNSW may choose the candidates. */
  readonly approximate: boolean;
  readonly signal: AbortSignal | undefined;
}

export interface Near {
  readonly id: number;
  readonly similarity: number;
}

/** An id and pgvector's product with the query. */
interface Ranked {
  readonly id: number;
  readonly product: number;
}

/** Best first; equal ones by their ids. The session reads one snapshot. */
export async function nearestIn(session: Session, name: string, records: Records, wanted: Wanted): Promise<Near[]> {
  const { query, signal } = wanted;
  const ids = await candidates(session, wanted);
  const dimension = query.length;
  const prepared = records.query(query);
  const best = new Best(wanted.k, ids); // slot i is ids[i]
  for (let first = 0; first < ids.length; first += READ_ROWS) {
    const some = ids.slice(first, first + READ_ROWS);
    const sql = 'SELECT id, vector_send(vector) AS vector FROM $schema.vectors WHERE id = ANY($1)';
    const sent = new Map((await session.rows(sql, [some])).map(({ id, vector }) => [Number(id), vector as Uint8Array]));
    for (let at = 0; at < some.length; at += EXACT_ROWS) {
      await yieldIfDue(signal);
      const block = some.slice(at, at + EXACT_ROWS);
      const vectors = new Float32Array(block.length * dimension);
      for (const [i, id] of block.entries()) {
        const vector = sentVector(sent.get(id)!, dimension);
        if (!vector) throw damagedVector(name, id);
        vectors.set(vector, i * dimension);
      }
      const products = records.products(prepared, vectors, dimension, block.length);
      for (const [i, product] of products.entries()) best.add(first + at + i, product);
    }
  }
  return best.list().map(({ slot, score }) => ({ id: ids[slot]!, similarity: asCosine(score) }));
}

export const damagedVector = (name: string, id: number): ClipError =>
  new ClipError(
    'INDEX_FORMAT',
    `"${name}" is damaged: the vector of photo ${id} is not one of length 1; edgeclip index makes it again`,
  );

/** Ids among which the k nearest are. */
async function candidates(session: Session, { query, k, filter, approximate, signal }: Wanted): Promise<number[]> {
  const text = `[${query.join()}]`;
  const allowed = (ranked: readonly Ranked[]) => (filter ? ranked.filter(({ id }) => filter(id)) : ranked);
  if (approximate && k <= MOST_CANDIDATES && hasHnsw(query.length)) {
    const found = allowed(await hnsw(session, text, query.length, k));
    if (found.length >= k) return cut(found, k, query.length);
  }
  const limit = k + SPARE;
  const scan = 'SELECT id, -(vector <#> $1::vector) AS product FROM $schema.vectors';
  const first = await ranked(session, `${scan} ORDER BY product DESC, id LIMIT $2`, [text, limit]);
  const kept = allowed(first);
  const found = cut(kept, k, query.length);
  // All were seen, or one that is too far away for the best, and so are those behind it.
  if (first.length < limit || found.length < kept.length) return found;
  signal?.throwIfAborted();
  if (filter) return cut(allowed(await ranked(session, `${scan} ORDER BY product DESC`, [text])), k, query.length);
  const least = first[k - 1]!.product - 2 * disagreement(query.length);
  return (await ranked(session, `${scan} WHERE -(vector <#> $1::vector) >= $2`, [text, least])).map(({ id }) => id);
}

/** What HNSW finds, with products in f32. */
async function hnsw(session: Session, text: string, dimension: number, k: number): Promise<Ranked[]> {
  const breadth = Math.min(MOST_CANDIDATES, Math.max(LEAST_CANDIDATES, BREADTH * k));
  await session.rows("SELECT set_config('hnsw.ef_search', $1, true)", [String(breadth)]);
  return ranked(
    session,
    `SELECT id, -(vector <#> $1::vector) AS product FROM (
       SELECT id, vector FROM $schema.vectors ORDER BY ${halfVector(dimension)} <#> $1::halfvec(${dimension}) LIMIT $2
     ) AS near ORDER BY product DESC, id`,
    [text, breadth],
  );
}

async function ranked(session: Session, sql: string, values: readonly unknown[]): Promise<Ranked[]> {
  return (await session.rows(sql, values)).map(({ id, product }) => ({ id: Number(id), product: product as number }));
}

/** The ids of the k largest products and of those that may belong there, of a list by its products. */
function cut(list: readonly Ranked[], k: number, dimension: number): number[] {
  const least = k <= list.length ? list[k - 1]!.product - 2 * disagreement(dimension) : Number.NEGATIVE_INFINITY;
  return list.filter(({ product }) => product >= least).map(({ id }) => id);
}

/**
 * How far two f32 products of the same vectors of length 1 may be apart, whatever the order of their sums and whether products
 * are fused into them: twice n u / (1 - n u) with u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1).
 * 2^-20 covers lengths that are not quite 1 and results as f32.
 */
function disagreement(n: number): number {
  const nu = n * 2 ** -24;
  return (2 * nu) / (1 - nu) + 2 ** -20;
}
