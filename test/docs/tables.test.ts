/** The tables of README.md and docs/architecture.md are complete: error codes, options of the command line, files. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { edgeclip } from '../cli/command.ts';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), 'utf8');
const readme = read('README.md').replace(/^```[\s\S]*?^```$/gm, '');

/** The part of a Markdown file under a line that contains `start`, up to the next line that begins with `end`. */
function part(text: string, start: string, end: string): string {
  const from = text.indexOf(start);
  expect(from, `"${start}" is in the text`).toBeGreaterThanOrEqual(0);
  const to = text.indexOf(`\n${end}`, from + start.length);
  return text.slice(from, to < 0 ? undefined : to);
}

const inBackticks = (text: string, pattern: RegExp) =>
  [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!).filter((code) => pattern.test(code));

it('every ClipErrorCode is in the README, and no other', () => {
  const codes = [...read('src/errors.ts').matchAll(/^\s+\| '([A-Z_]+)'/gm)].map(([, code]) => code);
  expect(codes.length).toBeGreaterThan(10);
  const table = part(readme, '**Errors**', '## ');
  expect(inBackticks(table, /^[A-Z]+(_[A-Z]+)*$/).sort()).toEqual([...codes].sort());
});

describe('options of the command line', () => {
  const table = part(readme, '## Command line', '## From a clone');
  const documented = new Set(inBackticks(table, /^--?[\w-]+$/));

  it('those of every command are in the README, and no others', async () => {
    const offered = new Set<string>();
    for (const command of ['classify', 'embed', 'info', 'eval']) {
      const { stdout } = await edgeclip([command, '--help']);
      const options = part(stdout, 'Options:', 'Images:').matchAll(/^ {2}(-[^\s,]+)(?:, (--[\w-]+))?/gm);
      for (const [, first, second] of options) for (const name of [first, second]) if (name) offered.add(name);
    }
    expect(offered.size).toBeGreaterThan(10);
    for (const name of ['-v', '-V', '--version']) offered.add(name);
    expect([...documented].sort()).toEqual([...offered].sort());
  });
});

it('docs/architecture.md lists the source files as they are', () => {
  execFileSync(process.execPath, ['scripts/docs/rooms.js', '--check'], { cwd: fileURLToPath(ROOT), stdio: 'pipe' });
});

it.each([
  ['import { sep } from "node:path";\n/** Too late. */\n', 1],
  ['/** Paths. */\nimport { sep } from "node:path";\n', 0],
])('the tables of files have no empty row: %j', (text, status) => {
  const top = mkdtempSync(join(tmpdir(), 'edgeclip-docs-'));
  try {
    for (const folder of ['assembly', 'src', 'docs']) mkdirSync(join(top, folder));
    cpSync(new URL('scripts/docs/rooms.js', ROOT), join(top, 'scripts/docs/rooms.js'));
    writeFileSync(join(top, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(top, 'src/paths.ts'), text);
    writeFileSync(join(top, 'docs/architecture.md'), '## `src/`\n\n| file | |\n|---|---|\n');
    const made = spawnSync(process.execPath, ['scripts/docs/rooms.js'], { cwd: top, encoding: 'utf8' });
    expect(made.status).toBe(status);
    expect(made.stderr).toContain(status === 0 ? '' : 'no comment at the beginning of src/paths.ts');
    const row = readFileSync(join(top, 'docs/architecture.md'), 'utf8').includes('| `paths` | Paths |');
    expect(row).toBe(status === 0);
  } finally {
    rmSync(top, { recursive: true });
  }
});
