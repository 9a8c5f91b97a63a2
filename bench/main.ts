/**
 * npm run bench -- [--only NAME]... [--threads N] [--model FOLDER] [--json FILE]
 *
 * NAME: ceiling, gemm, towers, texts, prompts, pictures, start, memory, pairs, runtimes, quantization, layers, scaled, search. See README.md.
 */
import { parseArgs } from 'node:util';
import { defaultFiles } from '../src/platform/node.ts';
import { readDescription } from '../src/weights/model-files.ts';
import { benchCeilings, openCeilings } from './ceiling.ts';
import { benchGemm } from './gemm.ts';
import { benchLayers } from './layers.ts';
import { machine } from './machine.js';
import { removeModels } from './models.ts';
import { benchPairs } from './pairs.ts';
import { benchPictures } from './pictures.ts';
import { benchPrompts } from './prompts.ts';
import { benchQuantization } from './quantization.ts';
import { Report } from './report.ts';
import { benchRuntimes } from './runtimes.ts';
import { benchScaled } from './scaled.ts';
import { benchSearch } from './search.ts';
import { gemmShapes } from './shapes.ts';
import { benchMemory, benchStart } from './start.ts';
import { benchTexts, benchTowers } from './towers.ts';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    threads: { type: 'string', default: '2' },
    model: { type: 'string' },
    json: { type: 'string' },
  },
});

const threads = Number(flags.threads);
if (!Number.isInteger(threads) || threads < 1)
  throw new RangeError(`--threads: ${flags.threads} is not a number of threads`);

const ceilings = openCeilings();
const { config: embedded } = await readDescription(defaultFiles());
const suites: Record<string, (report: Report) => Promise<void>> = {
  ceiling: (report) => benchCeilings(report, ceilings),
  gemm: (report) => {
    if (embedded.vision?.kind !== 'efficientnet-lite')
      throw new Error('the embedded model is not an EfficientNet-Lite: choose its shapes');
    return benchGemm(report, ceilings, gemmShapes(embedded.vision));
  },
  towers: (report) => benchTowers(report, ceilings, threads),
  texts: (report) => benchTexts(report, ceilings, threads),
  prompts: benchPrompts,
  pictures: benchPictures,
  start: benchStart,
  memory: benchMemory,
  pairs: benchPairs,
  runtimes: benchRuntimes,
  quantization: benchQuantization,
  layers: (report) => benchLayers(report, flags.model),
  scaled: (report) => benchScaled(report, threads),
  search: benchSearch,
};

// A model is loaded anew for each of its layers: only when it is asked for.
const chosen = flags.only ?? Object.keys(suites).filter((name) => name !== 'layers');
for (const name of chosen) {
  if (!suites[name]) throw new Error(`no suite "${name}"; there are ${Object.keys(suites).join(', ')}`);
}
const report = new Report();
console.log(Object.values(machine()).join(', '));
try {
  for (const name of chosen) await suites[name]!(report);
} finally {
  removeModels();
  if (flags.json) report.write(flags.json);
}
