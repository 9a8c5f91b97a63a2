/** softmax(scale q k^T) v of one query row over a list of key rows, in float64. */
export function attend(
  q: ArrayLike<number>,
  k: (row: number) => ArrayLike<number>,
  v: (row: number) => ArrayLike<number>,
  list: readonly number[],
  scale: number,
): number[] {
  const scores = list.map((row) => {
    const key = k(row);
    let sum = 0;
    for (let d = 0; d < q.length; d++) sum += q[d]! * key[d]!;
    return sum * scale;
  });
  const largest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - largest));
  const total = weights.reduce((a, b) => a + b, 0);
  return Array.from({ length: q.length }, (_, d) =>
    list.reduce((sum, row, j) => sum + (weights[j]! / total) * v(row)[d]!, 0),
  );
}
