/**
 * PyTorch's files: the zip of torch.save since 1.6 (`.bin`, `.pt`), its older form, and TorchScript, as OpenAI published CLIP.
 * Only the pickle that describes the tensors is read here; the tensors stay in the file, each at its place.
 */
import { ClipError } from '../errors.ts';
import { show } from '../json.ts';
import { readPickle } from './pickle.ts';
import { InertRecord, type PickleValue } from './pickle-values.ts';
import { elementBytes } from './safetensors.ts';
import type { Source } from './source.ts';
import type { TensorEntry, TensorFile, TensorInfo } from './tensor-file.ts';
import { isZip, OLD_MAGIC } from './torch-magic.ts';
import { TorchPickle, type TorchStorage, TorchTensor } from './torch-pickle.ts';
import { ZipArchive, type ZipEntry } from './zip.ts';

/** Bytes of a pickle at most: without the tensors, a checkpoint of 2 billion parameters has 0.5 MB. */
const MAX_PICKLE = 8_000_000;
/** What is read first of the older form: those of ViT-B/32 have 50 kB. */
const OLD_PICKLES = 256 << 10;
const MAX_TENSORS = 20_000;
/** Modules inside each other in TorchScript. */
const MAX_DEPTH = 64;
/** Tied weights are stored once. Of a file that claims more than this many times its length, a small one would fill the memory. */
const MOST_SHARED = 4;
/** Where a storage's bytes are: in the file, or in an entry of an archive. */
interface Place {
  readonly offset: number;
  readonly byteLength: number;
  readonly entry?: TensorEntry;
}

/**
 * Reads which tensors a PyTorch file has, and where. Of a training checkpoint that is the model's state dict; tensors of the
 * optimizer are not looked at.
 * @param head the file's first bytes, for which `isTorch` holds
 * @throws ClipError `WEIGHTS_FORMAT` if the file is damaged, of another kind, or names what is not part of a state dict; `IO` if
 *   it cannot be read; the signal's reason if aborted
 */
export function readTorchCheckpoint(source: Source, head: Uint8Array, signal?: AbortSignal): Promise<TensorFile> {
  return isZip(head) ? readZip(source, signal) : readOld(source, signal);
}

async function readZip(source: Source, signal?: AbortSignal): Promise<TensorFile> {
  const { name } = source;
  const archive = await ZipArchive.open(source, signal);
  const pickles = [...archive.entries.values()].filter((entry) => /^([^/]*\/)?data\.pkl$/.test(entry.name));
  if (pickles.length === 0) fail(name, 'is a zip archive without data.pkl, not a PyTorch file');
  if (pickles.length > 1) fail(name, `has ${pickles.length} files data.pkl, expected one`);
  const folder = pickles[0]!.name.slice(0, -'data.pkl'.length);
  const order = archive.entries.get(`${folder}byteorder`);
  if (order) {
    const text = new TextDecoder().decode(await archive.read(order, 100, signal)).trim();
    if (text !== 'little') fail(name, `was saved on a machine with ${show(text)} byte order, expected "little"`);
  }
  const pickle = await archive.read(pickles[0]!, MAX_PICKLE, signal);
  const { value } = readPickle(pickle, new TorchPickle(name));
  const script = archive.entries.has(`${folder}constants.pkl`);
  const tensors = script ? moduleTensors(value, name) : stateDict(value, name);
  const entry = (storage: TorchStorage): ZipEntry => {
    // TorchScript keeps tensors that code refers to apart.
    const found =
      archive.entries.get(`${folder}data/${storage.key}`) ?? archive.entries.get(`${folder}constants/${storage.key}`);
    return found ?? fail(name, `is damaged: it has no entry ${show(`${folder}data/${storage.key}`)}`);
  };
  const places = new Map<string, Place>();
  for (const { storage } of tensors.values()) {
    if (places.has(storage.key)) continue;
    const found = entry(storage);
    archive.requireStored(found);
    const { headerOffset: start, end, byteLength } = found;
    const content = (signal?: AbortSignal) => archive.contentOffset(found, signal);
    places.set(storage.key, { offset: 0, byteLength, entry: { start, end, content } });
  }
  return {
    name,
    metadata: {},
    torch: script ? 'TorchScript' : 'state dict',
    tensors: placeTensors(tensors, places, source),
  };
}

/**
 * Five pickles (magic number, protocol, system, object, keys of the storages), then each storage: its length as 8 bytes, and
 * its elements (torch/serialization.py, _legacy_save).
 */
async function readOld(source: Source, signal?: AbortSignal): Promise<TensorFile> {
  const most = Math.min(MAX_PICKLE, source.byteLength);
  // Only the pickles tell where they end: what seems cut is read again, with more of the file.
  for (let length = Math.min(OLD_PICKLES, most); ; length = Math.min(4 * length, most)) {
    const bytes = new Uint8Array(length);
    await source.readInto(0, bytes, signal);
    try {
      return oldTensors(source, bytes);
    } catch (error) {
      if (length === most) throw error;
    }
  }
}

/** @param bytes of the beginning, with all pickles */
function oldTensors(source: Source, bytes: Uint8Array): TensorFile {
  const { name } = source;
  const context = new SeenStorages(name);
  let end = OLD_MAGIC.length;
  const next = () => {
    const read = readPickle(bytes, context, end);
    end = read.end;
    return read.value;
  };
  const protocol = next();
  if (protocol !== 1001) fail(name, `is a PyTorch file of version ${String(protocol)}, expected 1001`);
  const system = next();
  if (system instanceof Map && system.get('little_endian') === false) {
    fail(name, 'was saved on a machine with big-endian byte order, expected little-endian');
  }
  const tensors = stateDict(next(), name);
  const keys = next();
  if (!Array.isArray(keys)) return fail(name, 'is damaged: it has no list of storages');
  const places = new Map<string, Place>();
  let offset = end;
  for (const key of keys) {
    const storage = context.storages.get(key as string);
    if (!storage) return fail(name, 'is damaged: its list of storages has one that no tensor uses');
    const byteLength = storage.elements * bytesOf(storage.dtype, name);
    if (offset + 8 + byteLength > source.byteLength) {
      fail(name, `is truncated: a storage ends at ${offset + 8 + byteLength}, the file at ${source.byteLength}`);
    }
    places.set(storage.key, { offset: offset + 8, byteLength });
    offset += 8 + byteLength;
  }
  return { name, metadata: {}, torch: 'state dict', tensors: placeTensors(tensors, places, source) };
}

/** Remembers the storages, whose bytes follow each other, and so count even if no tensor of the model uses them. */
class SeenStorages extends TorchPickle {
  readonly storages = new Map<string, TorchStorage>();

  override persistent(id: PickleValue): TorchStorage {
    const storage = super.persistent(id);
    if (!this.storages.has(storage.key)) this.storages.set(storage.key, storage);
    return storage;
  }
}

/** Under which keys training tools keep the model, in this order; OpenCLIP's is the first. */
const MODEL_KEYS = ['state_dict', 'model_state_dict', 'model', 'module'];

/** The tensors of a state dict, or of the one inside a training checkpoint. */
function stateDict(root: PickleValue, name: string): Map<string, TorchTensor> {
  if (!(root instanceof Map)) {
    const what = root instanceof TorchTensor ? 'a single tensor' : 'a Python object';
    return fail(name, `holds ${what}, expected a state dict or a training checkpoint with state_dict`);
  }
  for (const dict of [...MODEL_KEYS.map((key) => root.get(key)), root]) {
    const found = dict instanceof Map ? namedTensors(dict) : undefined;
    if (!found?.size) continue;
    if (found.size > MAX_TENSORS) fail(name, `has ${found.size} tensors, expected at most ${MAX_TENSORS}`);
    return found;
  }
  const keys = [...root.keys()].slice(0, 8).map((key) => (typeof key === 'string' ? key.slice(0, 40) : typeof key));
  return fail(
    name,
    `has no state dict: expected tensors, or a dict under ${MODEL_KEYS.join(', ')}; it has the keys ${keys.join(', ') || '(none)'}`,
  );
}

function namedTensors(dict: ReadonlyMap<unknown, unknown>): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  for (const [key, value] of dict) if (typeof key === 'string' && value instanceof TorchTensor) tensors.set(key, value);
  return tensors;
}

/** The tensors of a TorchScript module and of the modules in it, named by their paths as in its state dict. */
function moduleTensors(root: PickleValue, name: string): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  let visited = 0;
  const visit = (module: InertRecord, prefix: string, depth: number) => {
    if (depth > MAX_DEPTH) fail(name, `has modules nested more than ${MAX_DEPTH} deep`);
    if (!(module.state instanceof Map)) return;
    for (const [key, value] of module.state) {
      if (typeof key !== 'string') continue;
      // A module may be named from many places, so the places count.
      if (++visited > 10 * MAX_TENSORS) fail(name, `has more than ${10 * MAX_TENSORS} attributes`);
      if (value instanceof TorchTensor) {
        tensors.set(prefix + key, value);
        if (tensors.size > MAX_TENSORS) fail(name, `has more than ${MAX_TENSORS} tensors`);
      } else if (value instanceof InertRecord) visit(value, `${prefix}${key}.`, depth + 1);
    }
  };
  if (root instanceof InertRecord) visit(root, '', 0);
  if (tensors.size === 0) fail(name, 'is a TorchScript file without tensors');
  return tensors;
}

/** The tensors with their places in the file, which must be inside their storages. */
function placeTensors(
  tensors: ReadonlyMap<string, TorchTensor>,
  places: ReadonlyMap<string, Place>,
  { name: file, byteLength: fileBytes }: Source,
): Map<string, TensorInfo> {
  const placed = new Map<string, TensorInfo>();
  for (const [name, { storage, dtype, offset, shape, strides }] of tensors) {
    const place = places.get(storage.key) ?? fail(file, `is damaged: tensor ${show(name)} has no storage`);
    const size = bytesOf(dtype, file);
    const elements = shape.reduce((product, length) => product * length, 1);
    const span = elements === 0 ? 0 : shape.reduce((sum, length, i) => sum + (length - 1) * strides[i]!, 1);
    const end = (offset + span) * size;
    if (!Number.isSafeInteger(elements * size) || !(end <= place.byteLength)) {
      fail(
        file,
        `is damaged: tensor ${show(name)} of shape ${show(shape)} reaches past its storage of ${place.byteLength} bytes`,
      );
    }
    const info = {
      name,
      dtype,
      shape,
      offset: place.offset + offset * size,
      byteLength: elements * size,
      ...(place.entry && { entry: place.entry }),
    };
    placed.set(name, isContiguous(shape, strides) ? info : { ...info, strides });
  }
  const total = [...placed.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (total > MOST_SHARED * fileBytes) {
    fail(file, `has tensors of ${total} bytes together in ${fileBytes} bytes: they share their elements`);
  }
  return placed;
}

/** Whether the elements are next to each other, row-major. The stride of a dimension of length 1 does not matter. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] === 0) return true;
    if (shape[i] !== 1 && strides[i] !== expected) return false;
    expected *= shape[i]!;
  }
  return true;
}

function bytesOf(dtype: string, file: string): number {
  return elementBytes(dtype) ?? fail(file, `has tensors of ${dtype}, whose size is not known`);
}

function fail(name: string, message: string): never {
  throw new ClipError('WEIGHTS_FORMAT', `"${name}" ${message}`);
}
