// Memory operations between the kernels of a graph. They are kernels too, so that a whole picture is a list of kernel calls.

/** Copies bytes; the two places may overlap. */
export function copyBytes(from: usize, to: usize, bytes: i32): void {
  assert(bytes >= 0);
  memory.copy(to, from, <usize>bytes);
}

export function zeroBytes(at: usize, bytes: i32): void {
  assert(bytes >= 0);
  memory.fill(at, 0, <usize>bytes);
}

/** Key lists (attention.ts) in which each of n rows sees all n: i32 [n] each. */
export function listAll(n: i32, starts: usize, lengths: usize, entries: usize): void {
  assert(n > 0);
  for (let i = 0; i < n; i++) {
    const at = <usize>i << 2;
    store<i32>(starts + at, 0);
    store<i32>(lengths + at, n);
    store<i32>(entries + at, i);
  }
}
