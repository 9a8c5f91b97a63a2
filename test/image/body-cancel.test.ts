import { expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { rejection } from '../api/checkpoint.ts';

// As the body of a request in Vercel's edge runtime, whose canceling waits for the client.
it.each([1000, 20])(
  'a stream whose canceling never ends is refused at once, of %i bytes as it says',
  async (stated) => {
    using clip = await loadClip({ towers: ['image'] });
    let canceled = 0;
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 80, ...new Uint8Array(60)])),
      cancel: () => {
        canceled++;
        return new Promise<void>(() => {});
      },
    });
    const response = new Response(body, { headers: { 'content-length': String(stated) } });
    expect(await rejection(clip.encodeImage(response, { maxBytes: 100 }))).toMatchObject({ name: 'ClipError' });
    expect(canceled).toBe(1);
  },
);
