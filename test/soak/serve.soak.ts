/**
 * `edgeclip serve` under load, with one thread: saturation against direct calls, latency at half of it, ten times of it, and a
 * mixture for the rest of the time. Prints its figures; what does not depend on the machine's speed is asserted. Needs
 * `npm run build`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { median } from '../../bench/median.js';
import { loadClip } from '../../src/worker/load.ts';
import { dataUri, photoFile } from '../serve/server.ts';
import { minutes } from './duration.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Seconds of a measurement: the short form has less than a minute for all. */
const SECONDS = minutes >= 5 ? 10 : 3;
/** Seconds that a request may wait. */
const MAX_WAIT = 2;
/** Resident bytes that may be gained in ten minutes; engines and allocators take more than that in the first one. */
const GROWTH = (minutes >= 5 ? 5 : 32) << 20;

const photo = photoFile('rocket.jpg');
const json = { 'content-type': 'application/json' };
const embed = (input: unknown) => ({
  method: 'POST' as const,
  path: '/v1/embeddings',
  headers: json,
  body: JSON.stringify({ input, encoding_format: 'base64' }),
});
const picture = embed({ image: dataUri(photo) });

let child: ChildProcess;
let url: string;

beforeAll(async () => {
  child = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--threads', '1', '--max-wait', String(MAX_WAIT)]);
  url = await new Promise((resolve, reject) => {
    let out = '';
    child.stdout!.on('data', (chunk) => {
      if (out.length < 10_000) out += chunk;
      const port = /"message":"listening".*"port":(\d+)/.exec(out)?.[1];
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`);
    });
    child.on('exit', reject);
  });
});
afterAll(() => child.kill());

const load = (options: Partial<autocannon.Options>) =>
  autocannon({ url, connections: 4, duration: SECONDS, timeout: 60, requests: [picture], ...options });

/** The statuses of the answers; autocannon's types lack them. */
const codes = (result: autocannon.Result) =>
  Object.keys((result as unknown as { statusCodeStats: object }).statusCodeStats);

async function gauge(name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)![1]);
}

it('answers as many pictures as direct calls do, at half of it quickly, at ten times of it some', async () => {
  using clip = await loadClip({ threads: 1 });
  const direct = async () => {
    const end = performance.now() + SECONDS * 1000;
    const since = performance.now();
    let count = 0;
    for (; performance.now() < end; count += 4) await clip.encodeImage([photo, photo, photo, photo]);
    return count / ((performance.now() - since) / 1000);
  };
  await direct();
  await load({});
  const ratios: number[] = [];
  const rates: number[] = [];
  let refused = 0;
  for (let i = 0; i < 3; i++) {
    const calls = await direct();
    const answered = await load({});
    expect(codes(answered).filter((code) => code !== '200' && code !== '429')).toEqual([]);
    expect([answered.errors, answered.timeouts]).toEqual([0, 0]);
    refused += answered.non2xx; // where other programs take the processor, a picture may take longer than requests may wait
    rates.push(answered['2xx'] / answered.duration);
    ratios.push(rates.at(-1)! / calls);
  }
  console.log(
    `saturation: ${median(rates).toFixed(1)} pictures/s, ${(100 * median(ratios)).toFixed(0)} % of direct calls, ${refused} refused`,
  );

  const half = await load({ overallRate: Math.max(1, Math.round(median(rates) / 2)) });
  expect([half.errors, half.timeouts]).toEqual([0, 0]);
  console.log(`at half: p50 ${half.latency.p50} ms, p99 ${half.latency.p99} ms`);

  const before = await gauge('edgeclip_resident_bytes');
  const ten = await load({ connections: 100, overallRate: Math.round(10 * median(rates)) });
  expect(codes(ten).filter((code) => code !== '200' && code !== '429')).toEqual([]);
  expect(ten.errors).toBe(0);
  // The work of clients that left goes as soon as their connections are seen to be closed.
  const since = performance.now();
  const answer = () => fetch(`${url}${picture.path}`, { method: 'POST', headers: json, body: picture.body });
  await expect.poll(async () => (await answer()).status).toBe(200);
  const recovery = performance.now() - since;
  const grown = (await gauge('edgeclip_resident_bytes')) - before;
  const share = (100 * ten.non2xx) / (ten.non2xx + ten['2xx']);
  console.log(
    `at ten times: ${(ten['2xx'] / ten.duration).toFixed(1)} answers/s, ${share.toFixed(0)} % refused (429); ` +
      `an answer ${recovery.toFixed(0)} ms later; memory ${(grown / 1e6).toFixed(1)} MB more`,
  );
});

it('keeps its memory under a mixture of pictures, texts, labels and bad requests', async () => {
  const classify = (labels: string[]) => ({
    method: 'POST' as const,
    path: '/classify',
    headers: json,
    body: JSON.stringify({ inputs: dataUri(photo), parameters: { candidate_labels: labels } }),
  });
  const requests = [
    picture,
    embed(['a photo of a cat', 'a photo of a dog', 'something else']),
    classify(['cat', 'dog', 'rocket']),
    embed([{ text: 'a rocket' }, { image: dataUri(photo) }]),
    embed({ image: dataUri(photo.slice(0, 5000)) }),
    { method: 'POST' as const, path: '/v1/embeddings', headers: json, body: '{"input":[' },
    classify(Array.from({ length: 50 }, (_, i) => `thing ${i}`)),
  ];
  const seconds = Math.max(9, minutes * 60);
  const resident: number[] = [];
  const timer = setInterval(() => {
    gauge('edgeclip_resident_bytes').then(
      (bytes) => resident.push(bytes),
      () => {},
    );
  }, 500);
  const mixture = await load({ connections: 8, duration: seconds, requests });
  clearInterval(timer);
  expect(codes(mixture).filter((code) => !['200', '400', '429'].includes(code))).toEqual([]);
  expect([mixture.errors, mixture.timeouts]).toEqual([0, 0]);
  // A third to warm up; the others are compared by their medians.
  const third = Math.floor(resident.length / 3);
  const growth = median(resident.slice(2 * third)) - median(resident.slice(third, 2 * third));
  console.log(
    `mixture, ${seconds} s: ${(median(resident) / 1e6).toFixed(0)} MB, ${(growth / 1e6).toFixed(1)} MB more at the end`,
  );
  expect(growth).toBeLessThan(GROWTH);
  await expect.poll(() => gauge('edgeclip_held_bytes')).toBe(0);
});
