/** Some calls at once, their results in order: for what waits for a network more than it computes. */

const AT_ONCE = 16;

/**
 * @returns the results in the order of the items; at most 16 calls are under way or wait to be taken
 * @throws what the first call that fails throws
 */
export async function* concurrently<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  call: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const under: Promise<R>[] = [];
  for await (const item of items) {
    const result = call(item);
    result.catch(() => {}); // whoever takes it sees it
    under.push(result);
    if (under.length === AT_ONCE) yield await under.shift()!;
  }
  for (const result of under) yield await result;
}
