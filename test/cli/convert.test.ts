/** `edgeclip convert`: packed folders with a manifest. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { byteSize } from '../../src/cli/convert.ts';
import { type Manifest, writePackedFolder } from '../../src/cli/packed-folder.ts';
import { loadClip } from '../../src/load.ts';
import { openModel } from '../../src/open-model.ts';
import { readCheckpoint, readFolder, rejection, storeOf, utf8 } from '../api/checkpoint.ts';
import { goldenPath, readGolden, syntheticPicture } from '../model/golden.ts';
import { push, stateDict, torchFile } from '../weights/torch-writer.ts';
import { edgeclip, shell } from './command.ts';

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'edgeclip-convert-'));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const picture = syntheticPicture(80);
const expected = readGolden('tiny-vit/expected.json');

async function vectors(model: string | ReturnType<typeof storeOf>, precision: 'int8' | 'f32') {
  using clip = await loadClip(model, { precision });
  return [await clip.encodeImage(picture), ...(await clip.encodeTokens(expected.token_ids))];
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const filesOf = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, sha256(readFileSync(join(folder, name)))]),
  );

const folder = readFolder('tiny-vit');
const { tensors } = readCheckpoint(folder['open_clip_model.safetensors']!);
const storages = tensors.map(({ data }) => data);
const checkpoint = push.dict([
  ['epoch', push.int(1)],
  ['state_dict', stateDict(tensors, 'module.')],
]);

describe('convert', () => {
  it.each(['int8', 'f32'] as const)(
    'writes %s that loads with the same bits, and a manifest of what it wrote',
    async (precision) => {
      const out = join(work, `plain ${precision}`);
      const manifest = await writePackedFolder(await openModel(goldenPath('tiny-vit')), out, { precision });
      expect(await vectors(out, precision)).toEqual(await vectors(goldenPath('tiny-vit'), precision));
      const names = ['image.safetensors', 'manifest.json', 'open_clip_config.json', 'text.safetensors'];
      expect(readdirSync(out).sort()).toEqual(names);
      expect(JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8'))).toEqual(manifest);
      expect(manifest).toMatchObject({ format: 'edgeclip', precision });
      for (const { name, bytes, sha256: sum } of manifest.files) {
        const content = readFileSync(join(out, name));
        expect([name, content.length, sha256(content)]).toEqual([name, bytes, sum]);
      }
      expect(manifest.files.map(({ name }) => name).sort()).toEqual(names.filter((name) => name !== MANIFEST));
    },
  );

  it('R06: gives the same bytes from the state dict and the training checkpoint of the model, and again', async () => {
    const { 'open_clip_config.json': config } = folder;
    const models = {
      safetensors: await openModel(goldenPath('tiny-vit')),
      again: await openModel(goldenPath('tiny-vit')),
      dict: storeOf({
        'open_clip_config.json': config!,
        'open_clip_pytorch_model.bin': torchFile(stateDict(tensors), storages),
      }),
      training: storeOf({
        'open_clip_config.json': config!,
        'open_clip_pytorch_model.bin': torchFile(checkpoint, storages),
      }),
    };
    const written: Record<string, string>[] = [];
    for (const [name, files] of Object.entries(models)) {
      await writePackedFolder(files, join(work, name), { precision: 'int8' });
      written.push(filesOf(join(work, name)));
    }
    expect(new Set(written.map((files) => JSON.stringify(files))).size).toBe(1);
  });

  it("takes Hugging Face's files, packed ones, and shards", async () => {
    const huggingface = join(work, 'huggingface');
    await writePackedFolder(await openModel(goldenPath('tiny-vit-hf')), huggingface, {
      precision: 'int8',
      shardBytes: 100_000,
    });
    expect(readdirSync(huggingface)).toEqual(expect.arrayContaining(['config.json', 'preprocessor_config.json']));
    const shards = readdirSync(huggingface).filter((name) => /-of-\d+\.safetensors$/.test(name));
    expect(shards.length).toBeGreaterThan(8);
    for (const name of shards) expect(readFileSync(join(huggingface, name)).length).toBeLessThanOrEqual(100_000);
    expect(await vectors(huggingface, 'int8')).toEqual(await vectors(goldenPath('tiny-vit-hf'), 'int8'));
    // From shards to one file.
    await writePackedFolder(await openModel(huggingface), join(work, 'joined'), { precision: 'int8' });
    await writePackedFolder(await openModel(goldenPath('tiny-vit-hf')), join(work, 'direct'), { precision: 'int8' });
    expect(filesOf(join(work, 'joined'))).toEqual(filesOf(join(work, 'direct')));
  });

  it("writes the configuration that OpenAI's own file does not have, and the tokenizer", async () => {
    const out = join(work, 'openai');
    const tokenizer = readFileSync('weights/default/tokenizer.json', 'utf8');
    const files = { ...(await openModel(goldenPath('torch/openai.pt'))) };
    const text = async (name: string) => (name === 'tokenizer.json' ? tokenizer : undefined);
    await writePackedFolder({ ...files, text }, out, { precision: 'f32' });
    expect(JSON.parse(readFileSync(join(out, 'open_clip_config.json'), 'utf8')).model_cfg.vision_cfg.image_size).toBe(
      48,
    );
    expect(readFileSync(join(out, 'tokenizer.json'), 'utf8')).toBe(tokenizer);
    using clip = await loadClip(out, { precision: 'f32', towers: ['image'] });
    using from = await loadClip(goldenPath('torch/openai.pt'), { precision: 'f32', towers: ['image'] });
    const small = syntheticPicture(48);
    expect(await clip.encodeImage(small)).toEqual(await from.encodeImage(small));
  });

  it('leaves nothing behind if it fails, and nothing of others is touched', async () => {
    const full = join(work, 'full');
    mkdirSync(full);
    writeFileSync(join(full, 'mine.txt'), 'mine');
    const good = await openModel(goldenPath('tiny-vit'));
    const options = { precision: 'int8' } as const;
    expect(await rejection(writePackedFolder(good, full, options))).toMatchObject({
      code: 'IO',
      message: expect.stringContaining('the folder is not empty'),
    });
    expect(readdirSync(full)).toEqual(['mine.txt']);
    expect(await rejection(writePackedFolder(good, join(full, 'mine.txt'), options))).toMatchObject({ code: 'IO' });
    const before = readdirSync(work);
    const { 'open_clip_model.safetensors': _, ...none } = folder;
    expect(await rejection(writePackedFolder(storeOf(none), join(work, 'failed'), options))).toMatchObject({
      code: 'WEIGHTS_MISSING',
    });
    expect(
      await rejection(writePackedFolder(good, join(work, 'failed'), { ...options, shardBytes: 100 })),
    ).toBeInstanceOf(RangeError);
    expect(readdirSync(work)).toEqual(before);
    mkdirSync(join(work, 'empty'));
    await writePackedFolder(good, join(work, 'empty'), options);
    expect(existsSync(join(work, 'empty', MANIFEST))).toBe(true);
  });
});

const MANIFEST = 'manifest.json';

describe('the command', () => {
  it('without enough room for the result: says which file, and leaves nothing', async () => {
    const line = `ulimit -f 500; $edgeclip convert '${goldenPath('tiny-vit')}' -o none`;
    expect(await shell(line, { cwd: work })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^error: cannot write "image.safetensors": the file would be larger than is allowed \[IO\]\n$/,
      ),
    });
    expect(readdirSync(work).filter((name) => name.includes('none'))).toEqual([]);
  });

  it('prints the files with their SHA-256, or the manifest', async () => {
    const model = join(work, 'a model #1');
    cpSync(goldenPath('tiny-vit'), model, { recursive: true });
    writeFileSync(join(model, 'x.pt'), torchFile(checkpoint, storages));
    const first = await edgeclip(
      ['convert', join(model, 'x.pt'), '-o', 'out 100%', '--shard-size', '0.2MiB', '--json'],
      { cwd: work },
    );
    expect(first).toMatchObject({ code: 0, stderr: expect.stringMatching(/^warning: without a tokenizer: .*\n$/) });
    const manifest: Manifest = JSON.parse(first.stdout);
    expect(manifest.files.length).toBeGreaterThan(6);
    const second = await edgeclip(['convert', model, '--output', 'out2', '--shard-size', '0.2MiB'], { cwd: work });
    expect(second.code).toBe(0);
    expect(second.stdout).toContain('out2: int8, read back and verified\n');
    for (const { name, sha256, bytes } of manifest.files)
      expect(second.stdout).toContain(`${sha256}  ${name}  ${bytes} bytes\n`);
    const info = await edgeclip(['info', '--model', join(model, 'x.pt'), '--json'], { cwd: work });
    expect(JSON.parse(info.stdout)).toMatchObject({ towers: ['image', 'text'] });
    const before = readFileSync(join(model, 'x.pt'));
    for (const target of ['x.pt', 'open_clip_config.json']) {
      const onto = join(model, target);
      const embed = ['embed', '--text', 'a', '--model', join(model, 'x.pt'), '--output', onto];
      expect(await edgeclip(embed, { cwd: work })).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("the model's"),
      });
    }
    expect(readFileSync(join(model, 'x.pt')).equals(before)).toBe(true);
  });

  it('tells wrong use from a wrong model by its exit code', async () => {
    const model = goldenPath('tiny-vit');
    const run = (...args: string[]) => edgeclip(['convert', ...args], { cwd: work });
    expect(await run(model)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("'-o, --output <dir>' not specified"),
    });
    expect(await run(model, '-o', 'x', '--shard-size', '24 parsecs')).toMatchObject({ code: 2 });
    expect(await run(model, '-o', 'x', '--shard-size', '1kB')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--shard-size: shards are too small'),
    });
    for (const option of [['--image-size', '64'], ['--scaled']]) {
      expect(await run(model, '-o', 'x', ...option)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(`${option[0]} belongs to the use of a model`),
      });
    }
    expect(await run('./no/such', '-o', 'x')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('does not exist'),
    });
    const system = push.call(push.global('posix', 'system'), push.text('touch ran'));
    mkdirSync(join(work, 'hostile'));
    writeFileSync(join(work, 'hostile', 'x.pt'), torchFile(system));
    writeFileSync(
      join(work, 'hostile', 'open_clip_config.json'),
      utf8(JSON.stringify({ embed_dim: 1, vision_cfg: {}, text_cfg: {} })),
    );
    expect(await run('hostile/x.pt', '-o', 'x')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('names posix.system'),
    });
    expect(existsSync(join(work, 'ran'))).toBe(false);
    expect(existsSync(join(work, 'x'))).toBe(false);
  });

  it.each([
    ['24MiB', 25_165_824],
    ['24MB', 24_000_000],
    ['1.5 GiB', 1_610_612_736],
    ['1000', 1000],
    ['7kB', 7000],
  ])('understands %s', (text, bytes) => expect(byteSize(text)).toBe(bytes));
  it.each(['', '0', '-1', '1e6', 'MiB', '1 constructor', '99999999999GB'])('refuses the size %j', (text) => {
    expect(() => byteSize(text)).toThrow('24MiB');
  });
});
