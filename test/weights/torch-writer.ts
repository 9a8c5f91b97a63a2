/** Writes zip archives, pickles and PyTorch's files, also ones that PyTorch never would. */
import type { TensorData } from '../../src/weights/safetensors.ts';
import { OLD_MAGIC } from '../../src/weights/torch-magic.ts';

const encoder = new TextEncoder();

export const concat = (...parts: (Uint8Array | readonly number[])[]): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => (part instanceof Uint8Array ? part : Uint8Array.from(part)))));

function little(value: number | bigint, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n));
}

export interface Entry {
  readonly name: string;
  readonly data: Uint8Array;
  /** What the directory says instead of the truth. */
  readonly claims?: {
    readonly method?: number;
    readonly flags?: number;
    readonly bytes?: number | bigint;
    readonly compressed?: number | bigint;
    readonly offset?: number;
  };
}

/** A zip archive of stored entries. A size of 2^32 or more goes into the entry's zip64 field. */
export function zip(
  entries: readonly Entry[],
  { comment = '', zip64 = false, count = entries.length } = {},
): Uint8Array {
  const local: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let at = 0;
  for (const { name, data, claims = {} } of entries) {
    const path = encoder.encode(name);
    const header = concat([0x50, 0x4b, 3, 4], new Uint8Array(22), little(path.length, 2), [0, 0], path);
    const bytes = claims.bytes ?? data.length;
    const compressed = claims.compressed ?? bytes;
    const large = [bytes, compressed].map((size) => size >= 2 ** 32);
    const sizes = [bytes, compressed].flatMap((size, i) => (large[i] ? little(size, 8) : []));
    const extra = sizes.length > 0 ? concat(little(1, 2), little(sizes.length, 2), sizes) : new Uint8Array(0);
    central.push(
      concat(
        [0x50, 0x4b, 1, 2, 0, 0, 0, 0],
        little(claims.flags ?? 0, 2),
        little(claims.method ?? 0, 2),
        new Uint8Array(8),
        large[1] ? little(0xffff_ffff, 4) : little(compressed, 4),
        large[0] ? little(0xffff_ffff, 4) : little(bytes, 4),
        little(path.length, 2),
        little(extra.length, 2),
        new Uint8Array(10),
        little(claims.offset ?? at, 4),
        path,
        extra,
      ),
    );
    local.push(header, data);
    at += header.length + data.length;
  }
  const directory = concat(...central);
  const end = at + directory.length;
  const record = [little(count, 8), little(count, 8), little(directory.length, 8), little(at, 8)].flat();
  const end64 = zip64
    ? concat(
        [0x50, 0x4b, 6, 6],
        little(44, 8),
        new Uint8Array(12),
        record,
        [0x50, 0x4b, 6, 7, 0, 0, 0, 0],
        little(end, 8),
        little(1, 4),
      )
    : [];
  // Values that do not fit are all ones, and in the zip64 record.
  const fields = zip64
    ? little(0xffff_ffff_ffff_ffff_ffff_ffffn, 12)
    : [...little(count, 2), ...little(count, 2), ...little(directory.length, 4), ...little(at, 4)];
  return concat(
    ...local,
    directory,
    end64,
    [0x50, 0x4b, 5, 6, 0, 0, 0, 0],
    fields,
    little(comment.length, 2),
    encoder.encode(comment),
  );
}

/** Pieces of a pickle: each pushes one value. */
export const push = {
  none: Uint8Array.of(0x4e),
  int: (value: number) => concat([0x4a], little(value, 4)),
  text: (text: string) => concat([0x58], little(encoder.encode(text).length, 4), encoder.encode(text)),
  tuple: (...items: Uint8Array[]) => concat([0x28], ...items, [0x74]),
  dict: (entries: readonly (readonly [string, Uint8Array])[]) =>
    concat([0x7d, 0x28], ...entries.flatMap(([key, value]) => [push.text(key), value]), [0x75]),
  global: (module: string, name: string) => concat([0x63], encoder.encode(`${module}\n${name}\n`)),
  call: (called: Uint8Array, ...args: Uint8Array[]) => concat(called, push.tuple(...args), [0x52]),
  storage: (type: string, key: string, elements: number) =>
    concat(
      push.tuple(
        push.text('storage'),
        push.global('torch', type),
        push.text(key),
        push.text('cpu'),
        push.int(elements),
      ),
      [0x51],
    ),
  tensor: (storage: Uint8Array, offset: number, shape: readonly number[], strides: readonly number[]) =>
    push.call(
      push.global('torch._utils', '_rebuild_tensor_v2'),
      storage,
      push.int(offset),
      push.tuple(...shape.map(push.int)),
      push.tuple(...strides.map(push.int)),
      Uint8Array.of(0x89),
      push.call(push.global('collections', 'OrderedDict')),
    ),
};

export const pickle = (value: Uint8Array | readonly number[]) => concat([0x80, 2], value, [0x2e]);

/** A PyTorch file with this pickle and these storages. */
export const torchFile = (
  value: Uint8Array | readonly number[],
  storages: readonly Uint8Array[] = [],
  more: readonly Entry[] = [],
) =>
  zip([
    { name: 'archive/data.pkl', data: pickle(value) },
    { name: 'archive/byteorder', data: encoder.encode('little') },
    ...storages.map((data, i) => ({ name: `archive/data/${i}`, data })),
    ...more,
  ]);

const STORAGES: Record<string, string> = {
  F32: 'FloatStorage',
  F16: 'HalfStorage',
  BF16: 'BFloat16Storage',
  I64: 'LongStorage',
};

/** What `torch.save` pickles for these tensors as a dict; their storages are numbered from `first`. */
export function stateDict(tensors: readonly TensorData[], prefix = '', first = 0): Uint8Array {
  return push.dict(
    tensors.map(({ name, dtype, shape }, i) => {
      const elements = shape.reduce((a, b) => a * b, 1);
      const strides = shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1));
      return [
        prefix + name,
        push.tensor(push.storage(STORAGES[dtype]!, String(first + i), elements), 0, shape, strides),
      ];
    }),
  );
}

/** What torch.save wrote before 1.6: five pickles, then each storage with its length. */
export function oldTorchFile(tensors: readonly TensorData[]): Uint8Array {
  const keys = concat([0x5d, 0x28], ...tensors.map((_, i) => push.text(String(i))), [0x65]);
  const system = push.dict([['little_endian', Uint8Array.of(0x88)]]);
  const storages = tensors.map(({ shape, data }) =>
    concat(
      little(
        shape.reduce((a, b) => a * b, 1),
        8,
      ),
      data,
    ),
  );
  const version = concat([0x4d], little(1001, 2));
  return concat(OLD_MAGIC, ...[version, system, stateDict(tensors), keys].map(pickle), ...storages);
}

/** TorchScript as `torch.jit.save` writes it: modules inside each other, with the tensors as their attributes. */
export function torchScript(tensors: readonly TensorData[]): Uint8Array {
  const module = (prefix: string): Uint8Array => {
    const own = tensors.map((tensor, i) => ({ tensor, i })).filter(({ tensor }) => tensor.name.startsWith(prefix));
    const attributes = [...new Set(own.map(({ tensor }) => tensor.name.slice(prefix.length).split('.')[0]!))];
    const state = attributes.map((attribute) => {
      const found = own.find(({ tensor }) => tensor.name === prefix + attribute);
      if (!found) return [attribute, module(`${prefix}${attribute}.`)] as const;
      const { dtype, shape } = found.tensor;
      const elements = shape.reduce((a, b) => a * b, 1);
      const strides = shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1));
      const storage = push.storage(STORAGES[dtype]!, String(found.i), elements);
      return [attribute, push.tensor(storage, 0, shape, strides)] as const;
    });
    return concat(push.global('__torch__.multimodal.model', 'Module'), [0x29, 0x81], push.dict(state), [0x62]);
  };
  const script = { name: 'archive/constants.pkl', data: pickle(push.none) };
  return torchFile(module(''), tensors.map(({ data }) => data), [script]); // biome-ignore format: one line
}
