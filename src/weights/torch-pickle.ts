/**
 * What the pickles of torch.save and of TorchScript name (torch/_utils.py, torch/serialization.py, torch/_weights_only_unpickler.py,
 * torch/jit/_pickle.py; read in version 2.15): tensors and storages become descriptions of where their bytes are, plain
 * records become inert, and every other name is refused.
 */
import { ClipError } from '../errors.ts';
import type { PickleContext } from './pickle.ts';
import { InertRecord, PickleClass, type PickleValue } from './pickle-values.ts';

/** The elements that tensors share: a file inside the archive. */
export interface TorchStorage {
  readonly key: string;
  readonly dtype: string;
  readonly elements: number;
}

/** A tensor as the pickle describes it: a view of a storage. Counted in elements. */
export class TorchTensor {
  readonly storage: TorchStorage;
  readonly dtype: string;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(
    storage: TorchStorage,
    dtype: string,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    this.storage = storage;
    this.dtype = dtype;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** Element types by the names that follow `torch.`, spelled as in safetensors where that has them. */
const DTYPES: Readonly<Record<string, string>> = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  float64: 'F64',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  uint16: 'U16',
  uint32: 'U32',
  uint64: 'U64',
  bool: 'BOOL',
  complex64: 'C64',
  float8_e4m3fn: 'F8_E4M3',
  float8_e5m2: 'F8_E5M2',
};

const STORAGES: Readonly<Record<string, string>> = {
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  DoubleStorage: 'F64',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
  ComplexFloatStorage: 'C64',
};

/** Records of training that say nothing of the weights, by their full names. */
const INERT: ReadonlySet<string> = new Set([
  'argparse.Namespace',
  'types.SimpleNamespace',
  'collections.Counter',
  'collections.defaultdict',
  // Before Python 3, and since.
  ...['__builtin__', 'builtins'].flatMap((module) =>
    ['set', 'frozenset', 'list', 'dict', 'tuple', 'int', 'float', 'bool', 'str', 'complex', 'bytearray', 'object'].map(
      (name) => `${module}.${name}`,
    ),
  ),
  'copy_reg._reconstructor',
  'copyreg._reconstructor',
  '_codecs.encode',
  'pathlib.PosixPath',
  'pathlib.WindowsPath',
  'pathlib.PurePosixPath',
  'pathlib.PureWindowsPath',
  ...['numpy.core', 'numpy._core'].flatMap((module) => [
    `${module}.multiarray.scalar`,
    `${module}.multiarray._reconstruct`,
    `${module}.numeric._frombuffer`,
  ]),
  'numpy.dtype',
  'numpy.ndarray',
  'torch.Size',
  'torch.device',
  'torch.Tensor',
  'torch.nn.parameter.Parameter',
  'torch.nn.parameter.Buffer',
  'torch.serialization._get_layout',
]);

/** `numpy.float64`, `numpy.dtypes.Float64DType` and the like. */
const NUMPY_SCALAR = /^numpy\.((float|int|uint|complex)\d+|bool_?|str_|bytes_|longlong|ulonglong|dtypes\.\w+DType)$/;

/** More dimensions than torch allows. */
const MAX_DIMENSIONS = 64;

/** The names that pickles of one file may use. */
export class TorchPickle implements PickleContext {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  find(module: string, name: string): PickleClass {
    const path = `${module}.${name}`;
    const make = this.#maker(module, name, path);
    if (make) return new PickleClass(path, make);
    const shown = /^[\w.]{1,120}$/.test(path) ? path : JSON.stringify(path.slice(0, 120));
    return this.#fail(
      `has a pickle that names ${shown}, which is not part of a state dict; nothing of it was run; ` +
        'if you trust the file, load it in Python and save model.state_dict()',
    );
  }

  /** ('storage', torch.FloatStorage, key, device, elements), and before torch 1.6 a view at the end. */
  persistent(id: PickleValue): TorchStorage {
    const [kind, type, key, , elements, view] = Array.isArray(id) ? id : [];
    const dtype = type instanceof PickleClass ? storageType(type.path) : undefined;
    if (kind !== 'storage' || dtype === undefined || typeof key !== 'string' || !isCount(elements)) {
      this.#fail('is damaged: its pickle refers to what is not a storage of torch');
    }
    if (view !== undefined && view !== null) {
      this.#fail('was written by a torch before 0.4, whose views of storages are not supported; save it again');
    }
    return { key: key as string, dtype: dtype!, elements: elements as number };
  }

  #maker(module: string, name: string, path: string): PickleClass['make'] | undefined {
    if (module === 'collections' && name === 'OrderedDict') return ([items]) => this.#ordered(items);
    if (module === 'torch._utils' || module === 'torch._tensor') {
      if (name === '_rebuild_tensor' || name === '_rebuild_tensor_v2') return (args) => this.#tensor(args);
      if (name === '_rebuild_tensor_v3') return (args) => this.#tensor(args, args[6]);
      if (name === '_rebuild_parameter' || name === '_rebuild_parameter_with_state') return ([data]) => data;
      if (name === '_rebuild_from_type_v2') return ([rebuild, , args]) => this.#fromType(rebuild, args);
    }
    if (module === 'torch.jit._pickle') {
      if (/^build_(int|tensor|double|bool)list$/.test(name) || name === 'restore_type_tag') return ([data]) => data;
    }
    if (storageType(path) !== undefined || (module === 'torch' && Object.hasOwn(DTYPES, name))) {
      return () => this.#fail(`is damaged: its pickle calls ${path}`);
    }
    if (INERT.has(path) || NUMPY_SCALAR.test(path) || /^__torch__(\.|$)/.test(module)) {
      return (args) => new InertRecord(path, args);
    }
    return undefined;
  }

  /** An OrderedDict is made empty, or of a list of pairs. */
  #ordered(items: PickleValue): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>();
    if (!Array.isArray(items)) return map;
    // The list may be shared with other calls: it counts against the whole.
    this.#spend(items.length);
    for (const pair of items) if (Array.isArray(pair)) map.set(pair[0], pair[1]);
    return map;
  }

  #fromType(rebuild: PickleValue, args: PickleValue): PickleValue {
    if (!(rebuild instanceof PickleClass) || !Array.isArray(args) || rebuild.path.endsWith('_from_type_v2')) {
      return this.#fail('is damaged: its pickle rebuilds a tensor from what is not one');
    }
    return rebuild.make(args);
  }

  #tensor([storage, offset, shape, strides]: readonly PickleValue[], type?: PickleValue): TorchTensor {
    const dtype = type instanceof PickleClass ? DTYPES[type.path.replace(/^torch\./, '')] : undefined;
    const found = storage as TorchStorage;
    const known = typeof found === 'object' && found !== null && typeof found.key === 'string';
    if (!known || !isCount(offset) || !isCounts(shape) || !isCounts(strides) || shape.length !== strides.length) {
      this.#fail('is damaged: its pickle rebuilds a tensor from what is not one');
    }
    this.#spend((shape as number[]).length);
    return new TorchTensor(
      found,
      dtype ?? found.dtype,
      offset as number,
      [...(shape as number[])],
      [...(strides as number[])],
    );
  }

  #spent = 0;

  /** Bounds the copies that calls make of arguments which they may share. */
  #spend(items: number): void {
    this.#spent += items;
    if (this.#spent > MAX_COPIED) this.#fail(`has a pickle that copies more than ${MAX_COPIED} items`);
  }

  #fail(message: string): never {
    throw new ClipError('WEIGHTS_FORMAT', `"${this.name}" ${message}`);
  }
}

const MAX_COPIED = 500_000;

function storageType(path: string): string | undefined {
  const name = path.replace(/^torch(\.cuda)?\./, '');
  if (name === path) return undefined;
  if (Object.hasOwn(STORAGES, name)) return STORAGES[name];
  return /^storage\.(_Untyped|Untyped)Storage$/.test(name) ? 'U8' : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= MAX_DIMENSIONS && value.every(isCount);
}
