/** The control block: i32 words in the shared memory, by which the threads of a pool find their work. */

/** The most parts of a step: the claim has eight bits for a part. */
const MOST_PARTS = 255;

/** Parts for each thread that a call may be cut into; few calls have enough work for that (`ranges`). */
const PARTS_PER_THREAD = 12;

/** The most parts that a call is cut into. */
export const partsFor = (threads: number): number => Math.min(MOST_PARTS, threads * PARTS_PER_THREAD);

export const CONTROL = {
  /**
   * turn << 16 | parts << 8 | next part. One word, so that a late thread cannot take a part of a step that is over; without
   * parts when there is nothing to do.
   */
  claim: 0,
  /** Parts of the step that are done. */
  done: 1,
  /** The step's first word. */
  step: 2,
  /** 1 once a kernel has failed. */
  failed: 3,
  /** Workers that have started. */
  started: 4,
  /** 1 when the workers are to stop. */
  stop: 5,
  /** Kernels that workers have run: a heartbeat. */
  alive: 6,
  /** 1 while the workers are to leave the steps and read their messages. */
  listen: 7,
  /** For each part of a step of programs, 1 once it ran to its end. */
  finished: 8,
} as const;

export const CONTROL_WORDS = CONTROL.finished + MOST_PARTS + 1;
/** Bytes of the control block; the words of a single step follow. */
export const CONTROL_BYTES = Math.ceil(CONTROL_WORDS / 16) * 64;

/** The name, among a worker's globals, under which the script of pictures leaves its function. */
export const PICTURE_THREAD = 'edgeclipPictures';
