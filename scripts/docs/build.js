// Writes docs/api.md from the docstrings of the public entry points, and the tables of docs/architecture.md (rooms.js):
// `npm run docs`. With --check it writes nothing and fails if the committed pages are not what the sources give.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application } from 'typedoc';
import './rooms.js';

const root = new URL('../../', import.meta.url);
const path = (/** @type {string} */ name) => fileURLToPath(new URL(name, root));
const page = path('docs/api.md');

const HEAD = `# API

Generated from the docstrings by \`npm run docs\`; do not edit. What is stable: [stability.md](stability.md). A tour with
examples: the README.`;

const out = mkdtempSync(join(tmpdir(), 'edgeclip-docs-'));
try {
  const text = await generate();
  if (!process.argv.includes('--check')) {
    writeFileSync(page, text);
  } else if (readFileSync(page, 'utf8') !== text) {
    console.error('docs/api.md is not what the docstrings give: npm run docs');
    process.exitCode = 1;
  }
} finally {
  rmSync(out, { recursive: true });
}

async function generate() {
  const app = await Application.bootstrapWithPlugins({
    entryPoints: [
      path('src/index.ts'),
      path('src/worker/index.ts'),
      path('src/serve/index.ts'),
      path('src/search/index.ts'),
      path('src/adapters/langchain.ts'),
      path('src/adapters/ai-sdk.ts'),
      path('src/adapters/transformers.ts'),
      path('src/text/tokenizer.ts'),
    ],
    tsconfig: fileURLToPath(new URL('tsconfig.json', import.meta.url)),
    plugin: ['typedoc-plugin-markdown'],
    readme: 'none',
    name: 'edgeclip',
    logLevel: 'Warn',
    disableSources: true,
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    treatWarningsAsErrors: true,
    validation: { notExported: false, invalidLink: true, notDocumented: false },
    sort: ['source-order'],
    blockTags: ['@throws', '@param', '@returns', '@example', '@see', '@default', '@remarks'],
    modifierTags: ['@internal'],
    // Of typedoc-plugin-markdown: few files, tables, no navigation.
    out,
    outputFileStrategy: 'modules',
    hidePageHeader: true,
    hideBreadcrumbs: true,
    parametersFormat: 'table',
    interfacePropertiesFormat: 'table',
    typeAliasPropertiesFormat: 'table',
    expandObjects: true,
    useCodeBlocks: true,
  });
  const project = await app.convert();
  if (!project) throw new Error('the sources do not compile with the TypeScript of this package');
  app.validate(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('see above');
  await app.generateOutputs(project);
  return [
    HEAD,
    part('index.md', "'edgeclip'"),
    part('search.md', "'edgeclip/search'"),
    part('worker.md', "'edgeclip/worker'"),
    part('serve.md', "'edgeclip/serve'"),
    part('adapters/langchain.md', "'edgeclip/langchain'"),
    part('adapters/ai-sdk.md', "'edgeclip/ai-sdk'"),
    part('adapters/transformers.md', "'edgeclip/transformers'"),
    part('text/tokenizer.md', "'edgeclip/tokenizer'"),
  ]
    .join('\n\n')
    .concat('\n');
}

/** A module's page as a section; links between the pages become links within the one page. */
function part(/** @type {string} */ name, /** @type {string} */ module) {
  const text = readFileSync(join(out, name), 'utf8').trimEnd();
  return text.replace(/^# .*$/m, `# ${module}`).replace(/\]\((?:[\w./-]+\.md)(#[^)]*)\)/g, ']($1)');
}
