/** A caller's `ModelFiles`, read by the worker: their functions stay where they are, and the bytes are sent. */

import type { ModelFiles, Source } from '../weights/source.ts';
import type { FileRequest, SentFiles, SentSource } from './protocol.ts';

/** How much of a file is in one message at most, in bytes: this bounds the copies. */
const READ_STEP = 4 << 20;

export interface FileAnswer {
  readonly value: unknown;
  readonly transfer?: ArrayBuffer[];
}

/** The caller's side: answers requests by their numbers. */
export function offerFiles(
  files: ModelFiles,
  signal: AbortSignal | undefined,
): (request: number, wanted: FileRequest) => Promise<FileAnswer> {
  const sources = new Map<number, Source>();
  return async (request, wanted) => {
    switch (wanted.kind) {
      case 'text':
        return { value: await files.text(wanted.name) };
      case 'source': {
        const found = await files.source(wanted.name);
        if (found === undefined || found === null) return { value: undefined };
        if (typeof found.readInto !== 'function') return { value: { other: found } };
        sources.set(request, found);
        return { value: { name: found.name, byteLength: found.byteLength } };
      }
      case 'read': {
        const bytes = new Uint8Array(wanted.length);
        await sources.get(wanted.source)!.readInto(wanted.offset, bytes, signal);
        return { value: bytes, transfer: [bytes.buffer] };
      }
      case 'close':
        await sources.get(wanted.source)?.close?.();
        sources.delete(wanted.source);
        return { value: undefined };
    }
  };
}

/** The worker's side. What a file is, weights/checked-files.ts checks, as everywhere. */
export function askedFiles(
  { name, weights, note }: SentFiles,
  ask: (wanted: FileRequest) => { readonly request: number; readonly answer: Promise<unknown> },
): ModelFiles {
  return {
    name: name as string,
    ...(weights !== undefined && { weights: weights as string }),
    ...(note !== undefined && { note: note as string }),
    text: (name) => ask({ kind: 'text', name }).answer as Promise<string | undefined>,
    source: async (name) => {
      const { request: source, answer } = ask({ kind: 'source', name });
      const found = (await answer) as SentSource | undefined;
      if (found === undefined || 'other' in found) return found?.other as undefined;
      return {
        name: found.name as string,
        byteLength: found.byteLength as number,
        async readInto(offset, target, signal) {
          for (let done = 0; done < target.byteLength; done += READ_STEP) {
            signal?.throwIfAborted();
            const length = Math.min(READ_STEP, target.byteLength - done);
            target.set((await ask({ kind: 'read', source, offset: offset + done, length }).answer) as Uint8Array, done);
          }
        },
        close: async () => {
          await ask({ kind: 'close', source }).answer;
        },
      };
    },
  };
}
