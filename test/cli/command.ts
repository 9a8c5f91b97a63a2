/** The command as users start it: a process of its own, in a folder of its own. Needs `npm run build`. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const NOBODY = 65_534;

export const projectPath = fileURLToPath(new URL('../../', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly bytes: Buffer;
  readonly stdout: string;
  readonly stderr: string;
}

interface Surroundings {
  readonly cwd?: string;
  readonly input?: Uint8Array;
  /** Closes standard output after the first chunk, as `| head -1` does. */
  readonly hangUp?: boolean;
  /** Whether root becomes a user to whom permissions apply. */
  readonly asNobody?: boolean;
  /** Modules that Node loads before the command. */
  readonly imports?: readonly string[];
}

export function edgeclip(args: readonly string[], surroundings: Surroundings = {}): Promise<Outcome> {
  const { imports = [] } = surroundings;
  return outcome(process.execPath, [...importing(imports), MAIN, ...args], surroundings);
}

const importing = (modules: readonly string[]) => modules.map((module) => `--import=${module}`);

/** A line of the shell, in which `$edgeclip` is the command. */
export function shell(line: string, surroundings: Surroundings = {}): Promise<Outcome> {
  const quoted = [process.execPath, MAIN].map((path) => `'${path.replaceAll("'", "'\\''")}'`).join(' ');
  return outcome('bash', ['-c', line.replaceAll('$edgeclip', quoted)], surroundings);
}

/** The command, to be stopped; standard error goes to the given array. */
export function startEdgeclip(
  args: readonly string[],
  { imports = [], ...options }: SpawnOptions & Pick<Surroundings, 'imports'>,
  stderr: string[] = [],
): ChildProcess {
  const stdio = ['ignore', 'ignore', 'pipe'] as const;
  const child = spawn(process.execPath, [...importing(imports), MAIN, ...args], { ...options, stdio: [...stdio] });
  child.stderr!.on('data', (chunk) => stderr.push(String(chunk)));
  return child;
}

function outcome(
  program: string,
  args: readonly string[],
  { cwd, input, hangUp, asNobody }: Surroundings,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const user = asNobody && process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    const child = spawn(program, args, { cwd, ...user });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => {
      out.push(chunk);
      if (hangUp) child.stdout.destroy();
    });
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      const bytes = Buffer.concat(out);
      resolve({ code, bytes, stdout: bytes.toString(), stderr: Buffer.concat(err).toString() });
    });
    child.stdin.on('error', () => {}); // it may end before it has read
    child.stdin.end(input);
  });
}

/** Lines of JSON, parsed. */
export const jsonLines = <T>(text: string): T[] =>
  text
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

/** A folder of these files, with a name that breaks careless path handling. */
export function workFolder(files: Record<string, string | Uint8Array>): { path: string; remove(): void } {
  const top = mkdtempSync(join(tmpdir(), 'edgeclip-'));
  const path = join(top, 'my pictures #1 100%');
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return { path, remove: () => rmSync(top, { recursive: true, force: true }) };
}
