/** Token ids for the tiny models: BOS 598, words below, EOT 599. */
export const BOS = 598;
export const EOT = 599;

/** Numbers 0 .. below, the same in every run (Numerical Recipes' linear congruence). */
export function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** `count` texts of 1 to 70 tokens, EOT the last; many share beginnings, and some are equal. */
export function tokenRows(count: number, seed = 1): number[][] {
  const next = random(seed);
  const rows: number[][] = [];
  for (let i = 0; i < count; i++) {
    const length = 1 + (i % 70);
    const earlier = rows[next(Math.max(1, i))] ?? [];
    const shared = earlier.slice(0, Math.min(next(earlier.length + 1), length)).filter((id) => id !== EOT);
    const row = shared.length > 0 ? shared : [BOS];
    while (row.length < length) row.push(next(598));
    row[length - 1] = EOT;
    rows.push(row);
  }
  return rows;
}
