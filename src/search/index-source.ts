/** What `VectorIndex.load` takes, as a source: bytes, or a file in the forms that `loadClip` takes. */
import { sourceAt } from '#search-platform';
import { kindOf } from '../options.ts';
import { blobSource, bytesSource, isSliceable, type Sliceable, type Source, sliceSource } from '../weights/source.ts';

/** A path or an address, bytes, a `Blob` or `File`, an object with a size and `slice`, or a source. */
export type IndexFile = string | Uint8Array | ArrayBuffer | Sliceable | Source;

export interface OpenedIndexFile {
  readonly source: Source;
  /** Whether it was opened here, and so is closed here. */
  readonly isOurs: boolean;
}

/** @throws TypeError for what is none of these; ClipError IO if there is no such file */
export async function openIndexFile(file: IndexFile): Promise<OpenedIndexFile> {
  if (typeof file === 'string') {
    if (file === '') throw new TypeError('VectorIndex.load: the path is empty');
    return { source: await sourceAt(file), isOurs: true };
  }
  return { source: sourceOf(file), isOurs: false };
}

function sourceOf(file: unknown): Source {
  const { readInto, byteLength } = (file ?? {}) as Partial<Source>;
  if (typeof readInto === 'function' && typeof byteLength === 'number') return file as Source;
  if (ArrayBuffer.isView(file)) {
    return bytesSource(new Uint8Array(file.buffer as ArrayBuffer, file.byteOffset, file.byteLength), 'index');
  }
  if (/^\[object (Shared)?ArrayBuffer\]$/.test(Object.prototype.toString.call(file))) {
    return bytesSource(file as ArrayBuffer, 'index');
  }
  if (isSliceable(file)) return isBlob(file) ? blobSource(file) : sliceSource(file, 'index');
  throw new TypeError(
    `VectorIndex.load: expected a path or an address, bytes, a Blob or a Source, got ${kindOf(file)}${adviceFor(file)}`,
  );
}

const isBlob = (file: unknown): file is Blob => typeof Blob === 'function' && file instanceof Blob;

/** How to make one of these of what came. */
function adviceFor(file: unknown): string {
  const { arrayBuffer, href } = (file ?? {}) as { arrayBuffer?: unknown; href?: unknown };
  if (typeof arrayBuffer === 'function') return ': pass await response.arrayBuffer()';
  return typeof href === 'string' ? ': pass its href' : '';
}
