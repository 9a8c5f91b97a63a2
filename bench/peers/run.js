// Measures edgeclip and its peers in alternation: for each task every contestant loads in a process of its own, then they
// run in rounds (ours, web, node, ours, ...) so that a machine that slows down slows all of them. With --ours DIR two
// builds of edgeclip are compared instead (builds.js). See README.md.
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from '../machine.js';
import { median } from '../median.js';
import { barChart } from './chart.js';
import { Contestant } from './contestant.js';
import { allTasks, describe, taskName } from './tasks.js';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] }, // part of "engine/tower/precision/threads", all must match
    rounds: { type: 'string' },
    ids: { type: 'string', default: fileURLToPath(new URL('models/labels.json', import.meta.url)) },
    padding: { type: 'string', default: 'all' }, // the peers' texts: to the longest of `all`, or of their `batch`
    forms: { type: 'boolean', default: false }, // the peers in both forms of the graph instead of the plain one
    json: { type: 'boolean', default: false },
    chart: { type: 'string' }, // an SVG file to write
    ours: { type: 'string' }, // another checkout of edgeclip, built: compared with this one, without the peers
    launches: { type: 'string' }, // with --ours: how many times the processes are started anew
  },
});

if (flags.ours) {
  const { compareBuilds } = await import('./builds.js');
  await compareBuilds({ ...flags, other: flags.ours });
  process.exit();
}

/** Between two contestants: a peer's threads spin for a while after their work, on the processor that the next one needs. */
const PAUSE_MS = 100;

const engines = flags.forms ? ['web', 'node'] : ['ours', 'web', 'node'];
/** Of tasks that begin with files. */
const FILE_ENGINES = ['ours', 'scaled', 'sharp'];
const forms = flags.forms ? ['plain', 'fused'] : [undefined];
const results = [];
for (const task of allTasks()) {
  if (flags.forms && task.tower !== 'image' && task.tower !== 'text') continue; // have one form only
  results.push(...(await measure(task)));
}
const report = { ...machine(), tables: [ratioTable(results)], results };
if (flags.chart) writeFileSync(flags.chart, barChart(report));
if (flags.json) console.log(JSON.stringify(report, null, 2));

async function measure(task) {
  const contestants = [];
  const ofFiles = task.tower === 'files';
  for (const engine of ofFiles ? FILE_ENGINES : engines) {
    if (!flags.only.every((part) => `${engine}/${taskName(task)}`.includes(part))) continue;
    for (const form of forms) {
      const contestant = new Contestant(engine, task, { ids: flags.ids, padding: flags.padding, form });
      try {
        contestants.push(await contestant.start());
      } catch (error) {
        console.error(`${engine}/${taskName(task)} left out: ${error.message}`);
        process.exitCode = 1;
      }
    }
  }
  if (contestants.length === 0) return [];
  const text = task.tower === 'text';
  const rounds = Number(flags.rounds ?? (text ? 2 : ofFiles ? 9 : 25));
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) {
      await setTimeout(PAUSE_MS);
      await contestant.run(text || ofFiles ? 1 : 3);
    }
  }
  await Promise.all(contestants.map((contestant) => contestant.quit()));
  const rows = summarize(task, contestants);
  if (!flags.json) print(task, rows);
  return rows;
}

function summarize(task, contestants) {
  const ours = contestants.find(({ engine }) => engine === 'ours');
  // The small tower's ONNX weights are synthetic unless built from the embedded model's source.
  const isSmall = task.tower === 'small' || task.tower === 'files';
  const sameModel = !isSmall || existsSync(new URL('models/efficientnet-lite0.source', import.meta.url));
  return contestants.map(({ engine, ready, ms, cpu }) => ({
    task: taskName(task),
    engine,
    version: ready.version,
    detail: ready.detail,
    medianMs: median(ms),
    leastMs: Math.min(...ms),
    runs: ms.length,
    cpu: median(cpu),
    loadMs: ready.loadMs,
    rssMB: ready.rssMB,
    ratio: ours && engine !== 'ours' ? median(ours.ms) / median(ms) : undefined,
    cosine:
      ours && (sameModel || engine === 'scaled') && engine !== 'ours'
        ? cosine(ours.ready.embedding, ready.embedding)
        : undefined,
  }));
}

/** For RESULTS.md: one row a task, one column a peer. */
function ratioTable(rows) {
  const peers = [...new Set(rows.filter(({ engine }) => engine !== 'ours').map(({ version }) => version))];
  const tasks = [...new Set(rows.map(({ task }) => task))];
  return {
    title: 'Peers: time of ours / time of the peer, ratio of medians',
    head: ['', 'ours, median ms', ...peers],
    rows: tasks.map((name) => {
      const of = (version) => rows.find((row) => row.task === name && row.version === version)?.ratio?.toFixed(3) ?? '';
      const ours = rows.find((row) => row.task === name && row.engine === 'ours');
      return [name, ours?.medianMs.toFixed(1) ?? '', ...peers.map(of)];
    }),
  };
}

function print(task, rows) {
  const { precision, threads } = task;
  console.log(`\n${describe(task)}, ${precision}, ${threads} thread${threads > 1 ? 's' : ''}`);
  console.log(
    `${'contestant'.padEnd(44)}${['median ms', 'least', 'a second', 'ours/it', 'cpu/wall', 'cosine', 'RSS MB'].map((t) => t.padStart(11)).join('')}`,
  );
  for (const row of rows) {
    const cells = [
      row.medianMs.toFixed(1),
      row.leastMs.toFixed(1),
      (1000 / row.medianMs).toFixed(1),
      row.ratio?.toFixed(3) ?? '',
      row.cpu.toFixed(2),
      row.cosine?.toFixed(5) ?? '',
      String(row.rssMB),
    ];
    const name = `${row.version}${row.detail ? ` (${row.detail})` : ''}`;
    console.log(`${name.padEnd(44)}${cells.map((cell) => cell.padStart(11)).join('')}`);
  }
  if (rows.some((row) => row.cpu < 0.9))
    console.log('cpu/wall below 0.9: others were using this machine, do not trust it');
}

function cosine(a, b) {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return dot / Math.sqrt(aa * bb);
}
