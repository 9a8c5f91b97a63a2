// Installs the tarball in an empty folder with an awkward name, and classifies there by command and by import.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pack } from './pack.js';

/**
 * The packages that decode AVIF and HEIC: what the error says to install is installed; and one that is in the working folder is
 * found by a command that lies elsewhere, as npx's does.
 */
function tryPackages(run) {
  const golden = JSON.parse(readFileSync(resolve('test/golden/heif/cases.json')));
  const bytes = readFileSync(resolve('test/golden/heif/files.bin'));
  const command = join(folder, 'node_modules/edgeclip/dist/cli/main.js');
  const elsewhere = join(folder, 'elsewhere');
  mkdirSync(elsewhere);
  writeFileSync(join(elsewhere, 'package.json'), JSON.stringify({ private: true }));
  for (const [name, kind] of [
    ['avif-420-full', 'avif'],
    ['heic-444', 'heic'],
  ]) {
    // biome-ignore format: one line
    const { offset, length } = golden.cases.find((one) => one.name === name);
    const picture = join(folder, `a.${kind}`);
    writeFileSync(picture, bytes.subarray(offset, offset + length));
    const args = [command, 'classify', picture, '--labels', 'cat, dog', '--json'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: elsewhere, encoding: 'utf8' });
    const install = /npm install (\S+@[\d.]+)/.exec(stderr + stdout)?.[1];
    if (status !== 1 || !install) throw new Error(`without its package, ${kind}: ${status} ${stdout} ${stderr}`);
    const skipped = spawnSync(process.execPath, [command, 'classify', folder, '--labels', 'cat, dog'], { cwd: elsewhere, encoding: 'utf8' }).stderr; // biome-ignore format: one line
    if (!skipped.includes(`.${kind}: npm install ${install}`)) throw new Error(`a folder with ${kind}: ${skipped}`);
    execFileSync('npm', ['install', '--no-audit', '--no-fund', install], { cwd: elsewhere, stdio: 'ignore' });
    execFileSync(process.execPath, args, { cwd: elsewhere, stdio: 'ignore' });
    rmSync(join(elsewhere, 'node_modules'), { recursive: true });
    run('npm', ['install', '--no-audit', '--no-fund', install]);
    run(process.execPath, args);
  }
}

/** PostgreSQL's packages: named by the error, and with them there is another one, as no server is there. */
function tryPostgres(run) {
  const search = () => {
    const args = ['edgeclip', 'search', 'cat', '--in', 'postgres://127.0.0.1:1/photos'];
    return spawnSync('npx', args, { cwd: folder, encoding: 'utf8' }).stderr;
  };
  const [, install] = /npm install ([\w -]+) \[UNSUPPORTED\]/.exec(search()) ?? [];
  if (!install) throw new Error(`without pg: ${search()}`);
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', ...install.split(' ')]);
  if (!search().includes('no server answers there')) throw new Error(`with pg: ${search()}`);
}

const folder = mkdtempSync(join(tmpdir(), 'my app #1 100% '));
try {
  const { filename } = pack(folder);
  const run = (command, args) =>
    execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const install = spawnSync('npm', ['install', '--no-audit', '--no-fund', `./${filename}`], { cwd: folder, encoding: 'utf8' }); // biome-ignore format: one line
  if (install.status !== 0) throw new Error(install.stderr);
  if (/edgeclip/.test(install.stderr)) throw new Error(`installing warns: ${install.stderr}`);
  const packages = Object.keys(JSON.parse(readFileSync(join(folder, 'package-lock.json'))).packages).length - 1;
  if (packages >= 20) throw new Error(`installing brings ${packages} packages, expected less than 20`);
  tryPostgres(run);
  cpSync(resolve('examples/cat.png'), join(folder, '50% off #3.png'));
  const table = run('npx', ['edgeclip', 'classify', '50% off #3.png', '--labels', 'cat, dog, rocket', '--json']);
  writeFileSync(
    join(folder, 'try.js'),
    `import { readFile } from 'node:fs/promises';
     import { loadClip } from 'edgeclip';
     import { Tokenizer } from 'edgeclip/tokenizer';
     const clip = await loadClip();
     const classifier = await clip.classifier(['dog', 'cat']);
     const json = await readFile('node_modules/edgeclip/weights/default/tokenizer.json', 'utf8');
     if (Tokenizer.fromJSON(json).encode('cat').join() !== clip.tokenize(['cat'])[0].join()) throw new Error('other ids');
     console.log((await classifier.classify(await readFile('50% off #3.png')))[0].label);`,
  );
  const label = run(process.execPath, ['try.js']).trim();
  const first = JSON.parse(table).labels[0].label;
  if (first !== 'cat' || label !== 'cat')
    throw new Error(`expected cat, got ${first} by command and ${label} by import`);
  tryPackages(run);
  console.log(`installed ${packages} packages, classified: cat`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
