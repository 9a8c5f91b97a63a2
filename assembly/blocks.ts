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

/** Zeros around an image of [size + 2][size + 2] pixels of pixelBytes bytes: its first and last lines and columns. */
export function zeroBorder(image: usize, size: i32, pixelBytes: i32): void {
  assert(size > 0 && pixelBytes > 0);
  const line = <usize>((size + 2) * pixelBytes);
  const edge = <usize>(2 * pixelBytes);
  memory.fill(image, 0, line + <usize>pixelBytes);
  // The last column of a line and the first of the next are neighbors.
  for (let y = 2; y <= size; y++) memory.fill(image + <usize>y * line - <usize>pixelBytes, 0, edge);
  memory.fill(image + <usize>(size + 1) * line - <usize>pixelBytes, 0, line + <usize>pixelBytes);
}
