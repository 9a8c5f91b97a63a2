/**
 * Workspaces: memories in which pictures are decoded and resized, one picture at a time each. They grow with what a picture
 * needs; a small one stays for the next picture.
 */
import type { Pointer } from '../engine/kernels.ts';
import { ClipError } from '../errors.ts';
import { countMemory, forgetMemory } from './decoder-memory.ts';
import { compiledPictures, instantiatePictures, type PictureKernels } from './kernels.ts';
import { ROW_SLACK } from './rows.ts';

const PAGE = 65_536;
/** WebAssembly's limit, and that of the module's import. */
const MAX_PAGES = 65_536;
/** Bytes up to which a workspace is kept for the next picture. */
const KEEP_BYTES = 4_194_304;
/** Parts begin at multiples of a cache line. Address 0 stays free, so that 0 can mean "none". */
const ALIGNMENT = 64;

export class Workspace {
  readonly memory: WebAssembly.Memory;
  readonly kernels: PictureKernels;
  #top = ALIGNMENT;
  /** Bytes from here on were never reserved, so they are zero, and cost nothing before they are written. */
  #fresh = ALIGNMENT;
  #view: Uint8Array<ArrayBuffer>;

  /** @throws ClipError UNSUPPORTED if there is not enough memory */
  constructor(module: WebAssembly.Module) {
    try {
      this.memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES });
    } catch (cause) {
      throw notEnough(PAGE, cause);
    }
    this.kernels = instantiatePictures(module, this.memory);
    this.#view = new Uint8Array(this.memory.buffer);
  }

  /** The whole memory. Only valid until the next `reserve`. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#view;
  }

  /**
   * Reserves bytes until `clear`, at a multiple of 64. They are not zeroed. Views of the memory become invalid.
   * @throws ClipError UNSUPPORTED if there is not enough memory
   */
  reserve(bytes: number): Pointer {
    const at = this.#top;
    const top = at + Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const missing = Math.ceil((top + ROW_SLACK) / PAGE) - this.#view.length / PAGE;
    if (missing > 0) {
      try {
        this.memory.grow(missing);
      } catch (cause) {
        throw notEnough(top, cause);
      }
      this.#view = new Uint8Array(this.memory.buffer);
    }
    this.#top = top;
    this.#fresh = Math.max(this.#fresh, top);
    return at;
  }

  /** Reserves bytes that are zero. */
  reserveZeroed(bytes: number): Pointer {
    const used = this.#fresh;
    const at = this.reserve(bytes);
    this.#view.fill(0, at, Math.min(at + bytes, used));
    return at;
  }

  /** Bytes that are reserved now. */
  get used(): number {
    return this.#top;
  }

  /** Forgets all that was reserved. */
  clear(): void {
    this.#top = ALIGNMENT;
  }
}

/** A workspace that no picture uses. Calls at the same time make their own. */
let idle: Workspace | undefined;

/**
 * Runs `use` with a workspace of its own.
 * @throws ClipError UNSUPPORTED if the module does not run here or memory is short, IO if its file cannot be read; what `use` throws
 */
export async function withWorkspace<T>(use: (workspace: Workspace) => T | Promise<T>): Promise<T> {
  const module = await compiledPictures();
  const workspace = idle ?? new Workspace(module);
  idle = undefined;
  countMemory(workspace.memory);
  try {
    return await use(workspace);
  } finally {
    workspace.clear();
    // Calls at the same time leave several: one is enough.
    if (workspace.bytes.length <= KEEP_BYTES && !idle) idle = workspace;
    else forgetMemory(workspace.memory);
  }
}

function notEnough(bytes: number, cause: unknown): ClipError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ClipError('UNSUPPORTED', `not enough memory for the image, ${bytes} bytes: ${reason}`, { cause });
}
