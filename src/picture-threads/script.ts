/**
 * The worker's end, dist/picture-thread.js: pictures are decoded, resized and cropped by the code that the caller's thread has,
 * and the tower runs on the crop. A worker loads it when the first batch comes. Between two slices of decoding its event loop turns,
 * so messages arrive.
 */

import { free } from '../bytes.ts';
import { PICTURE_THREAD } from '../engine/threads/control.ts';
import { ClipError } from '../errors.ts';
import { cropImage } from '../image/crop.ts';
import { decoderBytes } from '../image/decoder-memory.ts';
import { TakenImage } from '../image/input.ts';
import type { Script, WasmName } from '../platform/platform.ts';
import { askWith } from '../platform/thread.ts';
import { receiveError, sendError } from '../sent-error.ts';
import type { BatchSlot, FromThread, ToThread } from './protocol.ts';

/** What the worker of a pool gives (engine/threads/worker-source.ts). */
interface PoolWorker {
  readonly memory: WebAssembly.Memory;
  /** Imports a module. */
  load(script: Script): Promise<unknown>;
  /** Runs the program (engine/threads/program.ts) whose first word is at this address, alone. */
  runProgram(at: number): void;
}

type Reply = (message: FromThread, transfer?: ArrayBuffer[]) => void;
type Of<Kind extends ToThread['kind']> = Extract<ToThread, { kind: Kind }>;

/** A promise with its ends. */
interface Awaited<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

function pictureThread(worker: PoolWorker, reply: Reply): (message: ToThread) => void {
  const jobs = new Map<number, AbortController>();
  const modules = new Map<WasmName, Awaited<WebAssembly.Module>>();
  /** Of the picture at work. */
  let decoder: string | undefined;
  askWith({
    wasmFile: (name) =>
      new Promise((resolve, reject) => {
        modules.set(name, { resolve, reject });
        reply({ kind: 'wanted', name });
      }),
    // What fails here, the caller tries by itself: its error counts.
    decoderPackage: async (format) => {
      if (decoder === undefined) throw new ClipError('IMAGE_DECODER', `a thread was given no decoder of ${format}`);
      return worker.load({ href: decoder });
    },
  });

  /** The crop where it is wanted: in the shared memory, or by itself. The picture was given to this thread, and is freed. */
  const decode = async (message: Of<'picture'>, signal: AbortSignal): Promise<Uint8Array> => {
    const { picture, options, config, slot } = message;
    const length = config.size * config.size * 3;
    const place = () => (slot ? new Uint8Array(worker.memory.buffer, slot.pixels, length) : new Uint8Array(length));
    const write = (fill: (crop: Uint8Array) => void) => {
      const crop = place();
      fill(crop);
      return crop;
    };
    try {
      if ('crop' in picture) return write((crop) => crop.set(picture.crop));
      decoder = 'bytes' in picture ? picture.decoder : undefined;
      return await cropImage(new TakenImage(picture), { ...options, signal }, config, write);
    } finally {
      const given = 'crop' in picture ? picture.crop : 'bytes' in picture ? picture.bytes : picture.pixels.data;
      free(given.buffer as ArrayBuffer);
    }
  };

  const embed = ({ program, embedding, embedDim }: BatchSlot): Float32Array<ArrayBuffer> => {
    try {
      worker.runProgram(program);
    } catch (cause) {
      throw new ClipError('WORKER', `the embedding was lost (a kernel failed: ${(cause as Error).message})`);
    }
    return new Float32Array(worker.memory.buffer, embedding, embedDim).slice();
  };

  const run = async (message: Of<'picture'>) => {
    const { job, slot } = message;
    const stop = new AbortController();
    jobs.set(job, stop);
    try {
      const crop = await decode(message, stop.signal);
      stop.signal.throwIfAborted();
      if (slot) {
        const embedding = embed(slot);
        reply({ kind: 'embedded', job, embedding, decoders: decoderBytes() }, [embedding.buffer]);
      } else {
        reply({ kind: 'cropped', job, crop, decoders: decoderBytes() }, [crop.buffer as ArrayBuffer]);
      }
    } catch (error) {
      reply({ kind: 'failed', job, error: sendError(error), decoders: decoderBytes() });
    } finally {
      jobs.delete(job);
    }
  };

  return (message) => {
    switch (message.kind) {
      case 'picture':
        return void run(message);
      case 'stop':
        return jobs.get(message.job)?.abort();
      case 'module': {
        const { resolve, reject } = modules.get(message.name)!;
        return message.module ? resolve(message.module) : reject(receiveError(message.error!));
      }
    }
  };
}

Object.assign(globalThis, { [PICTURE_THREAD]: pictureThread });
