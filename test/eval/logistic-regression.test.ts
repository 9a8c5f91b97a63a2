/** The linear probe against scikit-learn (test/oracle/eval.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { minimize } from '../../src/eval/lbfgs.ts';
import { fitLogisticRegression, softmaxInPlace } from '../../src/eval/logistic-regression.ts';
import { argmax } from '../../src/eval/tally.ts';

interface Fit {
  classes: number;
  x: number[][];
  y: number[];
  weights: number[] | number[][];
  intercepts: number | number[];
  test: number[][];
  predicted: number[];
  probabilities: number[][];
}

const { C, fits } = JSON.parse(readFileSync('test/golden/logistic-regression.json', 'utf8')) as {
  C: number;
  fits: Fit[];
};

describe.each(fits.map((fit) => [fit.classes, fit] as const))('%i classes', (classes, fit) => {
  it('has the weights and probabilities of scikit-learn', async () => {
    const model = await fitLogisticRegression(fit.x, fit.y, { C, classes, tolerance: 1e-9 });
    expect(model.converged).toBe(true);
    const width = fit.x[0]!.length;
    if (classes === 2) {
      const difference = Array.from({ length: width }, (_, j) => model.weights[width + j]! - model.weights[j]!);
      for (const [j, weight] of (fit.weights as number[]).entries()) expect(difference[j]).toBeCloseTo(weight, 5);
      expect(model.intercepts[1]! - model.intercepts[0]!).toBeCloseTo(fit.intercepts as number, 6);
    } else {
      for (const [j, weight] of (fit.weights as number[][]).flat().entries()) {
        expect(model.weights[j]).toBeCloseTo(weight, 5);
      }
    }
    for (const [i, vector] of fit.test.entries()) {
      const scores = model.logits(vector);
      softmaxInPlace(scores);
      expect(argmax(scores)).toBe(fit.predicted[i]);
      for (const [c, probability] of fit.probabilities[i]!.entries()) expect(scores[c]).toBeCloseTo(probability, 5);
    }
  });

  it('is near it with the tolerance of the command', async () => {
    const model = await fitLogisticRegression(fit.x, fit.y, { C, classes });
    expect(model.iterations).toBeLessThan(200);
    for (const [i, vector] of fit.test.entries()) {
      const scores = model.logits(vector);
      softmaxInPlace(scores);
      for (const [c, probability] of fit.probabilities[i]!.entries()) expect(scores[c]).toBeCloseTo(probability, 4);
    }
  });
});

describe('L-BFGS', () => {
  it('finds the minimum of a stretched bowl in as many steps as L-BFGS-B of scipy, which takes 483', async () => {
    const scales = Array.from({ length: 20 }, (_, i) => 10 ** (i / 5));
    const bowl = (x: Float64Array, gradient: Float64Array) => {
      let value = 0;
      for (const [i, scale] of scales.entries()) {
        const away = x[i]! - i;
        value += (scale * away ** 2) / 2;
        gradient[i] = scale * away;
      }
      return value;
    };
    const { x, converged, iterations } = await minimize(bowl, new Float64Array(20), {
      tolerance: 1e-8,
      iterations: 1000,
    });
    expect(converged).toBe(true);
    expect(iterations).toBeLessThan(550);
    for (const [i, value] of x.entries()) expect(value).toBeCloseTo(i, 6);
  });

  it('says that it did not converge', async () => {
    const slope = (x: Float64Array, gradient: Float64Array) => {
      gradient[0] = 1;
      return x[0]!;
    };
    expect(await minimize(slope, new Float64Array(1), { tolerance: 1e-3, iterations: 5 })).toMatchObject({
      converged: false,
    });
  });
});
