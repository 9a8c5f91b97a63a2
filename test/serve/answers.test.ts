/** What `edgeclip serve` answers: the numbers of direct calls, in the forms of OpenAI, Jina, Infinity, Hugging Face and immich. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clip } from '../../src/clip.ts';
import { ClipError } from '../../src/errors.ts';
import { loadClip } from '../../src/load.ts';
import { errorBody, refusalOf } from '../../src/serve/refusal.ts';
import { dataUri, fromBase64, photoFile, type Served, served } from './server.ts';

const cat = photoFile('cat.png');
const rocket = photoFile('rocket.jpg');
let clip: Clip;
let server: Served;
let texts: Float32Array[];
let pictures: Float32Array[];

beforeAll(async () => {
  clip = await loadClip();
  texts = await clip.encodeText(['a photo of a cat', 'a rocket']);
  pictures = await clip.encodeImage([cat, rocket]);
  server = await served(clip);
});
afterAll(async () => {
  await server.close();
  clip.dispose();
});

it('a picture whose decoder the server does not have is 415, and says what the picture may be instead', () => {
  const message = 'HEIC is decoded by a package that is not there: convert the picture to JPEG';
  const refusal = refusalOf(new ClipError('IMAGE_DECODER', message), 'input.0');
  expect(refusal.status).toBe(415);
  expect(errorBody(refusal).error).toEqual({
    message,
    type: 'invalid_request_error',
    param: 'input.0',
    code: 'IMAGE_DECODER',
  });
});

it.each([
  ['/v1/embeddings', { input: 'a', dimension: 384 }, 'dimension', 'dimension: there is no such field'],
  [
    '/v1/embeddings',
    { input: ['a', { text: 'b', lang: 'en' }] },
    'input.1.lang',
    'input.1.lang: there is no such field',
  ],
  ['/classify', { inputs: 'a', parameters: { candidate_labels: 'a', k: 1 } }, 'parameters.k', 'parameters.k: there is no such field'], // biome-ignore format: one line
  ['/v1/embeddings', ['a'], null, 'the body: Invalid input: expected object, received array'],
])('%s of %j: says which field is at fault', async (path, body, param, message) => {
  const { status, json } = await server.post(path, body);
  expect([status, json.error]).toEqual([400, { message, type: 'invalid_request_error', param, code: 'REQUEST' }]);
});

describe('POST /v1/embeddings', () => {
  it("gives OpenAI's own client the vectors of direct calls, bit for bit, and counts tokens", async () => {
    const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none' });
    const answer = await client.embeddings.create({ model: 'default', input: ['a photo of a cat', 'a rocket'] });
    expect(answer.data.map(({ embedding }) => Float32Array.from(embedding))).toEqual(texts);
    const counts = await clip.countTokens(['a photo of a cat', 'a rocket']);
    expect(answer.usage).toEqual({ prompt_tokens: counts[0]! + counts[1]!, total_tokens: counts[0]! + counts[1]! });
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['default']);
    expect((await client.models.retrieve('ViT-B-32/openai')).id).toBe('default');
    await expect(client.models.retrieve('other')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
    const plain = await client.embeddings.create({ model: 'default', input: 'a rocket', encoding_format: 'float' });
    expect(Float32Array.from(plain.data[0]!.embedding)).toEqual(texts[1]);
    await expect(client.embeddings.create({ model: 'other', input: 'a' })).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
    });
  });

  it("takes pictures in Infinity's form and in Jina's, mixed with texts", async () => {
    const infinity = {
      input: [dataUri(cat), dataUri(rocket, 'text/plain')],
      modality: 'image',
      encoding_format: 'base64',
    };
    const one = await server.post('/v1/embeddings', infinity);
    expect(one.json.data.map(({ embedding }: { embedding: string }) => fromBase64(embedding))).toEqual(pictures);
    const jina = {
      input: [
        { text: 'a rocket' },
        { image: Buffer.from(rocket).toString('base64') },
        'a photo of a cat',
        { image: dataUri(cat) },
      ],
      embedding_type: 'float',
    };
    const two = await server.post('/v1/embeddings', jina);
    expect(two.json.data.map(({ embedding }: { embedding: number[] }) => Float32Array.from(embedding))).toEqual([
      texts[1],
      pictures[1],
      texts[0],
      pictures[0],
    ]);
    expect(two.json.data.map(({ index }: { index: number }) => index)).toEqual([0, 1, 2, 3]);
  });

  it('gives the signs of the numbers, packed as numpy.packbits does', async () => {
    const expected = Array.from({ length: texts[0]!.length / 8 }, (_, byte) =>
      Array.from({ length: 8 }, (_, bit): number => (texts[0]![8 * byte + bit]! > 0 ? 1 << (7 - bit) : 0)).reduce(
        (a, b) => a + b,
      ),
    );
    const ask = async (encoding_format: string) =>
      (await server.post('/v1/embeddings', { input: 'a photo of a cat', encoding_format })).json.data[0].embedding;
    expect(await ask('ubinary')).toEqual(expected);
    expect(await ask('binary')).toEqual(expected.map((byte) => byte - 128));
  });

  it.each([
    [{ input: 'a', dimensions: 256 }, 'dimensions', 'DIMENSIONS'],
    [{ input: 'a', encoding_format: 'int8' }, 'encoding_format', 'REQUEST'],
    [{ input: 'a', encoding_format: 'float', embedding_type: 'binary' }, 'embedding_type', 'REQUEST'],
    [{ input: 'a', task: 'retrieval' }, 'task', 'REQUEST'],
    [{ input: ['a', 3] }, 'input.1', 'REQUEST'],
    [{ input: [[1, 2, 3]] }, 'input.0', 'REQUEST'],
    [{ input: [] }, 'input', 'REQUEST'],
    [{ input: ['a', { image: 'aGVsbG8=' }] }, 'input.1', 'IMAGE_FORMAT'],
    [{ input: [{ image: 'http://127.0.0.1/a.png' }] }, 'input.0', 'URL_NOT_ALLOWED'],
    [{ input: { image: dataUri(cat).slice(0, 2000) } }, 'input', 'IMAGE_TRUNCATED'],
  ])('refuses %.60j', async (body, param, code) => {
    const { status, json } = await server.post('/v1/embeddings', body);
    expect({ status, ...json.error }).toEqual({
      status: 400,
      message: expect.stringMatching(/./),
      type: 'invalid_request_error',
      param: param ?? null,
      code,
    });
  });

  it('takes the dimensions that the model has', async () => {
    const { status } = await server.post('/v1/embeddings', { input: 'a', dimensions: clip.config.embedDim });
    expect(status).toBe(200);
  });
});

describe('POST /classify', () => {
  const labels = ['dog', 'cat', 'rocket'];

  it('ranks as a classifier with the same template does, in each form of the request', async () => {
    const classifier = await clip.classifier(labels, { templates: 'This is a photo of {}.' });
    const expected = (await classifier.classify(cat)).map(({ label, score }) => ({ score: Math.fround(score), label }));
    const rounded = (ranked: { score: number; label: string }[]) =>
      ranked.map(({ score, label }) => ({ score: Math.fround(score), label }));
    const json = await server.post('/classify', { inputs: dataUri(cat), parameters: { candidate_labels: labels } });
    expect(rounded(json.json)).toEqual(expected);
    // As `curl -d` sends it.
    const body = JSON.stringify({ inputs: dataUri(cat), parameters: { candidate_labels: labels } });
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    expect(rounded((await server.ask('/classify', { method: 'POST', headers: type, body })).json)).toEqual(expected);
    const form = new FormData();
    form.append('inputs', new Blob([cat], { type: 'text/plain' }), 'a.txt');
    for (const label of labels) form.append('candidate_labels', label);
    expect(rounded((await server.ask('/classify', { method: 'POST', body: form })).json)).toEqual(expected);
    const address = `/classify?candidate_labels=${encodeURIComponent('dog, cat,rocket')}&top_k=1`;
    const raw = await server.ask(address, { method: 'POST', headers: { 'content-type': 'image/gif' }, body: cat });
    expect(rounded(raw.json)).toEqual(expected.slice(0, 1));
  });

  it('uses the template of the request', async () => {
    const template = 'an old painting of one {}';
    const classifier = await clip.classifier(labels, { templates: template });
    const [best] = await classifier.classify(pictures[0]!, { topK: 1 });
    const parameters = { candidate_labels: labels, hypothesis_template: template, top_k: 1 };
    const { json } = await server.post('/classify', { inputs: dataUri(cat), parameters });
    expect(Math.fround(json[0].score)).toBe(Math.fround(best!.score));
    const bad = { candidate_labels: labels, hypothesis_template: 'no place' };
    const refused = await server.post('/classify', { inputs: dataUri(cat), parameters: bad });
    expect([refused.status, refused.json.error.code]).toEqual([400, 'TEMPLATE']);
  });
});

describe("immich's protocol", () => {
  const ask = (entries: unknown, more: Record<string, string | Blob>) => {
    const form = new FormData();
    form.append('entries', JSON.stringify(entries));
    for (const [name, value] of Object.entries(more)) form.append(name, value);
    return server.ask('/predict', { method: 'POST', body: form });
  };

  it('gives vectors as JSON in a string, and the size of the picture', async () => {
    expect((await server.ask('/ping')).text).toBe('pong');
    const modelName = 'ViT-B-32__openai';
    const { json } = await ask({ clip: { visual: { modelName } } }, { image: new Blob([rocket]) });
    expect(Float32Array.from(JSON.parse(json.clip))).toEqual(pictures[1]);
    expect([json.imageWidth, json.imageHeight]).toEqual([640, 427]);
    const textual = { clip: { textual: { modelName, options: { language: 'en' } } } };
    expect(Float32Array.from(JSON.parse((await ask(textual, { text: 'a rocket' })).json.clip))).toEqual(texts[1]);
  });

  it('refuses faces, and models that are not here', async () => {
    const faces = { 'facial-recognition': { detection: { modelName: 'buffalo_l' } } };
    expect((await ask(faces, { image: new Blob([rocket]) })).json.error.code).toBe('UNSUPPORTED');
    const other = { clip: { visual: { modelName: 'ViT-L-14__openai' } } };
    expect((await ask(other, { image: new Blob([rocket]) })).json.error.code).toBe('model_not_found');
  });
});

it('describes itself: every schema that is named is there, and the page loads nothing', async () => {
  const { json } = await server.ask('/openapi.json');
  for (const [, name] of JSON.stringify(json).matchAll(/#\/components\/schemas\/(\w+)/g)) {
    expect(Object.keys(json.components.schemas)).toContain(name);
  }
  expect(json.components.schemas.EmbeddingsRequest.required).toEqual(['input']);
  const page = await server.ask('/docs');
  expect(page.text).toContain('/v1/embeddings');
  expect(page.text).not.toMatch(/src=|<script|https?:/);
  expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/);
});

it('keeps measurements', async () => {
  const { text } = await server.ask('/metrics');
  for (const name of [
    'edgeclip_stage_seconds_bucket{le="0.1",stage="compute"}',
    'edgeclip_queue_length{kind="pictures"} 0',
    'edgeclip_batch_size_count{kind="texts"}',
    'edgeclip_request_seconds_count{route="/v1/embeddings",status="200"}',
    'edgeclip_model_bytes',
  ]) {
    expect(text).toContain(name);
  }
});
