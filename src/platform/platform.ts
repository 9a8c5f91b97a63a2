/**
 * What the package needs from the runtime it is in. One file for each runtime has these functions; `#platform` (package.json,
 * imports) picks the file, and platforms.ts makes the compiler check each of them. Importing such a file never throws, so no
 * address is made before it is needed: `import.meta.url` is undefined in some runtimes.
 */
import type { KernelVariant } from '../engine/kernels.ts';
import type { OpenOptions } from '../hub/access.ts';
import type { ModelFiles } from '../weights/source.ts';

/** A running worker thread. Unless it is held it does not keep the process alive, and a browser may collect it. */
export interface Thread {
  post(message: object, transfer?: ArrayBuffer[]): void;
  /** Called with each message from it; one listener only. */
  onMessage(listener: (message: unknown) => void): void;
  /** Whether it must live, and keep the process alive, as an answer is awaited. */
  hold(needed: boolean): void;
  /** Called once, when the worker has ended for whatever reason. */
  onExit(listener: () => void): void;
  stop(): void;
}

/**
 * Starts a worker with this first message.
 * @param source its script but for what the platform puts before it: WORKER_SOURCE (engine/threads/worker-source.ts), which comes
 *   with the code of threads
 */
export type StartThread = (message: object, source: string) => Thread;

/** A script that a worker loads: an address that it imports, or text that it runs. */
export type Script = { readonly href: string } | { readonly text: string };

/** The image decoders. */
export type CodecName = 'webp';
/** The WebAssembly files of the package: two builds of the kernels, the pictures' module, image decoders. */
export type WasmName = KernelVariant | 'pictures' | CodecName;

/** A file's bytes, or the module where a runtime compiles no bytes. */
export type WasmFile = WebAssembly.Module | Uint8Array<ArrayBuffer>;

/** What is decoded by a package that the user installs (package.json, peerDependencies). */
export type OptionalFormat = 'avif' | 'heic';

export interface Platform {
  /** @throws ClipError IO naming the file, if it cannot be read */
  wasmFile(name: WasmName): Promise<WasmFile>;
  /** Bytes of a file named by the caller. @throws ClipError IO if it cannot be read */
  readAddress(address: string): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Reads the file of a `file:` URL in pieces, each of which is only valid until the next is asked for.
   * @param most bytes of a piece
   * @param checkBytes throws if the file has too many bytes; called before it is read
   * @throws ClipError IO if it cannot be read; UNSUPPORTED where there are no files; what `checkBytes` throws
   */
  readFileUrl(href: string, most: number, checkBytes: (bytes: number) => void): AsyncGenerator<Uint8Array, void>;
  /**
   * The module of the package that decodes a format: `icodec` or `libheif-js`.
   * @throws what `import` throws if it is not installed; ClipError IMAGE_DECODER where packages are not found by name
   */
  decoderPackage(format: OptionalFormat): Promise<unknown>;
  /** The address from which a worker imports that module; undefined where the package is not found, or not by workers. */
  decoderAddress(format: OptionalFormat): string | undefined;
  /** Whether the clock advances during a computation; in edge runtimes it does not, so nothing is chosen by measuring. */
  clockRuns(): boolean;
  /** Why relaxed SIMD gives wrong results here; undefined if it is trusted. */
  distrustRelaxed(): string | undefined;
  /** Processors that this process may use. */
  processors(): number;
  /** Whether this thread may sleep (Atomics.wait). */
  maySleep(): boolean;
  /** Why there are no worker threads here; undefined where there are. */
  noThreads(): string | undefined;
  startThread: StartThread;
  /** The script that decodes pictures in a worker (picture-threads/script.ts). @throws ClipError IO if it cannot be read */
  pictureScript(): Promise<Script>;
  /**
   * The files of a model by its path, its address or its name.
   * @throws ClipError IO, CONFIG if there is none; the signal's reason if aborted
   */
  modelAt(text: string, options: OpenOptions): Promise<ModelFiles>;
  /** The model inside the package. */
  defaultFiles(): ModelFiles;
}
