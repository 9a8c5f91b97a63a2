/** Pictures by their addresses: only from named hosts, never by a detour to a private one. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clip } from '../../../src/clip.ts';
import { loadClip } from '../../../src/load.ts';
import { allowHosts, isPrivate } from '../../../src/serve/remote-pictures.ts';
import { photoFile, served } from '../server.ts';

const cat = photoFile('cat.png');
let clip: Clip;
let origin: Server;
let port: number;
let asked: string[] = [];

beforeAll(async () => {
  clip = await loadClip();
  origin = createServer((request, response) => {
    asked.push(request.url!);
    if (request.url === '/cat.png') response.end(cat);
    else if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end();
    else if (request.url === '/inside') response.writeHead(302, { location: `http://127.0.0.1:${port}/secret` }).end();
    else if (request.url === '/large') response.writeHead(200, { 'content-length': '99999999' }).write('x');
    else if (request.url === '/endless') setInterval(() => response.write(Buffer.alloc(100_000)), 1).unref();
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
  port = (origin.address() as AddressInfo).port;
});
afterAll(() => {
  origin.closeAllConnections();
  origin.close();
  clip.dispose();
});

const ask = async (hosts: string[], url: string) => {
  asked = [];
  const server = await served(clip, { fetchPicture: allowHosts(hosts), maxBody: 2_000_000 });
  try {
    return await server.post('/v1/embeddings', { input: { image: url } });
  } finally {
    await server.close();
  }
};

describe('addresses', () => {
  it('are fetched from a host that is named', async () => {
    const { json } = await ask(['127.0.0.1'], `http://127.0.0.1:${port}/cat.png`);
    expect(Float32Array.from(json.data[0].embedding)).toEqual(await clip.encodeImage(cat));
  });

  it.each([
    [['photos.example'], '/cat.png', /not among/, []],
    [['*'], '/cat.png', /private address/, []],
    [['127.0.0.1'], '/inside', /private address/, ['/inside']],
    [['127.0.0.1'], '/loop', /private address/, ['/loop']],
    [['127.0.0.1'], '/missing', /status 404/, ['/missing']],
    [['127.0.0.1'], '/large', /more than 2000000 bytes/, ['/large']],
    [['127.0.0.1'], '/endless', /more than 2000000 bytes/, ['/endless']],
  ])('hosts %j, %s: refused', async (hosts, path, message, requests) => {
    const { status, json } = await ask(hosts, `http://127.0.0.1:${port}${path}`);
    expect([status, json.error.message]).toEqual([400, expect.stringMatching(message)]);
    expect(asked).toEqual(requests);
  });

  it('count as what their request holds: many of them do not get around its limit', async () => {
    const server = await served(clip, { fetchPicture: allowHosts(['127.0.0.1']), maxHeld: 2.5 * cat.length });
    try {
      const embed = (count: number) =>
        server.post('/v1/embeddings', { input: Array(count).fill({ image: `http://127.0.0.1:${port}/cat.png` }) });
      const three = await embed(3);
      expect([three.status, three.json.error.code]).toEqual([413, 'BODY_TOO_LARGE']);
      expect((await embed(2)).status).toBe(200);
    } finally {
      await server.close();
    }
  });

  it.each(['localhost', '2130706433', '0x7f.1', '[::1]', '[::ffff:127.0.0.1]'])(
    'by another name of this machine, %s, are refused where any host is allowed',
    async (host) => {
      const { status, json } = await ask(['*'], `http://${host}:${port}/cat.png`);
      expect([status, json.error.message]).toEqual([400, expect.stringMatching(/private address/)]);
      expect(asked).toEqual([]);
    },
  );

  it('with a password or of another scheme are refused', async () => {
    expect((await ask(['*'], 'http://user:word@example.com/a.png')).json.error.message).toMatch(/password/);
    expect((await ask(['*'], 'file:///etc/passwd')).json.error.code).toBe('PICTURE');
  });
});

it('knows the addresses that are not public', () => {
  const inside = [
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '255.255.255.255',
    '::',
    '::1',
    'fe80::1',
    'fd00::1',
    '::ffff:10.0.0.1',
    '::ffff:a00:1',
    '64:ff9b::a00:1',
    '2002:a00:1::',
    'ff02::1',
  ];
  const outside = ['8.8.8.8', '172.32.0.1', '1.1.1.1', '2606:4700::1111', '2a00:1450:4001::200e'];
  expect(inside.filter((address) => !isPrivate(address))).toEqual([]);
  expect(outside.filter((address) => isPrivate(address))).toEqual([]);
});
