/** float32 arithmetic in JavaScript: every step rounded, in the order in which the kernels take it. */
const { fround } = Math;

export const add = (a: number, b: number) => fround(a + b);
export const mul = (a: number, b: number) => fround(a * b);

/** max(x, 0) as the kernels' pmax: -0 stays -0. */
export function relu(x: number): number {
  if (x < 0) return 0;
  return x;
}

/** Clamps to [0, 6] as the kernels' pmax and pmin do: -0 stays -0. */
export function relu6(x: number): number {
  if (x < 0) return 0;
  return Math.min(x, 6);
}

/** The nearest integer, ties to even. */
export function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The integer that stands for x in [0, 6] where the scale is fixed. */
export const fixed = (x: number) => roundEven(mul(x, fround(8191 / 6)));

/** A sum in four lanes (lane = index mod 4), joined as (0 + 2) + (1 + 3). */
export function laneSum(n: number, term: (i: number) => number): number {
  const lanes = [0, 0, 0, 0];
  for (let i = 0; i < n; i++) lanes[i & 3] = add(lanes[i & 3]!, term(i));
  return add(add(lanes[0]!, lanes[2]!), add(lanes[1]!, lanes[3]!));
}
