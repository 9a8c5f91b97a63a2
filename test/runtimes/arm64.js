// Runtimes for arm64 on any Linux: their programs from npm, the libraries that these need from Debian's packages for arm64,
// unpacked in a folder, and qemu-user-static to run them.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('arm64/', import.meta.url));
const ROOT = join(FOLDER, 'libraries');
const LIBRARIES = ['libc6', 'libgcc-s1', 'libstdc++6'];
const QEMU = 'qemu-aarch64-static';

function installPrograms() {
  const target = ['--cpu=arm64', '--os=linux', '--libc=glibc'];
  execFileSync('npm', ['ci', '--prefix', FOLDER, ...target, '--no-audit', '--no-fund', '--silent'], {
    stdio: 'inherit',
  });
}

/** apt-get with lists of its own: the system does not learn of the other architecture, and no root is needed. */
function installLibraries() {
  if (existsSync(ROOT)) return;
  const temporary = mkdtempSync(join(tmpdir(), 'edgeclip-arm64-'));
  const unfinished = `${ROOT}-unfinished`; // all of them or none
  rmSync(unfinished, { recursive: true, force: true });
  try {
    for (const folder of ['lists/partial', 'cache/archives/partial'])
      mkdirSync(join(temporary, folder), { recursive: true });
    const settings = {
      'APT::Architecture': 'arm64',
      'APT::Architectures': 'arm64',
      'APT::Sandbox::User': '',
      'Acquire::Retries': '5',
      'Dir::State::lists': join(temporary, 'lists'),
      'Dir::State::status': '/dev/null',
      'Dir::Cache': join(temporary, 'cache'),
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    const apt = (...args) =>
      execFileSync('apt-get', [...options, '-qq', ...args], { cwd: temporary, stdio: 'inherit' });
    apt('update');
    apt('download', ...LIBRARIES);
    for (const name of readdirSync(temporary)) {
      if (name.endsWith('.deb')) execFileSync('dpkg', ['-x', join(temporary, name), unfinished]);
    }
    rmSync(join(unfinished, 'usr/share'), { recursive: true }); // documents, with links to packages that are not here
    renameSync(unfinished, ROOT);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

export function installArm64() {
  installPrograms();
  installLibraries();
}

/** The command that runs a program of these packages, as a list. */
export const arm64 = (path) => [QEMU, '-L', ROOT, join(FOLDER, 'node_modules', path)];

export const qemuVersion = () => /version (\S+)/.exec(execFileSync(QEMU, ['--version'], { encoding: 'utf8' }))[1];
