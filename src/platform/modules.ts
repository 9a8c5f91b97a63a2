/**
 * WebAssembly modules by name, compiled once for each process: what the caller gave, else what the platform has. What was
 * given to a load that succeeded serves all later calls, also those that have no options for it.
 */
import { readAddress, wasmFile } from '#platform';
import type { KernelVariant } from '../engine/kernels.ts';
import { importSharedMemory } from '../engine/shared-import.ts';
import { ClipError } from '../errors.ts';
import type { CodecName, WasmFile, WasmName } from './platform.ts';
import type { WasmSource, WasmSources } from './wasm-sources.ts';

/** Of each module its file, and one of its exports that no other has. */
const FILES: Readonly<Record<WasmName, readonly [file: string, mark: string]>> = {
  simd: ['kernels-simd.wasm', 'gemmInt8'],
  relaxed: ['kernels-relaxed.wasm', 'gemmInt8'],
  pictures: ['pictures.wasm', 'resampleRows'],
  webp: ['webp.wasm', 'y'],
};

/** What a caller gave, and what it replaced while no load with it has succeeded. */
interface Given {
  readonly source: WasmSource;
  before: Given | undefined;
  /** Loads that have it and have not ended. */
  loads: number;
  /** Whether one of them succeeded. */
  kept: boolean;
}

const given = new Map<WasmName, Given>();
const modules = new Map<string, Promise<WebAssembly.Module>>();

/**
 * Runs a load with the caller's modules. If it fails they are taken back, unless another load has them.
 * @throws TypeError for what is none of the kinds, or another module; ClipError UNSUPPORTED for bytes that are not those of a
 *   module, or of another one
 */
export async function withModules<T>(sources: WasmSources | undefined, load: () => Promise<T>): Promise<T> {
  if (sources === undefined) return load();
  const own = checked(sources).map(([name, source]) => [name, give(name, source)] as const);
  try {
    // What is here already; an address may never be read.
    for (const [name, { source }] of own) if (kindOf(source) !== 'address') await compiledGiven(name);
    const loaded = await load();
    for (const [, one] of own) Object.assign(one, { kept: true, before: undefined });
    return loaded;
  } finally {
    for (const [name, one] of own) if (--one.loads === 0 && !one.kept) takeBack(name, one);
  }
}

function checked(sources: WasmSources): [WasmName, WasmSource][] {
  if (typeof sources !== 'object' || sources === null) throw new TypeError(`wasm must be an object, got ${sources}`);
  const entries = Object.entries(sources).filter(([, source]) => source !== undefined) as [WasmName, WasmSource][];
  for (const [name, source] of entries) {
    if (!Object.hasOwn(FILES, name)) {
      throw new TypeError(`wasm: "${name}" is not one of ${Object.keys(FILES).join(', ')}`);
    }
    if (kindOf(source) === undefined) {
      throw new TypeError(`wasm.${name} must be a WebAssembly.Module, its bytes, or an address, got ${tag(source)}`);
    }
    const fault = isModule(source) ? otherModule(name, source) : undefined;
    if (fault !== undefined) throw new TypeError(fault);
  }
  return entries;
}

function give(name: WasmName, source: WasmSource): Given {
  const before = given.get(name);
  const one = before?.source === source ? before : { source, before, loads: 0, kept: false };
  one.loads++;
  replace(name, one);
  return one;
}

function takeBack(name: WasmName, one: Given): void {
  if (given.get(name) !== one) return;
  let { before } = one;
  while (before && before.loads === 0 && !before.kept) before = before.before; // of a load that failed meanwhile
  replace(name, before);
}

function replace(name: WasmName, one: Given | undefined): void {
  if (given.get(name) === one) return;
  if (one) given.set(name, one);
  else given.delete(name);
  for (const shared of [false, true]) modules.delete(moduleKey(name, shared));
}

async function compiledGiven(name: WasmName): Promise<void> {
  try {
    await compiled(name, false);
  } catch (cause) {
    if (cause instanceof ClipError) throw cause;
    throw new ClipError('UNSUPPORTED', `wasm.${name} does not compile here: ${(cause as Error).message}`, { cause });
  }
}

/** What is wrong with a module that was given, by its exports. */
function otherModule(name: WasmName, module: WebAssembly.Module): string | undefined {
  const [file, mark] = FILES[name];
  const exports = WebAssembly.Module.exports(module).map(({ name }) => name);
  if (exports.includes(mark)) return undefined;
  const found =
    exports.length === 0 ? 'nothing' : `${exports.slice(0, 3).join(', ')}${exports.length > 3 ? ', ...' : ''}`;
  return `wasm.${name} must be the module of edgeclip/${file}, got one that exports ${found}`;
}

/** Whether the caller gave this one. */
export const isGiven = (name: WasmName): boolean => given.has(name);

/** Why threads cannot have these kernels; undefined if they can: a module that imports a shared memory is another one. */
export function notShared(name: WasmName): string | undefined {
  return isModule(given.get(name)?.source)
    ? `the ${name} kernels were given compiled: give their bytes or address`
    : undefined;
}

/** The module of a kernel build, for a `shared` memory or one of its own. */
export const kernelModule = (name: KernelVariant, shared: boolean): Promise<WebAssembly.Module> =>
  compiled(name, shared);

/** The module that decodes and resizes pictures. */
export const picturesModule = (): Promise<WebAssembly.Module> => compiled('pictures', false);

/** The module of an image decoder. */
export const codecModule = (name: CodecName): Promise<WebAssembly.Module> => compiled(name, false);

/** A failure is not kept: the next call tries again. */
function compiled(name: WasmName, shared: boolean): Promise<WebAssembly.Module> {
  const key = moduleKey(name, shared);
  let module = modules.get(key);
  if (!module) {
    module = compile(name, shared).catch((error) => {
      if (modules.get(key) === module) modules.delete(key);
      throw error;
    });
    modules.set(key, module);
  }
  return module;
}

async function compile(name: WasmName, shared: boolean): Promise<WebAssembly.Module> {
  const source = given.get(name)?.source;
  const file = source === undefined ? await wasmFile(name) : await readGiven(name, source);
  if (!isModule(file)) {
    const module = await WebAssembly.compile(shared ? importSharedMemory(file) : file);
    const fault = source === undefined ? undefined : otherModule(name, module);
    if (fault !== undefined) throw new ClipError('UNSUPPORTED', fault);
    return module;
  }
  if (!shared) return file;
  throw new ClipError('UNSUPPORTED', `the ${name} kernels are compiled already, for a memory that is not shared`);
}

const moduleKey = (name: WasmName, shared: boolean): string => (shared ? `${name}, shared` : name);

/** An address that cannot be read does not stay for later loads. */
async function readGiven(name: WasmName, source: WasmSource): Promise<WasmFile> {
  try {
    return await read(source);
  } catch (error) {
    const one = given.get(name);
    if (one?.source === source && one.kept) replace(name, undefined);
    throw error;
  }
}

async function read(source: WasmSource): Promise<WasmFile> {
  switch (kindOf(source)) {
    case 'module':
      return source as WebAssembly.Module;
    case 'address':
      return readAddress(`${source}`);
    case 'buffer':
      return new Uint8Array(source as ArrayBuffer);
    default: {
      const { buffer, byteOffset, byteLength } = source as Uint8Array;
      return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
    }
  }
}

type Kind = 'module' | 'address' | 'buffer' | 'view';

/** By tag: a module, URL or buffer made by the host or another realm is not an instance of this realm's class. */
function kindOf(source: unknown): Kind | undefined {
  if (typeof source === 'string') return 'address';
  if (isModule(source)) return 'module';
  if (tag(source) === '[object URL]') return 'address';
  if (tag(source) === '[object ArrayBuffer]') return 'buffer';
  return ArrayBuffer.isView(source) ? 'view' : undefined;
}

function isModule(value: unknown): value is WebAssembly.Module {
  return tag(value) === '[object WebAssembly.Module]';
}

const tag = (value: unknown): string => Object.prototype.toString.call(value);
