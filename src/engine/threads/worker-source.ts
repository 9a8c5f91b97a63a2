/**
 * The script of a worker thread, as text: a worker made from text needs no second file, so bundles and single-file programs
 * have it too. It gets the compiled kernels and the shared memory, then works on steps (steps.ts) until it is told to stop.
 *
 * Threads share a step's parts: whoever is free takes the next one, so a thread that is delayed delays one part, not a share.
 * The thread that finishes a step's last part publishes the next step; nobody waits for the caller's thread.
 */

import { FIELDS } from '../calls.ts';
import { CONTROL, CONTROL_WORDS, PICTURE_THREAD } from './control.ts';
import { END, PROGRAM, STEP_WORDS, THREADED_KERNELS } from './steps.ts';

/** Names, and where their scratch is among the arguments (-1: none): each thread has its own. */
const KERNELS = THREADED_KERNELS.map((name) => ({
  name,
  scratch: (FIELDS[name] as readonly string[]).indexOf('scratch'),
}));

/**
 * The body of a script. The platform gives `listen(serve)`, which delivers messages, `reply(message, transfer)` and
 * `load(script)`, which runs another script and resolves when that is done, with the module if it is imported from an address.
 *
 *   start     the first message: what a thread works on, and whether it attends to steps
 *   attend    go on with steps, until CONTROL.listen is set
 *   script    load the script that decodes pictures (picture-threads/script.ts); answered by `ready` or `unready`
 *   others    are that script's
 */
export const WORKER_SOURCE = `
const work = ({ module, memory, control, thread, spins, scratchBytes }) => {
  const kernels = ${JSON.stringify(KERNELS)};
  const abort = () => { throw new Error('kernel assertion failed'); };
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort } });
  const state = new Int32Array(memory.buffer, control, ${CONTROL_WORDS});
  const words = new Float64Array(memory.buffer);
  const behind = (step) => step + ${STEP_WORDS} + words[step + 1] * words[step + 2];
  const run = (step, part, offset) => {
    const { name, scratch } = kernels[words[step]];
    const from = step + ${STEP_WORDS} + part * words[step + 2];
    const args = Array.from(words.subarray(from, from + words[step + 2]));
    if (scratch >= 0) args[scratch] += offset;
    exports[name](...args);
    Atomics.add(state, ${CONTROL.alive}, 1);
  };
  const runProgram = (step) => {
    for (; words[step] !== ${END}; step = behind(step)) run(step, 0, 0);
  };
  const attend = () => {
    for (let idle = 0, seen = 0; ; ) {
      const claim = Atomics.load(state, ${CONTROL.claim});
      // Read after the claim, which changes when they are set: nobody sleeps past them.
      if (Atomics.load(state, ${CONTROL.stop}) === 1 || Atomics.load(state, ${CONTROL.listen}) === 1) break;
      const parts = (claim >> 8) & 255;
      const part = claim & 255;
      if (part >= parts) {
        if (claim !== seen) idle = 0;
        seen = claim;
        if (++idle > spins) Atomics.wait(state, ${CONTROL.claim}, claim);
        continue;
      }
      if (Atomics.compareExchange(state, ${CONTROL.claim}, claim, claim + 1) !== claim) continue;
      const step = state[${CONTROL.step}];
      try {
        if (words[step] === ${PROGRAM}) {
          runProgram(words[step + ${STEP_WORDS} + part]);
          Atomics.store(state, ${CONTROL.finished} + part, 1);
        } else {
          run(step, part, thread * scratchBytes);
        }
      } catch {
        Atomics.store(state, ${CONTROL.failed}, 1);
      }
      if (Atomics.add(state, ${CONTROL.done}, 1) + 1 < parts) continue;
      const next = behind(step);
      state[${CONTROL.done}] = 0;
      state[${CONTROL.step}] = next;
      const nextParts = words[next] === ${END} ? 0 : words[next + 1];
      Atomics.store(state, ${CONTROL.claim}, (((claim >> 16) + 1) << 16) | (nextParts << 8));
      Atomics.notify(state, ${CONTROL.claim});
    }
  };
  return { memory, load, runProgram: (at) => runProgram(at / 8), attend, started: () => Atomics.add(state, ${CONTROL.started}, 1) };
};
let worker;
let pictures;
const loadPictures = async (script) => {
  await load(script);
  return globalThis.${PICTURE_THREAD}(worker, reply);
};
listen((message) => {
  if (message.kind === 'start') {
    worker = work(message);
    if (message.attends) {
      worker.started();
      worker.attend();
    }
  } else if (message.kind === 'attend') {
    worker.attend();
  } else if (message.kind === 'script') {
    pictures = loadPictures(message.script);
    pictures.then(() => reply({ kind: 'ready' }), (error) => reply({ kind: 'unready', reason: String(error) }));
  } else {
    pictures.then((receive) => receive(message), () => {});
  }
});
`;
