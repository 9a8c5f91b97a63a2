import { expect, it } from 'vitest';
import { compiledKernels } from '../../src/engine/compiled.ts';
import { FUNCTION_POWER_OF_TWO } from '../../src/engine/contract.ts';
import { instantiateKernels } from '../../src/engine/kernels.ts';
import { expLogitScale, MAX_LOGIT_SCALE, MAX_STORED_LOGIT_SCALE } from '../../src/model/logit-scale.ts';
import { random } from '../api/token-ids.ts';

const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
const kernels = instantiateKernels(await compiledKernels('simd'), memory);
const floats = new Float32Array(memory.buffer);

/** exp by the kernels' powers of two: fraction and whole number apart, then their product. */
function byKernels(x: number): number {
  const exponent = x * Math.LOG2E;
  const whole = Math.round(exponent);
  floats.set([exponent - whole, whole, 0, 0], 16);
  kernels.mapFunction({ x: 64, n: 4, kind: FUNCTION_POWER_OF_TWO, table: 128 });
  return Math.fround(floats[16]! * floats[17]!);
}

it('exp of the logit scale has the bits of the kernels, from 0 to ln 1000', () => {
  const next = random(3);
  const values = [
    0,
    Math.LN2,
    Math.LN2 / 2,
    4.6052,
    Math.fround(Math.log(100)),
    2.6592,
    Math.log(30),
    MAX_STORED_LOGIT_SCALE,
  ];
  for (let i = 0; i <= 20_000; i++) values.push((i / 20_000) * MAX_STORED_LOGIT_SCALE);
  for (let i = 0; i < 20_000; i++) values.push((next(2 ** 24) / 2 ** 24) * MAX_STORED_LOGIT_SCALE);
  for (let half = 0; half < 20; half++) values.push((half / 2) * Math.LN2, ((half + 1e-6) / 2) * Math.LN2);
  for (const value of values) {
    const x = Math.fround(Math.min(value, MAX_STORED_LOGIT_SCALE));
    if (expLogitScale(x) !== byKernels(x))
      expect.fail(`exp(${x}): ${expLogitScale(x)}, the kernels say ${byKernels(x)}`);
    expect(Math.abs(expLogitScale(x) / Math.exp(x) - 1)).toBeLessThan(3e-7);
  }
});

it('the range of stored values gives scales from 1 to 1000', () => {
  expect(expLogitScale(0)).toBe(1);
  expect(MAX_LOGIT_SCALE).toBe(byKernels(Math.fround(MAX_STORED_LOGIT_SCALE)));
  expect(MAX_LOGIT_SCALE).toBeCloseTo(1000, 0);
  expect(expLogitScale(Math.fround(4.6052))).toBeCloseTo(100.003, 3);
});
