/**
 * What a worker thread runs, as text: a worker made from text needs no second file, so bundles and single-file programs
 * have it too. It gets the compiled kernels and the shared memory, then works on calls until it is told to stop.
 *
 * A call is cut into parts, and whoever is free takes the next one: a thread that is held up holds up one part, not a share.
 *
 * Control block, i32: [0] the claim, turn << 16 | parts << 8 | next part, one word so that a late thread cannot take a part
 * of a call that is over; [1] parts that are done; [2] the kernel of this call; [3] 1 once a kernel has failed; [4] workers
 * that have started; [5] 1 when they are to stop. Behind it, f64 arguments, `ARGUMENTS` a part.
 */

/** Arguments a part has room for: gemmInt8 takes 19. */
export const ARGUMENTS = 20;
/** Bytes of the control block before the arguments. */
export const CONTROL_BYTES = 64;
/** Words of the control block. */
export const CONTROL_WORDS = 6;

/** The body of a script; `start(handler)` is given by the platform and delivers one message. */
export const WORKER_SOURCE = `
start(({ module, memory, control, thread, kernels, spins, scratchBytes }) => {
  const abort = () => { throw new Error('kernel assertion failed'); };
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort } });
  const state = new Int32Array(memory.buffer, control, ${CONTROL_WORDS});
  const table = new Float64Array(memory.buffer, control + ${CONTROL_BYTES});
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
    const { name, scratch } = kernels[state[2]];
    const args = Array.from(table.subarray(part * ${ARGUMENTS}, (part + 1) * ${ARGUMENTS}));
    if (scratch >= 0) args[scratch] += thread * scratchBytes;
    try {
      exports[name](...args);
    } catch {
      Atomics.store(state, 3, 1);
    }
    Atomics.add(state, 1, 1);
    Atomics.notify(state, 1);
  }
});
`;
