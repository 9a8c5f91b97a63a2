/** Models by name on the command line, from a fake hub; the list of published models. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { readFolder, rejection } from '../api/checkpoint.ts';
import { FakeHub } from '../hub/fake-hub.ts';
import { goldenPath } from '../model/golden.ts';
import { edgeclip, jsonLines, projectPath, startEdgeclip } from './command.ts';

const NAME = 'someone/tiny-vit';
const picture = goldenPath('photos/cat.png');
let hub: FakeHub;
let top: string;

beforeAll(async () => {
  hub = await FakeHub.start();
  top = mkdtempSync(join(tmpdir(), 'edgeclip cli hub '));
  process.env.HF_ENDPOINT = hub.address;
  process.env.HF_HOME = top;
  hub.publish(NAME, readFolder('tiny-vit'), 'v1');
  hub.publish(NAME, { 'config.json': '{}' });
});
afterAll(async () => {
  delete process.env.HF_ENDPOINT;
  delete process.env.HF_HOME;
  await hub.stop();
  rmSync(top, { recursive: true, force: true });
});
afterEach(() => {
  hub.asked.length = 0;
  hub.slow = undefined;
});

/** Bytes of the files below the folder that have come in part. */
const partialBytes = (folder: string) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter(({ name }) => name.endsWith('.incomplete'))
        .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
    : 0;

const vectors = (stdout: string) => jsonLines<{ embedding: number[] }>(stdout).map(({ embedding }) => embedding);

describe('--model NAME', () => {
  it('fetches a model, at a revision, into a folder; --offline uses it', async () => {
    const { stdout: expected } = await edgeclip(['embed', picture, '--model', goldenPath('tiny-vit')]);
    const source = ['--model', NAME, '--revision', 'v1', '--cache-dir', join(top, 'own')];
    const first = await edgeclip(['embed', picture, ...source]);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(vectors(first.stdout)).toEqual(vectors(expected));
    hub.asked.length = 0;
    const second = await edgeclip([
      'embed',
      picture,
      '--model',
      `${NAME}@v1`,
      '--cache-dir',
      join(top, 'own'),
      '--offline',
    ]);
    expect(vectors(second.stdout)).toEqual(vectors(expected));
    expect(hub.asked).toEqual([]);
  });

  it('that is not there: one line, with what to do', async () => {
    const missing = await edgeclip(['info', 'models/vit']);
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toMatch(
      /^error: there is no folder "models\/vit", and the hub shows no model "models\/vit": .* \[IO\]\n$/,
    );
    const offline = await edgeclip(['embed', picture, '--model', 'some/other', '--offline']);
    expect(offline.stderr).toMatch(/^error: "some\/other" is not in the cache ".*" *, and nothing may be fetched/);
  });

  it('of SigLIP is refused before anything is fetched', async () => {
    const names = ['ViT-B-16-SigLIP/webli', 'timm/ViT-B-16-SigLIP', 'google/siglip-base-patch16-224@main', 'hf:google/siglip2-base-patch16-224']; // biome-ignore format: one line
    for (const name of names) {
      const message = `error: "${name}": SigLIP models are not supported [CONFIG]\n`;
      expect(await edgeclip(['info', name])).toMatchObject({ code: 1, stdout: '', stderr: message });
      expect((await rejection(loadClip(name))).message).toBe(message.slice(7, -10));
    }
    const loading = await edgeclip(['embed', picture, '--model', 'ViT-B-16-SigLIP-256/webli', '--offline']);
    expect(loading.stderr).toBe('error: "ViT-B-16-SigLIP-256/webli": SigLIP models are not supported [CONFIG]\n');
    expect(hub.asked).toEqual([]);
  });

  it('converts and describes by name', async () => {
    const info = await edgeclip(['info', `${NAME}@v1`, '--json', '--cache-dir', join(top, 'info')]);
    expect(JSON.parse(info.stdout)).toMatchObject({ model: `${NAME}@v1`, towers: ['image', 'text'] });
    const ranges = new Set(hub.asked.filter(({ at }) => at === 'files').map(({ range }) => range));
    expect([...ranges], 'the header of the weights').toEqual([`bytes=0-${(256 << 10) - 1}`]);
    const out = join(top, 'packed');
    const { code, stderr } = await edgeclip(['convert', `${NAME}@v1`, '-o', out]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^warning: without a tokenizer: .*--tokenizer FILE\n$/)]);
    expect(JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')).format).toBe('edgeclip');
  });

  it('--config and --tokenizer are files of JSON', async () => {
    const weights = goldenPath('tiny-vit/open_clip_model.safetensors');
    const config = goldenPath('tiny-vit/open_clip_config.json');
    const given = await edgeclip(['embed', picture, '--model', weights, '--config', config]);
    expect(given).toMatchObject({ code: 0, stderr: '' });
    const wrong = await edgeclip(['embed', picture, '--model', weights, '--config', join(projectPath, 'LICENSE')]);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('--config: "') });
    for (const command of [['embed', picture], ['info']]) {
      const alone = await edgeclip([...command, '--config', config]);
      expect(alone).toMatchObject({ code: 2, stderr: expect.stringMatching(/^error: --config belongs to a model/) });
    }
    const text = ['embed', '--text', 'a cat', '--model', `${NAME}@v1`, '--cache-dir', join(top, 'own')];
    expect((await edgeclip(text)).stderr).toBe(`error: "${NAME}@v1" has no tokenizer.json, nor vocab.json with merges.txt: give the model's own by --tokenizer FILE [TOKENIZER]\n`); // biome-ignore format: one line
  });

  it('Ctrl-C in mid-download leaves what the next run continues', async () => {
    hub.slow = { bytes: 100_000, ms: 200 };
    const folder = join(top, 'stopped');
    const args = ['embed', picture, '--model', `${NAME}@v1`, '--cache-dir', folder];
    const child = startEdgeclip(args, { env: process.env });
    const ended = once(child, 'exit');
    await expect.poll(() => partialBytes(folder)).toBeGreaterThan(50_000); // of the weights
    child.kill('SIGINT');
    await ended;
    hub.slow = undefined;
    hub.asked.length = 0;
    expect(await edgeclip(args)).toMatchObject({ code: 0, stderr: '' });
    expect(hub.asked.find(({ at }) => at === 'files')!.range).toMatch(/^bytes=[1-9]\d*-$/);
  });
});

describe('models', () => {
  it('lists what loads, as a table and as JSON; --all with the reasons', async () => {
    const { stdout } = await edgeclip(['models', 'rn50/']);
    const none = await edgeclip(['models', 'RN51']);
    expect(none).toMatchObject({ code: 1, stdout: '' });
    expect(none.stderr).toContain('no published model has "RN51" in its name or repository');
    expect(stdout.split('\n')[0]).toMatch(/^name +size +license +repository$/);
    expect(stdout).toMatch(/^RN50\/openai +408 MB +MIT +timm\/resnet50_clip\.openai$/m);
    expect(stdout).not.toContain('ViT');
    const all = jsonLines<{ name: string; unsupported: string | null }>((await edgeclip(['models', '--all', '--json'])).stdout); // biome-ignore format: one line
    expect(all.find(({ name }) => name === 'ViT-B-16-SigLIP/webli')!.unsupported).toBe('SigLIP');
    expect((await edgeclip(['models', 'vit-b-16-siglip/'])).stdout).toMatch(
      /\nViT-B-16-SigLIP\/webli .* not supported: SigLIP\n/,
    );
    const some = jsonLines<{ unsupported: string | null }>((await edgeclip(['models', '--json'])).stdout);
    expect(some.length).toBe(all.filter(({ unsupported }) => unsupported === null).length);
  });
});
