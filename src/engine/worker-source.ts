/**
 * What a worker thread runs, as text: a worker made from text needs no second file, so bundles and single-file programs
 * have it too. It gets the compiled kernels and the shared memory, then works on calls until it is told to stop.
 *
 * A call is cut into parts, and whoever is free takes the next one: a thread that is held up holds up one part, not a share.
 *
 * Control block, i32: [0] the claim, turn << 16 | parts << 8 | next part, one word so that a late thread cannot take a part
 * of a call that is over; [1] parts that are done; [2] the kernel of this call, or PROGRAM; [3] 1 once a kernel has failed;
 * [4] workers that have started; [5] 1 when they are to stop; [6] kernels of programs that workers have run, a sign of life.
 * Behind it, f64 arguments, `ARGUMENTS` a part.
 */

import type { Kernels } from './kernels.ts';

/** Arguments a part has room for: gemmInt8 takes 19. */
export const ARGUMENTS = 20;
/** Bytes of the control block before the arguments. */
export const CONTROL_BYTES = 64;
/** Words of the control block. */
export const CONTROL_WORDS = 7;

/** Kernels that a worker may run, and which argument is their scratch (-1: none), of which each thread has its own. */
export const THREADED_KERNELS = [
  { name: 'gemmInt8', scratch: 17 },
  { name: 'gemmF32', scratch: 13 },
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

/** Instead of a kernel's number: the call's one argument is the address of a program (program.ts). */
export const PROGRAM = -1;
/** The word behind a program's last call. */
export const END = -1;

/** The body of a script; `start(handler)` is given by the platform and delivers one message. */
export const WORKER_SOURCE = `
start(({ module, memory, control, thread, spins, scratchBytes }) => {
  const kernels = ${JSON.stringify(THREADED_KERNELS)};
  const abort = () => { throw new Error('kernel assertion failed'); };
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort } });
  const state = new Int32Array(memory.buffer, control, ${CONTROL_WORDS});
  const table = new Float64Array(memory.buffer, control + ${CONTROL_BYTES});
  const words = new Float64Array(memory.buffer);
  Atomics.add(state, 4, 1);
  for (let idle = 0; Atomics.load(state, 5) === 0; ) {
    const claim = Atomics.load(state, 0);
    const part = claim & 255;
    if (part >= ((claim >> 8) & 255)) {
      if (++idle > spins) Atomics.wait(state, 0, claim);
      continue;
    }
    if (Atomics.compareExchange(state, 0, claim, claim + 1) !== claim) continue;
    idle = 0;
    const args = Array.from(table.subarray(part * ${ARGUMENTS}, (part + 1) * ${ARGUMENTS}));
    try {
      if (state[2] === ${PROGRAM}) {
        for (let next = args[0] / 8; words[next] !== ${END}; Atomics.add(state, 6, 1)) {
          const { name } = kernels[words[next]];
          const from = next + 2;
          next = from + words[next + 1];
          exports[name](...words.subarray(from, next));
        }
      } else {
        const { name, scratch } = kernels[state[2]];
        if (scratch >= 0) args[scratch] += thread * scratchBytes;
        exports[name](...args);
      }
    } catch {
      Atomics.store(state, 3, 1);
    }
    Atomics.add(state, 1, 1);
    Atomics.notify(state, 1);
  }
});
`;
