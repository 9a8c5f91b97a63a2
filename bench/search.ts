/** Searches among random vectors of 512 numbers in memory: the whole call, and the scan of the int8 copies that it mostly is. */
import { Records } from '../src/search/records.ts';
import { VectorIndex } from '../src/search/vector-index.ts';
import { Random } from '../test/kernels/random.ts';
import { ms, type Report } from './report.ts';
import { inTurns } from './timing.ts';

const DIMENSION = 512;
const COUNTS = [10_000, 100_000];
const K = 20;
/** Queries that take turns. */
const QUERIES = 16;

export async function benchSearch(report: Report): Promise<void> {
  report.section(`The ${K} nearest of vectors of ${DIMENSION} numbers, one thread, ms`, ['', 'search', 'best', 'scan alone', 'best', 'GB/s']); // biome-ignore format: heads
  for (const count of COUNTS) {
    const random = new Random(1);
    const index = await VectorIndex.create({ dimension: DIMENSION });
    const records = await Records.create(DIMENSION);
    for (let i = 0; i < count; i++) {
      const vector = random.floats(DIMENSION);
      index.add(i, vector);
      records.set(i, records.normalized(vector));
    }
    const queries = Array.from({ length: QUERIES }, () => random.floats(DIMENSION));
    const prepared = queries.map((query) => records.query(records.normalized(query)));
    const bounds = new Float32Array(count);
    let turn = 0;
    const scan = () => {
      const query = prepared[turn++ % QUERIES]!;
      for (let first = 0; first < count; ) {
        const n = records.blockAt(first, count);
        records.bounds(query, first, n, bounds);
        first += n;
      }
    };
    const { search, alone } = await inTurns(
      { search: () => index.search(queries[turn++ % QUERIES]!, K), alone: scan },
      { rounds: 7, time: 300, iterations: 20 },
    );
    const bytes = count * (DIMENSION + 16);
    const name = `${count.toLocaleString('en')} vectors`;
    const values = {
      medianMs: search.medianMs,
      bestMs: search.bestMs,
      scanMs: alone.medianMs,
      scanBestMs: alone.bestMs,
    };
    const perSecond = bytes / alone.bestMs / 1e6;
    report.row(name, { ...values, bytes }, [name, ms(search.medianMs), ms(search.bestMs), ms(alone.medianMs), ms(alone.bestMs), perSecond.toFixed(1)]); // biome-ignore format: cells
  }
}
