/** How long a soak test runs: `npm run soak -- NAME --minutes N`. */
export const minutes = Number(process.env.EDGECLIP_SOAK_MINUTES ?? 10);

/** Calls `round` with 0, 1, 2 … until the time is over, at least three times. */
export async function untilOver(round: (i: number) => Promise<void>): Promise<number> {
  const end = performance.now() + minutes * 60_000;
  let i = 0;
  for (; i < 3 || performance.now() < end; i++) await round(i);
  return i;
}
