/** Ctrl-C, SIGTERM and a terminal that goes away: the first ends the run orderly, a second one leaves at once. */

import { setMaxListeners } from 'node:events';

export interface Signals {
  readonly signal: AbortSignal;
  /** Does what the first signal does. */
  interrupt(): void;
  end(): void;
}

/** Milliseconds in which a second signal is the first one told twice: npm and npx hand on what the terminal sends too. */
const ECHO = 500;

/** @param leave called for a second signal; does not return */
export function watchSignals(leave: () => never): Signals {
  const controller = new AbortController();
  // Every host listens.
  setMaxListeners(0, controller.signal);
  let first = 0;
  const interrupt = (): void => {
    if (controller.signal.aborted) return;
    first = performance.now();
    controller.abort();
  };
  const insist = (): void => {
    if (controller.signal.aborted && performance.now() - first > ECHO) leave();
    interrupt();
  };
  process.on('SIGINT', insist);
  process.on('SIGTERM', insist);
  // The shell and the system both send it when a terminal closes, and nobody is there to insist.
  process.on('SIGHUP', interrupt);
  return {
    signal: controller.signal,
    interrupt,
    end() {
      process.off('SIGINT', insist);
      process.off('SIGTERM', insist);
      process.off('SIGHUP', interrupt);
    },
  };
}
