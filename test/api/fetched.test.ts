/** Models that are fetched, as in a browser: from servers that answer for what they do not have, and break off. */
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { directoryFiles } from '../../src/platform/browser.ts';
import { fetchSource } from '../../src/platform/fetched.ts';
import { syntheticPicture } from '../model/golden.ts';
import { type Folder, pack, readFolder, rejection, storeOf } from './checkpoint.ts';

const picture = syntheticPicture(80);
const page = '<!DOCTYPE html>\n<html lang="en"><head><title>App</title></head><body><div id="app"></div></body></html>';
const openclip = readFolder('tiny-vit');
const huggingface = readFolder('tiny-vit-hf');

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** Starts a server; returns the address of the model's folder. */
async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/a%20model`;
}

const fileName = (url: string | undefined) => decodeURIComponent(url!.slice(url!.lastIndexOf('/') + 1));

/** The folder's files; `other` answers for the rest. */
function folderServer(folder: Folder, other: RequestListener): RequestListener {
  return (request, response) => {
    const name = fileName(request.url);
    if (Object.hasOwn(folder, name)) response.end(folder[name]);
    else other(request, response);
  };
}

/** What development servers do: every address that is not a file is the page of the app. */
const withPage: RequestListener = (_, response) => response.setHeader('content-type', 'text/html').end(page);

const withStatus =
  (status: number): RequestListener =>
  (_, response) =>
    response.writeHead(status).end('no');

async function embedding(address: string): Promise<Float32Array> {
  using clip = await loadClip(directoryFiles(address), { towers: ['image'] });
  return await clip.encodeImage(picture);
}

describe('a server', () => {
  it.each<[string, () => Promise<Folder> | Folder]>([
    ['an OpenCLIP folder', () => openclip],
    ['a Hugging Face folder', () => huggingface],
    ['a packed folder', () => pack(openclip)],
  ])('B08: that answers with index.html for what is missing: %s loads', async (_, make) => {
    const folder = await make();
    using expected = await loadClip(storeOf(folder), { towers: ['image'] });
    const bits = await expected.encodeImage(picture);
    for (const other of [withPage, withStatus(404), withStatus(410)]) {
      expect(await embedding(await serve(folderServer(folder, other)))).toEqual(bits);
      server!.close();
    }
  });

  it('that has only index.html: the error says that web pages came', async () => {
    const error = await rejection(embedding(await serve(withPage)));
    expect(error).toMatchObject({ name: 'ClipError', code: 'CONFIG' });
    expect(error.message).toContain('a web page came instead of open_clip_config.json, config.json');
    const { 'model.safetensors': _, ...rest } = huggingface;
    server!.close();
    const weights = await rejection(embedding(await serve(folderServer(rest, withPage))));
    expect(weights).toMatchObject({ code: 'WEIGHTS_MISSING' });
    expect(weights.message).toContain('a web page came instead of image.safetensors');
  });

  it.each([401, 403, 500, 503])('that answers %i: an error with address and status', async (status) => {
    const error = await rejection(embedding(await serve(folderServer({}, withStatus(status)))));
    expect(error).toMatchObject({ name: 'ClipError', code: 'IO' });
    expect(error.message).toMatch(new RegExp(`/a%20model/open_clip_config\\.json": status ${status}$`));
  });

  it.each(['open_clip_config.json', 'open_clip_model.safetensors'])(
    'that breaks off in the body of %s',
    async (name) => {
      const { [name]: whole, ...rest } = openclip;
      const breaking: RequestListener = (request, response) => {
        if (fileName(request.url) !== name) return withStatus(404)(request, response);
        response.writeHead(200, { 'content-length': whole.length });
        response.write(whole.subarray(0, whole.length >> 1), () => setTimeout(() => response.destroy(), 20));
      };
      const error = await rejection(embedding(await serve(folderServer(rest, breaking))));
      expect(error).toMatchObject({ name: 'ClipError', code: 'IO' });
      expect(error.message).toMatch(new RegExp(`^cannot fetch "http://127.*/a%20model/${name}": it broke off: `));
    },
  );

  it('whose text file is far too large: an error before it is read', async () => {
    const endless: RequestListener = (_, response) => {
      response.writeHead(200, { 'content-length': 2 ** 40 });
      response.write('{');
    };
    const error = await rejection(embedding(await serve(endless)));
    expect(error).toMatchObject({ code: 'IO', message: expect.stringContaining(`has ${2 ** 40} bytes`) });
  });

  it('that is not there', async () => {
    const address = await serve(withPage);
    await new Promise((resolve) => server!.close(resolve));
    const error = await rejection(embedding(address));
    expect(error).toMatchObject({ code: 'IO', message: expect.stringMatching(/^cannot fetch "http:.*ECONNREFUSED/) });
  });
});

describe('the embedded model in a browser', () => {
  const weights = (name: string) => readFileSync(new URL(`../../weights/default/${name}`, import.meta.url));
  const model = (address: URL) => ({
    name: 'embedded',
    text: async (name: string) => (name === 'open_clip_config.json' ? weights(name).toString() : undefined),
    source: async (name: string) => (name === 'image.safetensors' ? fetchSource(address) : undefined),
  });
  const image = weights('image.bin');

  it('is filled while it arrives: progress is that of the transfer', async () => {
    const half = image.length >> 1;
    let goOn: () => void = () => {};
    const address = await serve((_, response) => {
      response.setHeader('content-length', image.length);
      response.write(image.subarray(0, half));
      goOn = () => response.end(image.subarray(half));
    });
    const seen: number[] = [];
    const onProgress = ({ loaded }: { loaded: number }) => {
      seen.push(loaded);
      if (seen.length === 1) goOn(); // a load that waits for the whole file never ends
    };
    using clip = await loadClip(model(new URL(address)), { towers: ['image'], onProgress });
    expect(seen[0]).toBeLessThan(half);
    using expected = await loadClip({ towers: ['image'] });
    expect(await clip.encodeImage(picture)).toEqual(await expected.encodeImage(picture));
  });

  it('comes whole where the server does not say how long it is', async () => {
    const address = await serve((_, response) => response.end(image)); // in chunks
    using clip = await loadClip(model(new URL(address)), { towers: ['image'] });
    expect(clip.info().towers).toEqual(['image']);
  });

  it('that breaks off is an error with its address', async () => {
    const address = await serve((_, response) => {
      response.setHeader('content-length', image.length);
      response.write(image.subarray(0, 3 << 20), () => response.destroy());
    });
    const error = await rejection(loadClip(model(new URL(address)), { towers: ['image'] }));
    expect(error).toMatchObject({ code: 'IO', message: expect.stringContaining(address) });
  });
});
