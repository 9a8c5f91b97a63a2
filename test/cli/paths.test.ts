import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { golden, photo } from '../api/pictures.ts';
import { edgeclip, jsonLines, workFolder } from './command.ts';

const NAMES = ['50% off #3.jpg', '猫 ü.jpg', 'a,b.jpg', ' blank.jpg'];

let folder: ReturnType<typeof workFolder>;
beforeAll(() => {
  folder = workFolder({
    ...Object.fromEntries(NAMES.map((name) => [name, photo])),
    'a b#c/config.json': golden('tiny-vit-hf/config.json'),
    'a b#c/model.safetensors': golden('tiny-vit-hf/model.safetensors'),
    'a b#c/preprocessor_config.json': golden('tiny-vit-hf/preprocessor_config.json'),
  });
});
afterAll(() => folder.remove());

const here = (...args: string[]) => edgeclip(args, { cwd: folder.path });

describe('R22: names that careless path handling breaks', () => {
  it('of pictures, given one by one and through their folder', async () => {
    const options = ['--labels', 'cat,dog', '--json'];
    const [given, listed] = await Promise.all([
      here('classify', ...NAMES, ...options),
      here('classify', folder.path, ...options),
    ]);
    expect(jsonLines<{ file: string }>(given.stdout).map(({ file }) => file)).toEqual(NAMES);
    const names = jsonLines<{ file: string }>(listed.stdout).map(({ file }) => file.slice(folder.path.length + 1));
    expect(names).toEqual(NAMES.toSorted());
    expect([given.code, listed.code, given.stderr, listed.stderr]).toEqual([0, 0, '', '']);
  });

  it('of a model', async () => {
    const { code, stdout, stderr } = await here('info', '--model', 'a b#c', '--json');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({ model: expect.stringContaining('a b#c'), embedDim: 96 });
    expect(code).toBe(0);
  });

  it('with a blank before them are shown in quotes when they are not there, and a model is found without it', async () => {
    expect(await here('info', '--model', ' a b#c')).toMatchObject({ code: 0, stderr: '' });
    const [model, picture] = await Promise.all([
      here('info', '--model', ' no model'),
      here('classify', ' DIR', '--labels', 'cat'),
    ]);
    expect(model).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'error: the model folder " no model" does not exist [IO]\n',
    });
    expect(picture).toMatchObject({ code: 1, stdout: '', stderr: 'error: " DIR": there is no such file [IO]\n' });
  });

  it.skipIf(process.platform === 'win32')('cannot steer the terminal', async () => {
    const { stderr } = await here('classify', '\x1b[31mred\n.jpg', '--labels', 'cat');
    expect(stderr).toBe('error: "\\u001b[31mred\\n.jpg": there is no such file [IO]\n');
  });
});
