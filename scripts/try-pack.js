// Installs the tarball in an empty folder with an awkward name, and classifies there by command and by import.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pack } from './pack.js';

const folder = mkdtempSync(join(tmpdir(), 'my app #1 100% '));
try {
  const { filename } = pack(folder);
  const run = (command, args) =>
    execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const install = spawnSync('npm', ['install', '--no-audit', '--no-fund', `./${filename}`], { cwd: folder, encoding: 'utf8' }); // biome-ignore format: one line
  if (install.status !== 0) throw new Error(install.stderr);
  if (/edgeclip/.test(install.stderr)) throw new Error(`installing warns: ${install.stderr}`);
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
  console.log('installed, classified: cat');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
