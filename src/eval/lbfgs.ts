/** L-BFGS (Nocedal & Wright 2006, algorithms 7.4 and 7.5), for smooth convex functions, with steps by the Wolfe conditions. */

/** The value at x; the gradient goes to `gradient`. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

export interface Minimum {
  readonly x: Float64Array;
  readonly iterations: number;
  /** Whether the largest part of the gradient is below the tolerance. */
  readonly converged: boolean;
}

/** Pairs that are kept: scipy's default, which scikit-learn leaves as it is. */
const PAIRS = 10;
/** Of the Wolfe conditions (Nocedal & Wright 2006, equation 3.6): the usual values for quasi-Newton steps. */
const WOLFE = { decrease: 1e-4, curvature: 0.9 };
const MOST_TRIALS = 50;
/** Differences of the value below this share of it are rounding. */
const ROUNDING = 1e-14;

interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly rho: number;
}

export async function minimize(
  objective: Objective,
  start: Float64Array,
  { tolerance, iterations, turn }: { tolerance: number; iterations: number; turn?: () => Promise<void> },
): Promise<Minimum> {
  let x = start.slice();
  let gradient = new Float64Array(x.length);
  let value = objective(x, gradient);
  const pairs: Pair[] = [];
  for (let i = 0; i < iterations; i++) {
    if (largest(gradient) <= tolerance) return { x, iterations: i, converged: true };
    await turn?.();
    const direction = descent(gradient, pairs);
    let slope = dot(direction, gradient);
    if (!(slope < 0)) {
      // The pairs are of no use: begin again along the gradient.
      pairs.length = 0;
      for (let j = 0; j < x.length; j++) direction[j] = -gradient[j]!;
      slope = -dot(gradient, gradient);
    }
    const reached = lineSearch(objective, x, value, direction, slope, pairs.length === 0 ? 1 / Math.sqrt(-slope) : 1);
    if (!reached) return { x, iterations: i, converged: false }; // nothing is lower, but for rounding
    const { next, nextGradient, nextValue } = reached;
    remember(pairs, x, next, gradient, nextGradient);
    x = next;
    gradient = nextGradient;
    value = nextValue;
  }
  return { x, iterations, converged: largest(gradient) <= tolerance };
}

/**
 * A step along the direction that goes down enough and far enough: between one that is too short and one that is too long the
 * middle is tried, and as long as none is too long, the double.
 */
function lineSearch(
  objective: Objective,
  x: Float64Array,
  value: number,
  direction: Float64Array,
  slope: number,
  first: number,
) {
  const next = new Float64Array(x.length);
  const nextGradient = new Float64Array(x.length);
  let short = 0;
  let long = Number.POSITIVE_INFINITY;
  let step = first;
  for (let trial = 0; trial < MOST_TRIALS; trial++) {
    for (let j = 0; j < x.length; j++) next[j] = x[j]! + step * direction[j]!;
    const nextValue = objective(next, nextGradient);
    if (!(nextValue <= value + WOLFE.decrease * step * slope + ROUNDING * Math.abs(value))) long = step;
    else if (dot(direction, nextGradient) < WOLFE.curvature * slope) short = step;
    else return { next, nextGradient, nextValue };
    step = long === Number.POSITIVE_INFINITY ? 2 * step : (short + long) / 2;
  }
  return undefined;
}

/** The two loops of algorithm 7.4: minus the approximated inverse Hessian times the gradient. */
function descent(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const q = gradient.slice();
  const alphas: number[] = [];
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { s, y, rho } = pairs[i]!;
    const alpha = rho * dot(s, q);
    alphas[i] = alpha;
    for (let j = 0; j < q.length; j++) q[j] = q[j]! - alpha * y[j]!;
  }
  const last = pairs.at(-1);
  const gamma = last ? 1 / (last.rho * dot(last.y, last.y)) : 1;
  for (let j = 0; j < q.length; j++) q[j] = q[j]! * gamma;
  for (const [i, { s, y, rho }] of pairs.entries()) {
    const beta = rho * dot(y, q);
    for (let j = 0; j < q.length; j++) q[j] = q[j]! + s[j]! * (alphas[i]! - beta);
  }
  for (let j = 0; j < q.length; j++) q[j] = -q[j]!;
  return q;
}

function remember(
  pairs: Pair[],
  x: Float64Array,
  next: Float64Array,
  gradient: Float64Array,
  nextGradient: Float64Array,
): void {
  const s = next.map((value, j) => value - x[j]!);
  const y = nextGradient.map((value, j) => value - gradient[j]!);
  const curvature = dot(s, y);
  if (!(curvature > 1e-12 * dot(y, y))) return;
  pairs.push({ s, y, rho: 1 / curvature });
  if (pairs.length > PAIRS) pairs.shift();
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function largest(values: Float64Array): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}
