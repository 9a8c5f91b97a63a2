/** The signals that end a command that runs until it is told to stop: SIGTERM, and SIGINT of Ctrl-C. */
import { EXIT_FAILED } from './failure.ts';

export interface Ending {
  /** Aborted at the first signal. */
  readonly signal: AbortSignal;
  /** Resolves at the first signal. */
  readonly asked: Promise<NodeJS.Signals>;
  /** Signals do again what they always do. */
  forget(): void;
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** The first signal asks for an end in order; a second one ends the process at once, with exit code 1. */
export function endOnSignals(): Ending {
  const stop = new AbortController();
  let forget = () => {};
  const asked = new Promise<NodeJS.Signals>((resolve) => {
    // One listener for both: Deno calls one that is added by another at once.
    const end = (name: NodeJS.Signals) => {
      if (stop.signal.aborted) process.exit(EXIT_FAILED);
      stop.abort(new DOMException(`the command was asked to end by ${name}`, 'AbortError'));
      resolve(name);
    };
    for (const name of SIGNALS) process.on(name, end);
    forget = () => {
      for (const name of SIGNALS) process.off(name, end);
    };
  });
  return { signal: stop.signal, asked, forget };
}
