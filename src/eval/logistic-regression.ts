/**
 * Multinomial logistic regression with an L2 penalty, as scikit-learn's `LogisticRegression(C=C)` defines it (linear_model/
 * _logistic.py, version 1.9): the minimum of sum of losses + |W|² / (2 C), the intercepts without penalty. This is the linear
 * probe of the CLIP paper (Radford et al. 2021, section 3.2; OpenAI's README takes C = 0.316 for CIFAR-100).
 */
import { minimize, type Objective } from './lbfgs.ts';

export interface LogisticRegression {
  /** f64[classes, width]. */
  readonly weights: Float64Array;
  /** f64[classes]. */
  readonly intercepts: Float64Array;
  readonly iterations: number;
  readonly converged: boolean;
  /** The classes' logits for a vector. */
  logits(vector: ArrayLike<number>): Float64Array;
}

export interface RegressionOptions {
  /** Inverse strength of the penalty. */
  readonly C: number;
  readonly classes: number;
  /** Largest part of the gradient of the mean loss at which it is done. */
  readonly tolerance?: number;
  readonly iterations?: number;
  /** Called once an iteration: lets the event loop turn, may throw. */
  readonly turn?: () => Promise<void>;
}

/** @param vectors of one length; `labels` are from 0 to classes - 1 */
export async function fitLogisticRegression(
  vectors: readonly ArrayLike<number>[],
  labels: readonly number[],
  { C, classes, tolerance = 1e-6, iterations = 1000, turn }: RegressionOptions,
): Promise<LogisticRegression> {
  const n = vectors.length;
  const width = vectors[0]!.length;
  // Two classes have one vector w in scikit-learn, with the penalty |w|² / 2. Here w is the difference of two opposite ones,
  // whose penalties add up to |w|² / 4: half of C makes them equal.
  const strength = 1 / ((classes === 2 ? C / 2 : C) * n);
  const stride = width + 1; // the intercept comes last
  const logits = new Float64Array(classes);
  const objective: Objective = (parameters, gradient) => {
    gradient.fill(0);
    let loss = 0;
    for (let i = 0; i < n; i++) {
      const x = vectors[i]!;
      computeLogits(parameters, x, logits);
      loss += softmaxInPlace(logits, labels[i]!);
      for (let c = 0; c < classes; c++) {
        const error = (logits[c]! - (c === labels[i] ? 1 : 0)) / n;
        const at = c * stride;
        for (let j = 0; j < width; j++) gradient[at + j] = gradient[at + j]! + error * x[j]!;
        gradient[at + width] = gradient[at + width]! + error;
      }
    }
    let squares = 0;
    for (let c = 0; c < classes; c++) {
      for (let at = c * stride; at < c * stride + width; at++) {
        squares += parameters[at]! ** 2;
        gradient[at] = gradient[at]! + strength * parameters[at]!;
      }
    }
    return loss / n + (strength / 2) * squares;
  };
  const start = new Float64Array(classes * stride);
  const { x, ...outcome } = await minimize(objective, start, { tolerance, iterations, ...(turn && { turn }) });
  const weights = new Float64Array(classes * width);
  const intercepts = new Float64Array(classes);
  for (let c = 0; c < classes; c++) {
    weights.set(x.subarray(c * stride, c * stride + width), c * width);
    intercepts[c] = x[c * stride + width]!;
  }
  const result = (vector: ArrayLike<number>) => {
    const out = new Float64Array(classes);
    computeLogits(x, vector, out);
    return out;
  };
  return { weights, intercepts, ...outcome, logits: result };
}

function computeLogits(parameters: Float64Array, x: ArrayLike<number>, out: Float64Array): void {
  const width = x.length;
  for (let c = 0; c < out.length; c++) {
    const at = c * (width + 1);
    let sum = parameters[at + width]!;
    for (let j = 0; j < width; j++) sum += parameters[at + j]! * x[j]!;
    out[c] = sum;
  }
}

/** Logits to probabilities, in place; returns the loss, -log of the probability of `own`. */
export function softmaxInPlace(logits: Float64Array, own = 0): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of logits) most = Math.max(most, value);
  const before = logits[own]! - most;
  let sum = 0;
  for (let c = 0; c < logits.length; c++) {
    logits[c] = Math.exp(logits[c]! - most);
    sum += logits[c]!;
  }
  for (let c = 0; c < logits.length; c++) logits[c] = logits[c]! / sum;
  return Math.log(sum) - before;
}
