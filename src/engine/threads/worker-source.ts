/**
 * What a worker thread runs, as text: a worker made from text needs no second file, so bundles and single-file programs
 * have it too. It gets the compiled kernels and the shared memory, then works on calls until it is told to stop.
 *
 * A step is one kernel, cut into parts: whoever is free takes the next one, so a thread that is held up holds up one part,
 * not a share. Who ends a step's last part puts up the step behind it; nobody waits for the caller's own thread.
 *
 * Steps are words, f64: a kernel's number in `THREADED_KERNELS`, or PROGRAM; how many parts; how many arguments a part has;
 * these, part after part; then the next step, or END.
 *
 * Control block, i32: [0] the claim, turn << 16 | parts << 8 | next part, one word so that a late thread cannot take a part
 * of a step that is over, and without parts when there is nothing to do; [1] parts of the step that are done; [2] its first
 * word; [3] 1 once a kernel has failed; [4] workers that have started; [5] 1 when they are to stop; [6] kernels that workers
 * have run, a sign of life.
 */

import type { Kernels } from '../kernels.ts';

/** Arguments a part has room for: gemmInt8 takes 19. */
export const ARGUMENTS = 20;
/** Bytes of the control block before the words of a single step. */
export const CONTROL_BYTES = 64;
/** Words of the control block. */
export const CONTROL_WORDS = 7;

/** Kernels that a worker may run, and which argument is their scratch (-1: none), of which each thread has its own. */
export const THREADED_KERNELS = [
  { name: 'gemmInt8', scratch: 17 },
  { name: 'gemmF32', scratch: 13 },
  { name: 'joinMaxima', scratch: -1 },
  { name: 'quantizeRows', scratch: -1 },
  { name: 'strassenRows', scratch: -1 },
  { name: 'packRows', scratch: -1 },
  { name: 'layerNorm', scratch: -1 },
  { name: 'layerNormQuantize', scratch: 10 },
  { name: 'layerNormPack', scratch: 8 },
  { name: 'attention', scratch: 14 },
  { name: 'centrePixels', scratch: -1 },
  { name: 'gatherInt8', scratch: 11 },
  { name: 'gatherF32', scratch: 10 },
  { name: 'depthwiseInt8', scratch: -1 },
  { name: 'depthwiseF32', scratch: -1 },
  { name: 'meanRows', scratch: -1 },
  { name: 'copyBytes', scratch: -1 },
  { name: 'zeroBytes', scratch: -1 },
  { name: 'listAll', scratch: -1 },
] as const satisfies readonly { name: keyof Kernels; scratch: number }[];

/** Instead of a kernel's number: a part's one argument is the first word of steps that one thread runs by itself. */
export const PROGRAM = -1;
/** The word behind the last step. */
export const END = -2;
/** Words of a step before its arguments. */
export const STEP_WORDS = 3;

/** The body of a script; `start(handler)` is given by the platform and delivers one message. */
export const WORKER_SOURCE = `
start(({ module, memory, control, thread, spins, scratchBytes }) => {
  const kernels = ${JSON.stringify(THREADED_KERNELS)};
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
    Atomics.add(state, 6, 1);
  };
  Atomics.add(state, 4, 1);
  for (let idle = 0, seen = 0; ; ) {
    const claim = Atomics.load(state, 0);
    if (Atomics.load(state, 5) === 1) break; // looked at after the claim, which changes when it is set: nobody sleeps past it
    const parts = (claim >> 8) & 255;
    const part = claim & 255;
    if (part >= parts) {
      if (claim !== seen) idle = 0;
      seen = claim;
      if (++idle > spins) Atomics.wait(state, 0, claim);
      continue;
    }
    if (Atomics.compareExchange(state, 0, claim, claim + 1) !== claim) continue;
    const step = state[2];
    try {
      if (words[step] === ${PROGRAM}) {
        for (let own = words[step + ${STEP_WORDS} + part]; words[own] !== ${END}; own = behind(own)) run(own, 0, 0);
      } else {
        run(step, part, thread * scratchBytes);
      }
    } catch {
      Atomics.store(state, 3, 1);
    }
    if (Atomics.add(state, 1, 1) + 1 < parts) continue;
    const next = behind(step);
    state[1] = 0;
    state[2] = next;
    Atomics.store(state, 0, (((claim >> 16) + 1) << 16) | (words[next] === ${END} ? 0 : words[next + 1] << 8));
    Atomics.notify(state, 0);
  }
});
`;
