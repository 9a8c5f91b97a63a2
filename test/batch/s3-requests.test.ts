/** What a bucket is asked: who asks, where, and what is asked again. The answers are a server's of this test. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { openStorage } from '../../src/batch/open-storage.ts';

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: number;
}

/** The status, and what else is answered, by the number of the request. */
let answers: (asked: Asked, number: number) => { status: number; body?: string; headers?: Record<string, string> };
let asked: Asked[] = [];
const server = createServer(async (request, response) => {
  let bytes = 0;
  for await (const chunk of request) bytes += chunk.length;
  const one = { method: request.method!, url: request.url!, headers: request.headers, bytes };
  asked.push(one);
  const { status, body = '', headers = {} } = answers(one, asked.length);
  response.writeHead(status, headers).end(request.method === 'HEAD' ? undefined : body);
});
let endpoint: string;
const env = { ...process.env };
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'who', AWS_SECRET_ACCESS_KEY: 'secret' });
  asked = [];
});
afterAll(() => {
  process.env = env;
  server.closeAllConnections();
  server.close();
});
const fast = { attempts: 4, pauseMs: 1, longestMs: 2 };

it('takes credentials, region and server from the usual variables', async () => {
  answers = () => ({ status: 200, body: 'x' });
  Object.assign(process.env, { AWS_ENDPOINT_URL: 'http://127.0.0.1:9', AWS_ENDPOINT_URL_S3: `${endpoint}/`, AWS_DEFAULT_REGION: 'eu-west-1', AWS_SESSION_TOKEN: 'token' }); // biome-ignore format: one line
  await (await openStorage('s3://things/in')).read('a b');
  Object.assign(process.env, { AWS_REGION: 'eu-north-1', AWS_ENDPOINT_URL_S3: '', AWS_SESSION_TOKEN: '' });
  await (await openStorage('s3://things/in', { endpoint })).read('c');
  delete process.env.AWS_REGION;
  delete process.env.AWS_DEFAULT_REGION;
  await (await openStorage('s3://things', { endpoint })).read('d');
  expect(asked.map(({ url }) => url)).toEqual(['/things/in/a%20b', '/things/in/c', '/things/d']);
  expect(asked.map(({ headers }) => headers['x-amz-security-token'])).toEqual(['token', undefined, undefined]);
  const scopes = asked.map(({ headers }) => /Credential=who\/\d+\/([^,]*)/.exec(headers.authorization!)![1]);
  expect(scopes).toEqual(['eu-west-1', 'eu-north-1', 'us-east-1'].map((region) => `${region}/s3/aws4_request`));
  await expect(openStorage('s3://things', { endpoint: 'ftp://a' })).rejects.toThrow('the endpoint must begin with');
});

it('writes under the condition that there is nothing, and learns of what was written though no answer came', async () => {
  answers = (_, number) => ({ status: [500, 409, 200, 500, 412][number - 1]! });
  const storage = await openStorage('s3://things', { endpoint, retries: fast });
  expect(await storage.create('new', new Uint8Array(10))).toBe(true);
  expect(await storage.create('there', new Uint8Array(10))).toBe(false);
  expect(asked.map(({ method, headers, bytes }) => [method, headers['if-none-match'], bytes])).toEqual(asked.map(() => ['PUT', '*', 10])); // biome-ignore format: one line
});

it('writes a large file in parts, each again if it is refused, and only the last request makes it seen', async () => {
  let refusals = 1;
  answers = ({ method, url }) => {
    if (method === 'HEAD') return { status: 404 };
    if (url.endsWith('?uploads=')) return { status: 200, body: '<UploadId>an/id</UploadId>' };
    if (method === 'PUT' && refusals-- > 0) return { status: 503 };
    if (method === 'PUT') return { status: 200, headers: { etag: `"${/partNumber=(\d+)/.exec(url)![1]}"` } };
    // The first attempt to complete is answered by an error under status 200, as Amazon's may be.
    const isFirst = asked.filter((one) => one.method === 'POST').length === 2;
    return { status: 200, body: isFirst ? '<Error><Message>later</Message></Error>' : '<Done/>' };
  };
  const storage = await openStorage('s3://things', { endpoint, retries: fast });
  expect(await storage.create('large', new Uint8Array((64 << 20) + 5))).toBe(true);
  expect(asked.map(({ method, url, bytes }) => `${method} ${url} ${method === 'PUT' ? bytes : ''}`.trim())).toEqual([
    'HEAD /things/large',
    'POST /things/large?uploads=',
    `PUT /things/large?partNumber=1&uploadId=an%2Fid ${64 << 20}`,
    `PUT /things/large?partNumber=1&uploadId=an%2Fid ${64 << 20}`,
    'PUT /things/large?partNumber=2&uploadId=an%2Fid 5',
    'POST /things/large?uploadId=an%2Fid',
    'POST /things/large?uploadId=an%2Fid',
  ]);
  expect(asked.at(-1)!.headers['if-none-match']).toBe('*');
});

it('removes the parts of a large file that cannot be written', async () => {
  answers = ({ method, url }) => {
    if (url.endsWith('?uploads=')) return { status: 200, body: '<UploadId>id</UploadId>' };
    return { status: method === 'HEAD' ? 404 : method === 'PUT' ? 403 : 204 };
  };
  const storage = await openStorage('s3://things', { endpoint, retries: fast });
  await expect(storage.create('large', new Uint8Array((64 << 20) + 5))).rejects.toMatchObject({ code: 'IO' });
  expect(asked.slice(2).map(({ method, url }) => `${method} ${url}`)).toEqual(['PUT /things/large?partNumber=1&uploadId=id', 'DELETE /things/large?uploadId=id']); // biome-ignore format: one line
});
