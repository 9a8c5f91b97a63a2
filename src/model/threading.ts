/** What several threads need beside one; loaded only where there are several. */
export { ThreadPool } from '../engine/threads/pool.ts';
export { splitKernels } from '../engine/threads/split.ts';
export { collectPieces, collectWhole } from '../image/collected.ts';
export { PictureThreads } from '../picture-threads/picture-threads.ts';
export { ImagePrograms } from './image-programs.ts';
