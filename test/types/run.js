// The declarations of the packed package under TypeScript 5.4 to 7 and in Deno's own checker: program.ts and, in CommonJS,
// program.cts and required.cts must compile, with an error at each line that expects one. Ends with a table and "N passed, N failed".
// node run.js [VERSION ..]: only these, or deno.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { consumers, copyBeside } from '../runtimes/consumer.js';
import { table } from '../runtimes/table.js';

const inside = (path) => fileURLToPath(new URL(`node_modules/${path}`, import.meta.url));
const ALL = ['5.4', '5.6', '5.9', '6', '7'];
const only = process.argv.slice(2);
const VERSIONS = only.length > 0 ? ALL.filter((version) => only.includes(version)) : ALL;
const RESOLUTIONS = { bundler: 'esnext', node16: 'node16', nodenext: 'nodenext' };
/** Those that know `require()` of a module, which `nodenext` allows. */
const REQUIRE = ['5.9', '6', '7'];
const LIBRARIES = {
  'no DOM': { lib: ['es2022'], types: ['node'] },
  'no DOM, no Node.js': { lib: ['es2022'], types: [] },
  DOM: { lib: ['es2022', 'dom'], types: [] },
};

const { folder: consumer, remove } = consumers();

/** What a compiler prints if it refuses. */
const refusal = (command, args, cwd) =>
  promisify(execFile)(command, args, { cwd, env: { ...process.env, NO_COLOR: '1' } }).then(
    () => undefined,
    ({ stdout, stderr, message }) => stdout || stderr || message,
  );

/** Each entry alone, where its declarations have the least: a name that another entry's bring is missing here. */
function alone(version, folder) {
  const { exports } = JSON.parse(readFileSync(join(folder, 'node_modules/edgeclip/package.json')));
  return Object.keys(exports)
    .filter((entry) => exports[entry].types)
    .map((entry) => {
      const file = `alone-${entry.replace(/\W/g, '')}.ts`;
      const config = join(folder, `${version} ${file}.json`);
      writeFileSync(join(folder, file), `export * from 'edgeclip${entry.slice(1)}';\n`);
      const compilerOptions = {
        strict: true,
        noEmit: true,
        target: 'es2022',
        module: 'nodenext',
        lib: ['es2022'],
        types: [],
      };
      writeFileSync(config, JSON.stringify({ compilerOptions, files: [file] }));
      return [
        `edgeclip${entry.slice(1)} alone`,
        () => refusal(process.execPath, [inside(`typescript-${version}/bin/tsc`), '-p', config], folder),
      ];
    });
}

function programs(version, module) {
  if (module === 'esnext') return ['program.ts'];
  const requires = module === 'nodenext' && REQUIRE.includes(version);
  return ['program.ts', 'program.cts', ...(requires ? ['required.cts'] : [])];
}

/** Every combination of a version, as [what it is, what runs it]. */
function combinations(version, folder) {
  const list = [];
  for (const [moduleResolution, module] of Object.entries(RESOLUTIONS)) {
    for (const [library, options] of Object.entries(LIBRARIES)) {
      for (const skipLibCheck of [true, false]) {
        const name = `${moduleResolution}, ${library}${skipLibCheck ? ', skipLibCheck' : ''}`;
        const config = join(folder, `${version} ${name}.json`);
        const compilerOptions = { strict: true, noEmit: true, target: 'es2022', module, moduleResolution, skipLibCheck, ...options }; // biome-ignore format: one line
        writeFileSync(config, JSON.stringify({ compilerOptions, files: programs(version, module) }));
        list.push([
          name,
          () => refusal(process.execPath, [inside(`typescript-${version}/bin/tsc`), '-p', config], folder),
        ]);
      }
    }
  }
  return list;
}

const rows = [['checker', 'version', 'passed', 'failed']];
try {
  const folder = consumer('types');
  copyBeside(import.meta.url, ['program.ts', 'program.cts', 'required.cts'], folder);
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
  for (const name of ['@types/node', 'undici-types']) symlinkSync(inside(name), join(folder, 'node_modules', name));
  const checkers = VERSIONS.map((version) => {
    const exact = JSON.parse(readFileSync(inside(`typescript-${version}/package.json`))).version;
    return [
      'TypeScript',
      exact,
      [...combinations(version, folder), ...(version === '7' ? alone(version, folder) : [])],
    ];
  });
  const deno = inside('@deno/linux-x64-glibc/deno');
  const exact = JSON.parse(readFileSync(inside('@deno/linux-x64-glibc/package.json'))).version;
  if (only.length === 0 || only.includes('deno'))
    checkers.push(['Deno', exact, [['deno check', () => refusal(deno, ['check', '--quiet', 'program.ts'], folder)]]]);

  for (const [checker, version, list] of checkers) {
    const waiting = [...list];
    let failed = 0;
    const work = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const refused = await next[1]();
        if (refused === undefined) continue;
        failed++;
        console.log(`${checker} ${version}, ${next[0]}:\n${refused}`);
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, work));
    rows.push([checker, version, `${list.length - failed}`, `${failed}`]);
  }
} finally {
  remove();
}
console.log(`\n${table(rows)}`);
const sum = (column) => rows.slice(1).reduce((total, row) => total + Number(row[column]), 0);
console.log(`${sum(2)} passed, ${sum(3)} failed`);
process.exitCode = sum(3) > 0 ? 1 : 0;
