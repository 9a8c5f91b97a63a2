/** Processors and threads of Node, Deno and Bun. */
import { availableParallelism } from 'node:os';
import type { StartThread } from './platform.ts';

/** Why relaxed SIMD gives wrong results here: Node 20 has it behind a flag, and answered wrong in a case within the rules. */
export function distrustRelaxed(): string | undefined {
  const own = 'Deno' in globalThis || 'Bun' in globalThis; // their process.versions.node is for show
  return !own && Number.parseInt(process.versions.node, 10) < 22 ? 'Node 20 gets it wrong' : undefined;
}

/** Processors that this process may use. */
export const processors = (): number => availableParallelism();

/** Whether this thread may sleep. */
export const maySleep = (): boolean => true;

/** Why there are no worker threads here; undefined where there are. */
export function noThreads(): string | undefined {
  // Node's permission model: without --allow-worker, starting one throws.
  const { permission } = process as { permission?: { has(scope: string): boolean } };
  return permission && !permission.has('worker') ? 'this process has no permission to start worker threads' : undefined;
}

/** What a worker's script begins with. */
const PRELUDE = `
const { parentPort, workerData } = require('node:worker_threads');
const listen = (serve) => { parentPort.on('message', serve); serve(workerData); };
const reply = (message, transfer) => parentPort.postMessage(message, transfer);
const load = async ({ text, href }) => (href ? import(href) : require('node:vm').runInThisContext(text));
`;

/** Starts a worker thread that never keeps the process alive. Its module is half a megabyte that one thread does not need. */
export const startThread: StartThread = (message, source) => {
  const { Worker } = process.getBuiltinModule('node:worker_threads');
  // Without the parent's flags: --input-type=module would make this script a module.
  const worker = new Worker(PRELUDE + source, { eval: true, execArgv: [], workerData: message });
  worker.unref();
  worker.on('error', () => {}); // an exit follows, and that is what counts
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    onMessage: (listener) => void worker.on('message', listener),
    onExit: (listener) => void worker.once('exit', listener),
    hold: (needed) => void (needed ? worker.ref() : worker.unref()),
    stop: () => void worker.terminate(),
  };
};
