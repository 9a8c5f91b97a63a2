// Compares two builds of edgeclip: this checkout's dist and another's. Each launch starts two processes of each build,
// which run in alternation; the ratio of two processes of the *same* build (A/A) shows how far apart equal code lands in
// this run, and a difference between the builds (B/A) counts only if it is larger.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { commit, machine } from '../machine.js';
import { median } from '../median.js';
import { Contestant } from './contestant.js';
import { CROP_TASKS, FILE_TASKS } from './files.js';
import { VIT_B_32, writeOpenClip } from './onnx/open-clip.js';
import { SyntheticWeights } from './onnx/weights.js';
import { taskName } from './tasks.js';

const here = new URL('../../', import.meta.url);
const golden = new URL('test/golden/', here);
const PICTURE = fileURLToPath(new URL('preprocess/inputs/jpeg_q75_500x375.jpg', golden));
const START = fileURLToPath(new URL('../children/start.js', import.meta.url));

/** Per task: rounds of a launch, runs of a process in a round, runs before any counts. */
const EFFORT = {
  'vit-b-32': { rounds: 9, runs: 3, warmUps: 12 },
  default: { rounds: 15, runs: 10, warmUps: 30 },
  'default-text': { rounds: 9, runs: 2, warmUps: 3 },
  files: { rounds: 7, runs: 1, warmUps: 2 },
  crop: { rounds: 7, runs: 2, warmUps: 3 },
};
const LAUNCHES = 3;
/** Fresh processes of each of the four columns, for the cold start. */
const STARTS = 11;
/** With fewer launches or rounds we do not say which build is faster: so few may agree by chance. */
const FEWEST = { launches: 2, rounds: 5 };
/** Prompts of the text task. */
const PROMPTS = 64;

/** @param {{ other: string, only: string[], rounds?: string, launches?: string, json: boolean }} flags */
export async function compareBuilds({ other, only, rounds, launches, json }) {
  const a = here.href;
  const b = `${pathToFileURL(resolve(other)).href}/`;
  for (const root of [a, b]) {
    if (!existsSync(new URL('dist/index.js', root)))
      throw new Error(`${fileURLToPath(root)} has no dist: npm run build there`);
  }
  const inputs = new Inputs();
  const results = [];
  const say = (/** @type {string} */ line) => json || console.log(line);
  say(`A: ${fileURLToPath(a)} ${versionOf(a)}\nB: ${resolve(other)} ${versionOf(b)}`);
  const { cpu, processors, node } = machine();
  say(`${cpu}, ${processors} processors, Node ${node}\n`);
  say(line('task', 'A ms', 'B ms', 'B/A', 'A/A, B/B spread', 'verdict', 'same bits'));
  try {
    for (const task of tasks()) {
      if (!only.every((part) => task.name.includes(part))) continue;
      const options = await inputs.of(task, a);
      const result = await compare(task, { a, b, options, rounds, launches });
      results.push(result);
      say(show(result));
    }
    if (only.every((part) => 'start/default'.includes(part))) {
      const result = compareStarts(a, b, Number(rounds ?? STARTS));
      results.push(result);
      say(show(result));
    }
  } finally {
    inputs.remove();
  }
  if (results.length === 0) throw new Error(`no task matches ${only.join(' and ')}`);
  if (json)
    console.log(JSON.stringify({ ...machine(), tables: [ratioTable(versionOf(b), results)], results }, null, 2));
  if (results.some(({ sameBits }) => sameBits === false)) process.exitCode = 1;
}

/** For bench/results.js; the commit of A is that of the run. */
const ratioTable = (/** @type {string} */ b, results) => ({
  title: `This build (A) against ${b} (B)`,
  head: ['', 'A, median ms', 'B, median ms', 'A/B', 'spread of equal builds'],
  rows: results.map(({ name, aMs, bMs, ratio, spread }) => [
    name,
    aMs.toFixed(1),
    bMs.toFixed(1),
    (1 / ratio).toFixed(3),
    `±${(100 * spread).toFixed(1)} %`,
  ]),
});

function tasks() {
  const list = [];
  for (const model of ['vit-b-32', 'default', 'default-text']) {
    for (const precision of ['int8', 'f32']) {
      for (const threads of model === 'default-text' ? [1] : [1, 2]) {
        const tower = model === 'default-text' ? 'text' : model === 'default' ? 'small' : 'image';
        list.push({ name: `${model}/${precision}/${threads}`, model, task: { tower, precision, threads } });
      }
    }
  }
  const files = FILE_TASKS.map((task) => ({ name: taskName(task), model: 'files', task }));
  return [...list, ...files, ...CROP_TASKS];
}

/** Files that both builds read, made when first needed. */
class Inputs {
  #folder = mkdtempSync(join(os.tmpdir(), 'edgeclip-builds-'));

  async of({ model }, root) {
    const { warmUps } = EFFORT[model];
    if (model === 'default' || model === 'files' || model === 'crop') return { model: 'default', warmUps };
    if (model === 'default-text') return { model: 'default', warmUps, ids: await this.#ids(root) };
    return { model: this.#vitB32(), warmUps };
  }

  /** As OpenCLIP publishes it, not packed: the two builds may differ in their packed format. */
  #vitB32() {
    const folder = join(this.#folder, 'vit-b-32');
    if (!existsSync(folder)) {
      const weights = new SyntheticWeights(new URL('vit-b-32/manifest.json', golden));
      // The image tower; older builds want the logit scale with it.
      for (const name of weights.tensors.keys()) {
        if (!name.startsWith('visual.') && name !== 'logit_scale') weights.tensors.delete(name);
      }
      writeOpenClip(pathToFileURL(`${folder}/`), VIT_B_32, weights);
    }
    return folder;
  }

  async #ids(root) {
    const file = join(this.#folder, 'ids.json');
    if (!existsSync(file)) {
      const { loadClip } = await import(new URL('dist/index.js', root).href);
      const clip = await loadClip(undefined, { towers: ['text'] });
      const names = readFileSync(new URL('imagenet.txt', golden), 'utf8').trim().split('\n').slice(0, PROMPTS);
      writeFileSync(file, JSON.stringify({ ids: clip.tokenize(names.map((name) => `a photo of a ${name}.`)) }));
      clip.dispose();
    }
    return file;
  }

  remove() {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Two processes of each build a launch; who goes first changes from round to round. */
async function compare({ name, model, task }, { a, b, options, rounds, launches }) {
  const effort = EFFORT[model];
  const measured = [];
  let sameBits = true;
  for (let launch = 0; launch < Number(launches ?? LAUNCHES); launch++) {
    const contestants = [];
    for (const root of [a, b, a, b]) {
      contestants.push(await new Contestant('ours', task, { ...options, root }).start());
    }
    for (let round = 0; round < Number(rounds ?? effort.rounds); round++) {
      for (let i = 0; i < contestants.length; i++) {
        await contestants[(i + round + launch) % contestants.length].run(effort.runs);
      }
    }
    await Promise.all(contestants.map((contestant) => contestant.quit()));
    const first = JSON.stringify(contestants[0].ready.embedding);
    sameBits &&= contestants.every(({ ready }) => JSON.stringify(ready.embedding) === first);
    const [a1, b1, a2, b2] = contestants.map(({ ms }) => ms);
    measured.push({ a1, b1, a2, b2 });
  }
  const enough = measured.length >= FEWEST.launches && Number(rounds ?? effort.rounds) >= FEWEST.rounds;
  return { ...summarize(name, measured, enough), sameBits };
}

/** Import to first embedding of the embedded model. A round has four fresh processes; the first fills the file cache. */
function compareStarts(a, b, rounds) {
  const lists = { a1: [], b1: [], a2: [], b2: [] };
  const order = [['a1', a], ['b1', b], ['a2', a], ['b2', b]]; // biome-ignore format: one row
  for (let round = 0; round <= rounds; round++) {
    for (let i = 0; i < order.length; i++) {
      const [column, root] = order[(i + round) % order.length];
      const { all } = JSON.parse(execFileSync(process.execPath, [START, PICTURE, root], { encoding: 'utf8' }));
      if (round > 0) lists[column].push(all);
    }
  }
  return summarize('start/default', [lists], rounds >= FEWEST.rounds);
}

/** One list of times a process. The spread: the largest ratio of two processes of one build within a launch. */
function summarize(name, launches, enough) {
  const join = (...columns) => launches.flatMap((launch) => columns.flatMap((column) => launch[column]));
  const aMs = median(join('a1', 'a2'));
  const bMs = median(join('b1', 'b2'));
  const apart = launches.flatMap(({ a1, a2, b1, b2 }) => [
    Math.abs(Math.log(median(a1) / median(a2))),
    Math.abs(Math.log(median(b1) / median(b2))),
  ]);
  const spread = Math.exp(Math.max(...apart)) - 1;
  // Of each launch, as its four processes ran in the same minutes.
  const ratio = median(launches.map(({ a1, a2, b1, b2 }) => median([...b1, ...b2]) / median([...a1, ...a2])));
  return { name, aMs, bMs, ratio, spread, apart, enough, runs: join('a1', 'a2').length };
}

function show({ name, aMs, bMs, ratio, spread, enough, sameBits }) {
  const within = Math.abs(Math.log(ratio)) <= Math.log(1 + spread);
  const verdict = !enough ? 'too few runs' : within ? 'within spread' : ratio < 1 ? 'B is faster' : 'B is slower';
  const bits = sameBits === undefined ? '' : sameBits ? 'yes' : 'NO';
  return line(name, aMs.toFixed(2), bMs.toFixed(2), ratio.toFixed(3), `±${(100 * spread).toFixed(1)} %`, verdict, bits);
}

const line = (/** @type {string} */ first, /** @type {string[]} */ ...others) =>
  first.padEnd(22) + others.map((cell, i) => cell.padStart([10, 10, 8, 18, 16, 12][i])).join('');

/** The commit of a clone, else the version of an installed package. */
const versionOf = (root) => commit(root) ?? createRequire(root)('./package.json').version;
