/**
 * What a worker thread runs, as text: a worker made from text needs no second file, so bundles and single-file programs
 * have it too. It gets the compiled kernels and the shared memory, then serves calls until it is told to stop.
 *
 * Control block, i32: [0] turn, a number that grows with each call; [1] threads that are done; [2] the kernel of this
 * call, or -1 to stop; [3] 1 once a kernel has failed; [4] workers that have started. Behind it, f64 arguments, `ARGUMENTS` a thread.
 */

/** Arguments a thread has room for: gemmInt8 takes 18. */
export const ARGUMENTS = 20;
/** Bytes of the control block before the arguments. */
export const CONTROL_BYTES = 64;
/** The body of a script; `start(handler)` is given by the platform and delivers one message. */
export const WORKER_SOURCE = `
start(({ module, memory, control, thread, names, spins }) => {
  const abort = () => { throw new Error('kernel assertion failed'); };
  const kernels = new WebAssembly.Instance(module, { env: { memory, abort } }).exports;
  const calls = names.map((name) => kernels[name]);
  const state = new Int32Array(memory.buffer, control, 5);
  const args = new Float64Array(memory.buffer, control + ${CONTROL_BYTES} + thread * ${ARGUMENTS * 8}, ${ARGUMENTS});
  let turn = 0;
  Atomics.add(state, 4, 1);
  for (;;) {
    for (let i = 0; i < spins && Atomics.load(state, 0) === turn; i++);
    while (Atomics.load(state, 0) === turn) Atomics.wait(state, 0, turn);
    turn = Atomics.load(state, 0);
    const call = state[2];
    if (call < 0) break;
    try {
      calls[call](...args);
    } catch {
      Atomics.store(state, 3, 1);
    }
    Atomics.add(state, 1, 1);
    Atomics.notify(state, 1);
  }
});
`;
