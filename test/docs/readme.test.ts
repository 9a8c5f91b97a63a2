/** The README leads nowhere that its reader does not have: neither in a clone, nor as npm shows it. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cloneFiles, missingNames, packedReadme, relativeLinks } from '../../scripts/packed-readme.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const readme = readFileSync(`${ROOT}README.md`, 'utf8');
const clone = cloneFiles(ROOT);
/** As npm packs: `files` of package.json, and what is always packed. `npm run pack:check` looks into the tarball itself. */
const packed = (JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')).files as string[])
  .flatMap((path) =>
    statSync(ROOT + path).isFile()
      ? [path]
      : readdirSync(ROOT + path, { recursive: true, encoding: 'utf8' }).map((name) => `${path}/${name}`),
  )
  .concat('package.json', 'README.md', 'LICENSE');

describe('README.md', () => {
  it('has no relative link or picture', () => expect(relativeLinks(readme)).toEqual([]));
  it('as npm shows it names no file that the tarball lacks, and no script of the clone', () => {
    expect(missingNames(packedReadme(readme), { clone, packed })).toEqual([]);
  });
  it('as npm shows it is the whole but for one section', () => {
    const headings = (text: string) => text.match(/^## .*$/gm)!;
    expect(headings(packedReadme(readme))).toEqual(headings(readme).filter((line) => line !== '## From a clone'));
    expect(packedReadme(readme)).toMatch(/## License\nApache-2\.0/);
  });
});

describe('what would be found', () => {
  it.each([
    '[a](docs/api.md)',
    '![a](bench/peers.svg "title")',
    '<img src="bench/peers.svg">',
    '[a]: CONTRIBUTING.md',
    '[a](./LICENSE)',
    '[a](/LICENSE)',
    '[a](//host/LICENSE)',
  ])('a relative link: %s', (text) => expect(relativeLinks(text)).toHaveLength(1));
  it.each([
    ['see CONTRIBUTING.md.', 'CONTRIBUTING.md'],
    ['in `docs/` there', 'docs/'],
    ['`examples/browser`', 'examples/browser'],
    ['`./bench/peers.svg`', 'bench/peers.svg'],
    ['node_modules/edgeclip/no-such.png', 'node_modules/edgeclip/no-such.png'],
    ['`npm run bench -- --only x`', 'npm run bench'],
    ['npm ci', 'npm ci'],
  ])('a name: %s', (text, name) => expect(missingNames(text, { clone, packed })).toEqual([name]));
  it.each([
    '`LICENSE`',
    'node_modules/edgeclip/examples/cat.png',
    '`weights/default/README.md`',
    '`photos/`, `config.json`',
    '`npm install edgeclip`',
  ])('nothing: %s', (text) => expect(missingNames(text, { clone, packed })).toEqual([]));
});
