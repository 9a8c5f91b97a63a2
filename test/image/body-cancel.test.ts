import { expect, it } from 'vitest';
import { readBody, readStream } from '../../src/image/body.ts';
import { rejection } from '../api/checkpoint.ts';

// As the body of a request in Vercel's edge runtime, whose cancelling waits for the client.
it.each([1000, 20])(
  'a stream whose cancelling never ends is refused at once, of %i bytes as it says',
  async (stated) => {
    let cancelled = 0;
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(10)),
      cancel: () => {
        cancelled++;
        return new Promise<void>(() => {});
      },
    });
    const limits = { maxBytes: 100, maxPixels: 1 };
    const request = { body, bodyUsed: false, headers: new Headers({ 'content-length': String(stated) }) };
    const reading = readBody({ ...request, arrayBuffer: async () => new ArrayBuffer(0) }, 'the Request', limits);
    expect(await rejection(reading)).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
    expect(cancelled).toBe(1);
    if (stated === 20) expect(await rejection(readStream(new ReadableStream({ pull: (c) => c.enqueue('text') }), 'it', limits))).toBeInstanceOf(TypeError); // biome-ignore format: one line
  },
);
