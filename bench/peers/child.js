// One contestant in a process of its own. `node child.js ENGINE TASK-AS-JSON OPTIONS-AS-JSON`.
// It answers in JSON lines: {"ready":true,...} once; then, to each line `run K`, the milliseconds of K runs.
// `cpu` is processor time over wall time: 1 for one thread at work, so a peer asked for one thread can be checked.
import { createInterface } from 'node:readline';
import { open as openPeer } from './onnxruntime.js';
import { open as openOurs } from './ours.js';
import { open as openSharp } from './sharp.js';

const [engine, task, options] = [process.argv[2], JSON.parse(process.argv[3]), JSON.parse(process.argv[4] ?? '{}')];
const answer = (/** @type {object} */ line) => process.stdout.write(`${JSON.stringify(line)}\n`);

try {
  const start = performance.now();
  const contestant = await openEngine();
  const loadMs = performance.now() - start;
  const embedding = await contestant.first(); // shows that all compute the same model
  for (let i = 0; i < (options.warmUps ?? warmUps(task)); i++) await contestant.run();
  answer({
    ready: true,
    version: contestant.version,
    detail: contestant.detail,
    loadMs: Math.round(loadMs),
    rssMB: Math.round(process.memoryUsage.rss() / 1e6),
    embedding: Array.from(embedding),
  });
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, count] = line.split(' ');
    if (word === 'run') answer(await timeRuns(contestant, Number(count)));
    else if (word === 'quit') break;
  }
  process.exit(0); // onnxruntime's threads would keep the process alive
} catch (error) {
  answer({ error: String(/** @type {Error} */ (error).message ?? error) });
  process.exit(1);
}

function openEngine() {
  if (engine === 'ours') return openOurs(task, options);
  if (engine === 'scaled') return openOurs({ ...task, scaled: true }, options);
  if (engine === 'sharp') return openSharp(task);
  return openPeer(engine, task, options);
}

/** Runs before any is timed: engines optimize wasm while it runs, and edgeclip autotunes its tile on the first ten pictures. */
function warmUps({ tower }) {
  if (tower === 'files' || tower === 'crop') return 2;
  return tower === 'text' ? 0 : 12;
}

/** A run of several pictures counts for one of them. */
async function timeRuns({ run, units = 1 }, count) {
  const ms = [];
  const before = process.cpuUsage();
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    const t = performance.now();
    await run();
    ms.push((performance.now() - t) / units);
  }
  const { user, system } = process.cpuUsage(before);
  return { ms, cpu: (user + system) / 1000 / (performance.now() - start) };
}
