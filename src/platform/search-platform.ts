/**
 * What `edgeclip/search` needs from the runtime. One file for each kind of runtime has these functions; `#search-platform`
 * (package.json, imports) picks the file, and platforms.ts makes the compiler check each of them.
 */
import type { OpenPhotoStore } from '../search/photo-store.ts';
import type { Source } from '../weights/source.ts';
import type { WasmFile } from './platform.ts';

export interface SearchPlatform {
  /** The search module: its bytes, or the module where a runtime compiles no bytes. */
  searchFile(): Promise<WasmFile>;
  /** The bytes of a file by its path, where there are files, or at an address. @throws ClipError IO */
  sourceAt(address: string): Promise<Source>;
  /** Opens a photo index that is stored in SQLite or PostgreSQL. */
  openPhotos: OpenPhotoStore;
}
