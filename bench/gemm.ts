/** The product of each shape through the kernels' interface, alternating with the ceilings: a share compares the same moment. */
import { Arithmetic, type Linear, type Precision } from '../src/engine/arithmetic.ts';
import { TileAutotuner } from '../src/engine/autotuning.ts';
import { Mode } from '../src/engine/calls.ts';
import { compiledKernels } from '../src/engine/compiled.ts';
import { instantiateKernels, type KernelVariant } from '../src/engine/kernels.ts';
import { MemoryPlan } from '../src/engine/memory.ts';
import { roundUp } from '../src/engine/numerics.ts';
import { packPanels, packPanelsInt8 } from '../src/weights/panels.ts';
import type { Ceilings } from './ceiling.ts';
import { randomFloats } from './random.ts';
import { percents, type Report } from './report.ts';
import type { GemmShape } from './shapes.ts';
import { gmacs, inTurns, shareOf, type Timing, type Work } from './timing.ts';

/** A product of random operands as a task. */
async function product(
  { m, n, k }: GemmShape,
  precision: Precision,
  variant: KernelVariant,
  mode: number = Mode.none,
): Promise<() => void> {
  const plan = new MemoryPlan();
  const place = (bytes: number) => plan.reserve(precision, bytes);
  const x = place(m * k * 4);
  const rows = Arithmetic.reserveRows(plan, precision, precision, [[m, k]]);
  const w: Linear = { n, k, panels: place(n * roundUp(k, 4) * 4), scale: place(n * 4), sum: place(n * 4), bias: place(n * 4) }; // biome-ignore format: one operand
  const c = place(m * n * 4);
  const scratch = place(Arithmetic.scratchBytes(k, 0));
  const memory = plan.allocate();
  const { buffer } = memory;

  new Float32Array(buffer, x, m * k).set(randomFloats(m * k, 1));
  new Float32Array(buffer, w.bias, n).set(randomFloats(n, 2));
  const weights = randomFloats(n * k, 3);
  if (precision === 'int8') {
    const panels = new Int8Array(buffer, w.panels, n * roundUp(k, 4));
    const scale = new Float32Array(buffer, w.scale, n);
    packPanelsInt8(weights, n, k, 1, { panels, scale, sum: new Int32Array(buffer, w.sum, n) });
  } else {
    packPanels(weights, n, k, new Float32Array(buffer, w.panels, n * k));
  }
  const kernels = instantiateKernels(await compiledKernels(variant), memory);
  const arithmetic = new Arithmetic(kernels, precision, scratch, new TileAutotuner(Mode.none)); // `mode` has the variant
  const a = arithmetic.pack(x, m, k, rows);
  return () => arithmetic.linear(a, w, c, { mode });
}

/**
 * `splat` is the other variant of the tile (autotuning picks the faster one); f32 is measured with it.
 * An int8 product counts against the dot of the plain build in both builds: that is what the relaxed one has to beat.
 */
export async function benchGemm(report: Report, ceilings: Ceilings, shapes: readonly GemmShape[]): Promise<void> {
  const withRelaxed = typeof ceilings.relaxed !== 'string';
  const heads = [
    'int8',
    'of ceiling',
    'splat',
    'of ceiling',
    ...(withRelaxed ? ['relaxed', 'of dot'] : []),
    'f32',
    'of ceiling',
  ];
  report.section('Matrix products, GMAC/s of one thread in the best round; of ceiling: best / middle round', [
    'm, k, n',
    ...heads,
  ]);
  for (const shape of shapes) {
    const { name, m, n, k } = shape;
    const macs = m * n * k;
    const runs = await inTurns(
      {
        ceiling: ceilings.int8.run,
        int8: await product(shape, 'int8', 'simd'),
        splat: await product(shape, 'int8', 'simd', Mode.splat),
        ...(withRelaxed && { relaxed: await product(shape, 'int8', 'relaxed') }),
        ceilingF32: ceilings.f32.run,
        f32: await product(shape, 'f32', 'simd', Mode.splat),
      },
      { rounds: 5, time: 25 },
    );
    const most = {
      int8: { macs: ceilings.int8.macs, timing: runs.ceiling },
      f32: { macs: ceilings.f32.macs, timing: runs.ceilingF32 },
    };
    const values: Record<string, number> = { m, n, k };
    const cells: string[] = [];
    const add = (task: string, timing: Timing, ceiling: Work) => {
      const share = shareOf({ macs, timing }, ceiling);
      const { bestMs, medianMs, leastMs } = timing;
      Object.assign(values, {
        [`${task} gmacs`]: gmacs(macs, bestMs),
        [`${task} gmacs median`]: gmacs(macs, medianMs),
        [`${task} gmacs least`]: gmacs(macs, leastMs),
        [`${task} share`]: share.best,
        [`${task} share median`]: share.middle,
      });
      cells.push(gmacs(macs, bestMs).toFixed(1), percents(share));
    };
    add('int8', runs.int8, most.int8);
    add('splat', runs.splat, most.int8);
    if (runs.relaxed) add('relaxed', runs.relaxed, most.int8);
    add('f32', runs.f32, most.f32);
    report.row(name, values, [`${name} (${m}, ${k}, ${n})`, ...cells]);
  }
}
