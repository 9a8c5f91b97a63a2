/** The public names of `edgeclip/serve`. */
import '../global-names.ts';

export { type App, createApp, type WaitingContext } from './app.ts';
export type { LoadModel } from './live-model.ts';
export type { Log, LogEntry } from './log.ts';
export type { FetchPicture } from './pictures.ts';
export type { ServeOptions } from './serve-options.ts';
