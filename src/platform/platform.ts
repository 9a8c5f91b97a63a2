/**
 * What the package needs from the runtime it is in. One file for each runtime has these functions; `#platform` (package.json,
 * imports) picks the file, and platforms.ts makes the compiler check each of them.
 */
import type { KernelVariant } from '../engine/kernels.ts';
import type { CodecName } from '../image/codecs.ts';
import type { ModelFiles } from '../weights/model-files.ts';

/** A running worker thread. It must not keep the process alive. */
export interface Thread {
  /** Called once, when the worker has ended for whatever reason. */
  onExit(listener: () => void): void;
  stop(): void;
}

/** Starts a worker on WORKER_SOURCE (engine/threads/worker-source.ts) with this message. */
export type StartThread = (message: object) => Thread;

export interface Platform {
  /**
   * Compiles the kernels of one build, for a shared memory or one of its own.
   * @throws ClipError IO naming the file, if it cannot be read
   */
  kernelModule(variant: KernelVariant, shared?: boolean): Promise<WebAssembly.Module>;
  /** Why relaxed SIMD gives wrong results here; undefined if it is trusted. */
  distrustRelaxed(): string | undefined;
  /** Processors that this process may use. */
  processors(): number;
  /** Whether this thread may sleep (Atomics.wait). */
  maySleep(): boolean;
  /** Why there are no worker threads here; undefined where there are. */
  noThreads(): string | undefined;
  startThread: StartThread;
  /**
   * Compiles an image decoder.
   * @throws ClipError IO naming the file, if it cannot be found or read; what compiling throws
   */
  codecModule(name: CodecName): Promise<WebAssembly.Module>;
  /**
   * Reads the file of a `file:` URL.
   * @param checkBytes throws if the file has too many bytes; called before it is read
   * @throws ClipError IO if it cannot be read; UNSUPPORTED where there are no files; what `checkBytes` throws
   */
  readFileUrl(href: string, checkBytes: (bytes: number) => void): Promise<Uint8Array>;
  /** The files of a model in a folder, or at an address. */
  directoryFiles(directory: string): ModelFiles;
  /** The model inside the package. */
  defaultFiles(): ModelFiles;
}
