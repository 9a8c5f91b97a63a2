// What a picture takes beyond a model that is loaded and in use. `photo.js FILE SMALL SOURCE`: prints the process's memory before it
// and its peak during it, in bytes (Linux only). SMALL: a picture of the same kind, which brings the decoder and its code in.
import { createReadStream, openAsBlob, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { loadClip } from '../../dist/index.js';

const PIECE = 65_536;
const [, , file, small, source] = process.argv;
const kilobytes = (name) =>
  Number(new RegExp(`${name}:\\s*(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))[1]);

/** How the file is given. @type {{ [name: string]: (path: string) => any }} */
const SOURCES = {
  url: (path) => pathToFileURL(path),
  handle: async (path) => (await open(path)).readableWebStream({ type: 'bytes' }),
  blob: (path) => openAsBlob(path),
  reused: (path) => chunks(path),
  createReadStream: (path) => Readable.toWeb(createReadStream(path)),
};

/** A stream that JavaScript made, whose chunks lie in two buffers that take turns. */
function chunks(path) {
  const opened = openSync(path);
  let [next, other] = [new Uint8Array(PIECE), new Uint8Array(PIECE)];
  const pull = (controller) => {
    const count = readSync(opened, next);
    if (count === 0) controller.close();
    else controller.enqueue(next.subarray(0, count));
    [next, other] = [other, next];
  };
  return new ReadableStream({ pull }, { highWaterMark: 0 });
}

const clip = await loadClip(undefined, { towers: ['image'] });
for (let i = 0; i < 3; i++) await clip.encodeImage(await SOURCES[source](small));
const input = await SOURCES[source](file);
writeFileSync('/proc/self/clear_refs', '5'); // the peak begins anew
const before = kilobytes('VmRSS');
await clip.encodeImage(input);
console.log(JSON.stringify({ before: 1024 * before, peak: 1024 * kilobytes('VmHWM') }));
