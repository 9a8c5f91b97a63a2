/** A file of named tensors, whatever its format: what naming, shape checks and reading need of it. */

/** One tensor of a file. */
export interface TensorInfo {
  readonly name: string;
  /** The element type as safetensors spells it, e.g. `F32`. May be one that this package cannot read. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Where its first element begins, counted from the start of the file; in an archive, from its entry's first byte. */
  readonly offset: number;
  /** Bytes of its elements. With `strides`, they are not all next to each other in the file. */
  readonly byteLength: number;
  /** Elements from one index to the next, per dimension. Absent if the elements are next to each other, row-major. */
  readonly strides?: readonly number[];
  /** The entry of an archive that it is in. */
  readonly entry?: TensorEntry;
}

/** A file inside an archive: a header, then the bytes. */
export interface TensorEntry {
  /** Where in the archive all of it lies: bytes [start, end). */
  readonly start: number;
  readonly end: number;
  /**
   * Where its bytes begin. Only the header tells it, so it is read with the tensor: a look at the list of tensors stays small.
   * @throws ClipError `WEIGHTS_FORMAT` for a damaged header; `IO` if it cannot be read
   */
  content(signal?: AbortSignal): Promise<number>;
}

export interface TensorFile {
  /** The file's name, for messages. */
  readonly name: string;
  /** The free-form `__metadata__` of a safetensors file; empty if there is none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** By name. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Which PyTorch form it has; absent for safetensors. */
  readonly torch?: 'state dict' | 'TorchScript';
}

/** Where a tensor's first element begins in the file. @throws ClipError as `TensorEntry.content` */
export async function firstElement({ offset, entry }: TensorInfo, signal?: AbortSignal): Promise<number> {
  return entry ? (await entry.content(signal)) + offset : offset;
}
