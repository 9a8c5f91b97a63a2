/** Whole towers: a picture of the model's size, or a text of a given number of tokens, to its embedding. */
import type { Clip } from '../src/clip.ts';
import type { Precision } from '../src/engine/arithmetic.ts';
import { loadClip } from '../src/load.ts';
import type { Tower } from '../src/model/config.ts';
import type { Ceilings } from './ceiling.ts';
import { imageMacs, textMacs } from './macs.ts';
import { vitB32 } from './models.ts';
import { randomPicture, randomTokens } from './random.ts';
import { ms, percents, type Report } from './report.ts';
import { gmacs, inTurns, shareOf } from './timing.ts';

interface Entrant {
  readonly name: string;
  readonly precision: Precision;
  readonly threads: number;
  readonly macs: number;
  readonly run: () => Promise<unknown>;
  readonly clip: Clip;
}

const models = {
  'ViT-B/32': vitB32,
  embedded: async () => undefined,
} as const;

async function load(model: keyof typeof models, precision: Precision, tower: Tower, threads: number): Promise<Clip> {
  return loadClip(await models[model](precision), { precision, towers: [tower], threads });
}

export async function benchTowers(report: Report, ceilings: Ceilings, threads: number): Promise<void> {
  const picture = randomPicture(224, 224);
  const entrants: Entrant[] = [];
  for (const model of ['ViT-B/32', 'embedded'] as const) {
    for (const precision of ['int8', 'f32'] as const) {
      for (const count of threadCounts(threads)) {
        const clip = await load(model, precision, 'image', count);
        const macs = imageMacs(clip.config).done;
        const run = () => clip.encodeImage(picture);
        entrants.push({ name: `${model} ${precision}`, precision, threads: count, macs, run, clip });
      }
    }
  }
  await benchEntrants(report, ceilings, 'Image towers, one picture of 224 x 224', entrants);
}

export async function benchTexts(report: Report, ceilings: Ceilings, threads: number): Promise<void> {
  const entrants: Entrant[] = [];
  for (const model of ['ViT-B/32', 'embedded'] as const) {
    for (const count of threadCounts(threads)) {
      const clip = await load(model, 'int8', 'text', count);
      const { embedDim } = clip.config;
      const text = clip.config.text!;
      for (const tokens of [8, 77]) {
        const ids = [randomTokens(tokens, text.vocabSize, tokens)];
        const macs = textMacs(text, embedDim, tokens).done;
        const run = () => clip.encodeTokens(ids);
        entrants.push({ name: `${model} int8, ${tokens} tokens`, precision: 'int8', threads: count, macs, run, clip });
      }
    }
  }
  await benchEntrants(report, ceilings, 'Text towers, one text', entrants);
}

/** All entrants alternate with the ceilings; a share is of one thread's ceiling times the threads, in the best and the median round. */
async function benchEntrants(report: Report, ceilings: Ceilings, title: string, entrants: Entrant[]): Promise<void> {
  const title1 = `${title}; kernels: ${entrants[0]!.clip.info().kernels}`;
  const key = ({ name, threads }: Entrant) => `${name}, ${threads} thread${threads === 1 ? '' : 's'}`;
  const tasks = { int8: ceilings.int8.run, f32: ceilings.f32.run } as Record<string, () => unknown>;
  for (const entrant of entrants) tasks[key(entrant)] = entrant.run;
  const runs = await inTurns(tasks, { rounds: 7, time: 120, iterations: 3 });
  report.section(title1, ['', 'median ms', 'best ms', 'least ms', 'GMAC', 'GMAC/s', 'of ceiling', 'speed-up']);
  const alone = new Map<string, number>();
  for (const entrant of entrants) {
    const { name, precision, threads, macs, clip } = entrant;
    const { medianMs, bestMs, leastMs } = runs[key(entrant)]!;
    const most = { macs: ceilings[precision].macs * threads, timing: runs[precision]! };
    const share = shareOf({ macs, timing: runs[key(entrant)]! }, most);
    if (threads === 1) alone.set(name, bestMs);
    const speedUp = threads === 1 ? '' : (alone.get(name)! / bestMs).toFixed(2);
    const values = { threads, medianMs, bestMs, leastMs, macs, gmacs: gmacs(macs, bestMs), share: share.best, shareMedian: share.middle }; // biome-ignore format: one row
    const cells = [ms(medianMs), ms(bestMs), ms(leastMs), (macs / 1e9).toFixed(3), gmacs(macs, bestMs).toFixed(1)];
    report.row(key(entrant), values, [key(entrant), ...cells, percents(share), speedUp]);
    clip.dispose();
  }
}

const threadCounts = (threads: number) => (threads > 1 ? [1, threads] : [1]);
