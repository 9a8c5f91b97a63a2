/** The addresses of servers that keep queues. */

/** @throws RangeError for an address of another server */
export function checkQueueAddress(url: string): void {
  if (/^(rediss?|valkeys?|postgres(ql)?):\/\//i.test(url) && URL.canParse(url)) return;
  // Only the scheme is shown: what follows may hold a password.
  throw new RangeError(`expected an address of redis://, rediss:// or postgres://, got one of ${JSON.stringify(url.split(':')[0])}`); // biome-ignore format: one line
}
