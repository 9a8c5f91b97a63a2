/** Random choices that a seed repeats on every machine. */

/** Numbers from 0 to 1, without 1: mulberry32 (Tommy Ettinger, public domain). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A copy in random order (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/**
 * Takes some of each class for training; the others remain for the test.
 * @param share how many of a class of `n` are taken
 * @returns indexes, ascending
 */
export function splitByClass(
  classOf: readonly number[],
  share: (n: number) => number,
  seed: number,
): { train: number[]; test: number[] } {
  const members = new Map<number, number[]>();
  for (const [i, own] of classOf.entries()) {
    const before = members.get(own);
    if (before) before.push(i);
    else members.set(own, [i]);
  }
  const random = seeded(seed);
  const train: number[] = [];
  const test: number[] = [];
  for (const own of [...members.keys()].sort((a, b) => a - b)) {
    const order = shuffled(members.get(own)!, random);
    const taken = share(order.length);
    train.push(...order.slice(0, taken));
    test.push(...order.slice(taken));
  }
  return { train: train.sort((a, b) => a - b), test: test.sort((a, b) => a - b) };
}
