/**
 * WebAssembly modules by name, compiled once for each process: what the caller gave, else what the platform has. What was
 * given serves all later calls, also those that have no options for it.
 */
import { readAddress, wasmFile } from '#platform';
import type { KernelVariant } from '../engine/kernels.ts';
import { importSharedMemory } from '../engine/shared-import.ts';
import { ClipError } from '../errors.ts';
import type { CodecName, WasmFile, WasmName } from './platform.ts';
import type { WasmSource, WasmSources } from './wasm-sources.ts';

const NAMES: readonly string[] = ['simd', 'relaxed', 'pictures', 'webp'] satisfies WasmName[];

const given = new Map<WasmName, WasmSource>();
const modules = new Map<string, Promise<WebAssembly.Module>>();

/** Takes the caller's modules. @throws TypeError for what is none of the kinds */
export function provideModules(sources: WasmSources): void {
  if (typeof sources !== 'object' || sources === null) throw new TypeError(`wasm must be an object, got ${sources}`);
  for (const [name, source] of Object.entries(sources)) {
    if (!NAMES.includes(name)) throw new TypeError(`wasm: "${name}" is not one of ${NAMES.join(', ')}`);
    if (source === undefined) continue;
    if (kindOf(source) === undefined) {
      throw new TypeError(`wasm.${name} must be a WebAssembly.Module, its bytes, or an address, got ${tag(source)}`);
    }
  }
  for (const [name, source] of Object.entries(sources) as [WasmName, WasmSource | undefined][]) {
    if (source === undefined || given.get(name) === source) continue;
    given.set(name, source);
    for (const shared of [false, true]) modules.delete(moduleKey(name, shared));
  }
}

/** Whether the caller gave this one. */
export const isGiven = (name: WasmName): boolean => given.has(name);

/** Why threads cannot have these kernels; undefined if they can: a module that imports a shared memory is another one. */
export function notShared(name: WasmName): string | undefined {
  return isModule(given.get(name)) ? `the ${name} kernels were given compiled: give their bytes or address` : undefined;
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
  const source = given.get(name);
  const file = source === undefined ? await wasmFile(name) : await read(source);
  if (!isModule(file)) return WebAssembly.compile(shared ? importSharedMemory(file) : file);
  if (!shared) return file;
  throw new ClipError('UNSUPPORTED', `the ${name} kernels are compiled already, for a memory that is not shared`);
}

const moduleKey = (name: WasmName, shared: boolean): string => (shared ? `${name}, shared` : name);

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
