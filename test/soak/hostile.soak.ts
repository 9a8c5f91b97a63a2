/**
 * Hostile files, each refused by a process of its own: the CPU time and the peak of memory that the refusal takes are printed and bounded,
 * a second and 64 MB above those of a process that has loaded the package. Needs `npm run build`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { concat, push, torchFile, zip } from '../weights/torch-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'edgeclip-hostile-'));
afterAll(() => rmSync(folder, { recursive: true }));
const touched = join(folder, 'was-here');
const MB = 1e6;

const config = JSON.stringify({
  embed_dim: 16,
  vision_cfg: { image_size: 32, patch_size: 8, width: 32, head_width: 16, layers: 2 },
  text_cfg: { context_length: 6, vocab_size: 40, width: 32, heads: 2, layers: 2 },
});

function header(length: bigint, text = new Uint8Array(0)): Uint8Array {
  const size = new Uint8Array(8);
  new DataView(size.buffer).setBigUint64(0, length, true);
  return concat(size, text);
}

const pickled = torchFile(push.call(push.global('os', 'system'), push.text(`touch ${touched}`)));
const data = new Uint8Array(8);
const index = { metadata: {}, weight_map: { 'visual.proj': '../../etc/passwd' } };
const tokenizer = JSON.parse(readFileSync('weights/default/tokenizer.json', 'utf8'));
tokenizer.pre_tokenizer.pretokenizers[0].pattern.Regex = '(a+)+$';

const CASES: [name: string, files: Record<string, Uint8Array | string>, message: RegExp][] = [
  ['a pickle that calls os.system', { 'open_clip_pytorch_model.bin': pickled }, /names os.system/],
  [
    'a zip bomb',
    {
      'open_clip_pytorch_model.bin': zip([
        { name: 'archive/data.pkl', data, claims: { method: 8, bytes: 2 ** 31 - 1, compressed: 8 } },
      ]),
    },
    /compressed/,
  ],
  [
    'a zip with path traversal',
    {
      'open_clip_pytorch_model.bin': zip([
        { name: 'archive/data.pkl', data },
        { name: '../../etc/passwd', data },
      ]),
    },
    /not a path inside the archive/,
  ],
  ['a header of 2^63 bytes', { 'open_clip_model.safetensors': header(2n ** 63n) }, /header/],
  [
    'a header of 90 MB of brackets',
    { 'open_clip_model.safetensors': header(90_000_000n, new Uint8Array(90_000_000).fill(0x5b)) },
    /header/,
  ],
  [
    'a shard index that names ../../etc/passwd',
    { 'open_clip_model.safetensors.index.json': JSON.stringify(index) },
    /etc\/passwd/,
  ],
  ['a tokenizer.json with a pattern that never ends', { 'tokenizer.json': JSON.stringify(tokenizer) }, /pattern/],
];

const PROGRAM = `
import { readFileSync } from 'node:fs';
import { loadClip } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)};
const [folder, isTokenizer] = [process.argv[1], process.argv[2] === 'true'];
await loadClip(folder + '-missing').catch(() => {});
const model = 'weights/default';
const warm = isTokenizer ? await loadClip(model, { towers: ['text'] }) : undefined;
// Not maxRSS, which a process has from the one that started it.
const peak = () => Number(/VmHWM:\\s*(\\d+) kB/.exec(readFileSync('/proc/self/status', 'latin1'))[1]) * 1024;
const [memory, cpu] = [peak(), process.cpuUsage()];
let message;
try {
  if (isTokenizer) {
    const tokenizer = JSON.parse(readFileSync(folder + '/tokenizer.json', 'utf8'));
    const clip = await loadClip(model, { towers: ['text'], tokenizer });
    clip.tokenize(['a'.repeat(100000) + '!']);
  } else await loadClip(folder);
} catch (error) {
  message = error.message;
}
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({ message, bytes: peak() - memory, ms: (user + system) / 1000 }));
`;

it.each(CASES)('%s', (name, files, message) => {
  const path = join(folder, name.replace(/\W+/g, '-'));
  mkdirSync(path);
  for (const [file, content] of Object.entries({ 'open_clip_config.json': config, ...files })) {
    writeFileSync(join(path, file), content);
  }
  const isTokenizer = 'tokenizer.json' in files;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', PROGRAM, path, String(isTokenizer)], {
    encoding: 'utf8',
  });
  if (child.status !== 0) throw new Error(child.stderr);
  const result = JSON.parse(child.stdout) as { message?: string; bytes: number; ms: number };
  console.log(`${name}: ${result.ms.toFixed(0)} ms of CPU time, ${(result.bytes / MB).toFixed(1)} MB`);
  expect(result.message).toMatch(message);
  expect(result.ms).toBeLessThan(1000);
  expect(result.bytes).toBeLessThan(64 * MB);
  expect(existsSync(touched)).toBe(false);
});
