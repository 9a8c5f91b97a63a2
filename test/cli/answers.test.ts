import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labelNotes } from '../../src/cli/labels.ts';
import { runtimeVersions } from '../../src/cli/runtime.ts';
import { golden, photo, pngHeader } from '../api/pictures.ts';
import { edgeclip, jsonLines, workFolder } from './command.ts';

const EIGHT = 'cat,dog,horse,cup of coffee,rocket,person,galaxy,grass';

let folder: ReturnType<typeof workFolder>;
beforeAll(() => {
  folder = workFolder({
    'a.jpg': photo,
    'large.png': pngHeader(12_000, 10_000),
    'bare/config.json': golden('tiny-vit-hf/config.json'),
    'bare/model.safetensors': golden('tiny-vit-hf/model.safetensors'),
  });
});
afterAll(() => folder.remove());
const run = (...args: string[]) => edgeclip(args, { cwd: folder.path });

describe('labels that mislead', () => {
  it('get a note: one alone, repeated ones', () => {
    expect(labelNotes(['cat'])).toEqual([expect.stringMatching(/^there is only one label, .*100 %/)]);
    expect(labelNotes(['cat', 'dog', 'cat'])).toEqual(['the label "cat" is given twice: equal labels share the score']);
    expect(labelNotes(['a', 'b', 'a', 'b', 'b'])[0]).toBe(
      'the label "a" is given twice (and 1 more repeated): equal labels share the score',
    );
    expect(labelNotes(['cat', 'Cat', 'cat '])).toEqual([]);
  });

  it('get it on standard error, and the answer is as ever', async () => {
    const [one, twice] = await Promise.all([
      run('classify', 'a.jpg', '-l', 'cat', '--json'),
      run('classify', 'a.jpg', '-l', 'cat,dog,cat'),
    ]);
    expect(one.stderr).toMatch(/^note: there is only one label.*\n$/);
    expect(jsonLines<{ labels: object[] }>(one.stdout)[0]!.labels).toMatchObject([{ label: 'cat', score: 1 }]);
    expect(twice.stderr).toBe('note: the label "cat" is given twice: equal labels share the score\n');
    expect([one.code, twice.code]).toEqual([0, 0]);
  });
});

describe('how many labels are shown', () => {
  it('is said where it is not all of them; --json gives all unless --top', async () => {
    const classify = async (...args: string[]) => (await run('classify', 'a.jpg', '-l', EIGHT, ...args)).stdout;
    const [table, all, json, top] = await Promise.all([
      classify(),
      classify('--top', '8'),
      classify('--json'),
      classify('--json', '--top', '3'),
    ]);
    expect(table.trimEnd().split('\n')).toHaveLength(2 + 5 + 1);
    expect(table).toMatch(/\n {2}5 of 8 labels\n$/);
    expect(all.trimEnd().split('\n')).toHaveLength(2 + 8);
    expect(all).not.toContain('of 8');
    const labels = (stdout: string) => jsonLines<{ labels: object[] }>(stdout)[0]!.labels;
    expect(labels(json)).toHaveLength(8);
    expect(labels(top)).toEqual(labels(json).slice(0, 3));
  });
});

describe('--max-pixels', () => {
  it('lowers and raises the limit', async () => {
    const [low, usual, high] = await Promise.all([
      run('embed', 'a.jpg', '--max-pixels', '1000'),
      run('classify', 'large.png', '-l', 'cat,dog'),
      run('classify', 'large.png', '-l', 'cat,dog', '--max-pixels', '120000000'),
    ]);
    expect(low).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/1000 \[IMAGE_TOO_LARGE\]\n$/) });
    expect(usual.stderr).toMatch(/100000000 \[IMAGE_TOO_LARGE\]\n$/);
    expect(high.stderr).toMatch(/truncated.*\[IMAGE_TRUNCATED\]\n$/); // it is a header only
  });
});

describe('what a model warns of', () => {
  it('is on standard error once, and in info', async () => {
    const [embed, info, json] = await Promise.all([
      run('embed', 'a.jpg', 'a.jpg', '--model', 'bare'),
      run('info', '--model', 'bare'),
      run('info', '--model', 'bare', '--json'),
    ]);
    expect(embed.stderr).toMatch(/^warning: .*preprocessor_config\.json.*\n$/);
    const [, warning] = /^warning: (.*)\n$/.exec(embed.stderr)!;
    expect(info.stdout).toContain(`\nwarning     ${warning}\n`);
    expect(JSON.parse(json.stdout).warnings).toEqual([warning]);
    expect([embed.code, info.code]).toEqual([0, 0]);
  });
});

describe('the runtime', () => {
  it('is the one that runs, not the one it imitates', () => {
    const { node, v8 } = process.versions;
    expect(runtimeVersions({})).toEqual({ name: 'Node', versions: { node, v8 } });
    const deno = { deno: '2.9.1', v8: '14.0' };
    expect(runtimeVersions({ Deno: { version: deno } })).toEqual({ name: 'Deno', versions: deno });
    expect(runtimeVersions({ Bun: { version: '1.4.0' } })).toMatchObject({ name: 'Bun', versions: { bun: '1.4.0' } });
  });

  it('is in info', async () => {
    const [sheet, json] = await Promise.all([run('info'), run('info', '--json')]);
    expect(sheet.stdout).toMatch(/^runtime {5}Node \d+\.\d+\.\d+ \(V8 .*, \w+ \w+\)$/m);
    expect(JSON.parse(json.stdout).versions).toMatchObject({ node: process.versions.node, v8: process.versions.v8 });
  });
});
