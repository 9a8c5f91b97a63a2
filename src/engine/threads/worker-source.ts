/**
 * The script of a worker thread, as text: a worker made from text needs no second file, so bundles and single-file programs
 * have it too. It gets the compiled kernels and the shared memory, then works on steps (steps.ts) until it is told to stop.
 *
 * Threads share a step's parts: whoever is free takes the next one, so a thread that is delayed delays one part, not a share.
 * The thread that finishes a step's last part publishes the next step; nobody waits for the caller's thread.
 */

import { FIELDS } from '../calls.ts';
import { CONTROL, CONTROL_WORDS } from './control.ts';
import { END, PROGRAM, STEP_WORDS, THREADED_KERNELS } from './steps.ts';

/** Names, and where their scratch is among the arguments (-1: none): each thread has its own. */
const KERNELS = THREADED_KERNELS.map((name) => ({
  name,
  scratch: (FIELDS[name] as readonly string[]).indexOf('scratch'),
}));

/** The body of a script; `start(handler)` is given by the platform and delivers one message. */
export const WORKER_SOURCE = `
start(({ module, memory, control, thread, spins, scratchBytes }) => {
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
  Atomics.add(state, ${CONTROL.started}, 1);
  for (let idle = 0, seen = 0; ; ) {
    const claim = Atomics.load(state, ${CONTROL.claim});
    // Read after the claim, which changes when it is set: nobody sleeps past it.
    if (Atomics.load(state, ${CONTROL.stop}) === 1) break;
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
        for (let own = words[step + ${STEP_WORDS} + part]; words[own] !== ${END}; own = behind(own)) run(own, 0, 0);
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
});
`;
