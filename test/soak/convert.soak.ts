/**
 * Converting ViT-L/14: peak memory of a process of its own within the size of the result, one tensor and 64 MB, and the time. The
 * checkpoint, 1.7 GB of noise and zeros in F32, is written first. The short form (`EDGECLIP_SOAK_MINUTES` below 1, as in CI) has
 * two layers in each tower, of the same width.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { towerSlots } from '../../src/model/registry.ts';
import { publishedTensors } from '../../src/model/slots.ts';
import { projectPath } from '../cli/command.ts';
import { parseConfig } from '../model/parse-config.ts';

const work = mkdtempSync(join(tmpdir(), 'edgeclip-convert-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

const short = Number(process.env.EDGECLIP_SOAK_MINUTES ?? 10) < 1;
const ALLOWED = 64 << 20;

/** OpenAI's ViT-L/14, as OpenCLIP's ViT-L-14-quickgelu.json describes it. */
const config = {
  embed_dim: 768,
  quick_gelu: true,
  vision_cfg: { image_size: 224, layers: short ? 2 : 24, width: 1024, patch_size: 14 },
  text_cfg: { context_length: 77, vocab_size: 49408, width: 768, heads: 12, layers: short ? 2 : 12 },
};

/** Writes the checkpoint, some MB at a time: noise in matrices, zeros in the second half of each vector. */
async function writeModel(folder: string): Promise<{ bytes: number; largest: number }> {
  mkdirSync(folder);
  writeFileSync(join(folder, 'open_clip_config.json'), JSON.stringify(config));
  const shapes = new Map<string, readonly number[]>();
  const parsed = parseConfig(config);
  for (const tower of ['image', 'text'] as const) {
    for (const tensor of (await towerSlots(parsed, tower)).flatMap(publishedTensors)) {
      const shape = tensor.transposedIn === 'openclip' ? [...tensor.shape].reverse() : tensor.shape;
      shapes.set(tensor.openclip[0]!, shape);
    }
  }
  let end = 0;
  let largest = 0;
  const header: Record<string, unknown> = {};
  const sizes: number[] = [];
  for (const [name, shape] of shapes) {
    const bytes = 4 * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + bytes] };
    sizes.push(bytes);
    largest = Math.max(largest, bytes);
    end += bytes;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = openSync(join(folder, 'open_clip_model.safetensors'), 'w');
  writeSync(file, Buffer.concat([length, json]));
  const noise = new Float32Array(1 << 20);
  let state = 17;
  for (let i = 0; i < noise.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    noise[i] = (state / 2 ** 31) * 0.05;
  }
  const piece = new Uint8Array(noise.buffer);
  for (const bytes of sizes) {
    if (bytes === 4) {
      writeSync(file, new Uint8Array(Float32Array.of(4.6052).buffer)); // logit_scale
      continue;
    }
    for (let at = 0; at < bytes; at += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, bytes - at));
      // The last part of a large tensor is zeros.
      writeSync(file, at > 0 && at + piece.length >= bytes ? new Uint8Array(part.length) : part);
    }
  }
  closeSync(file);
  return { bytes: 8 + json.length + end, largest };
}

/** Runs the command and reports the most memory that its process had of its own, beside the file cache. */
const CHILD = `
const { readFileSync } = require('node:fs');
const before = () => Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
process.on('exit', () => process.stderr.write('peak ' + before() + '\\n'));
`;

it.runIf(process.platform === 'linux').each(['int8', 'f32'] as const)(
  'ViT-L/14 to %s stays within its size, a tensor and 64 MB',
  async (precision) => {
    const { bytes, largest } = await writeModel(join(work, `model-${precision}`));
    const preload = join(work, 'peak.cjs');
    writeFileSync(preload, CHILD);
    const run = (...args: string[]) => {
      const main = join(projectPath, 'dist/cli/main.js');
      const { status, stderr } = spawnSync(process.execPath, ['--require', preload, main, ...args], {
        encoding: 'utf8',
      });
      expect([status, stderr]).toEqual([
        0,
        expect.stringMatching(/^(?:warning: without a tokenizer: .*\n)?peak \d+\n$/),
      ]);
      return Number(/peak (\d+)/.exec(stderr)![1]);
    };
    const empty = run('info', '--json'); // what Node and the package take without a model's weights
    const start = performance.now();
    const peak = run(
      'convert',
      join(work, `model-${precision}`),
      '-o',
      join(work, precision),
      '--precision',
      precision,
    );
    const seconds = (performance.now() - start) / 1000;
    const towers = readdirSync(join(work, precision)).filter((name) => name.endsWith('.safetensors'));
    // One tower is in memory at a time.
    const result = Math.max(...towers.map((name) => statSync(join(work, precision, name)).size));
    const megabytes = (value: number) => `${(value / 2 ** 20).toFixed(0)} MB`;
    console.log(
      `${megabytes(bytes)} to ${precision}: ${seconds.toFixed(1)} s; peak ${megabytes(peak)}, of which Node ${megabytes(empty)}; ` +
        `largest tower ${megabytes(result)}, largest tensor ${megabytes(largest)}`,
    );
    expect(peak - empty).toBeLessThan(result + largest + ALLOWED);
    rmSync(join(work, `model-${precision}`), { recursive: true });
  },
);
