/** Ctrl-C and SIGTERM: the first ends the run orderly, the second leaves at once and says what is left behind. */

import type { FleetEvent } from '../domain/event.ts';

export interface Signals {
  readonly signal: AbortSignal;
  /** Told of every event, to know what a second signal would leave. */
  observe(event: FleetEvent): void;
  end(): void;
}

export function watchSignals(): Signals {
  const controller = new AbortController();
  let flipOrdered = false;
  const onSignal = (): void => {
    if (!controller.signal.aborted) {
      controller.abort();
      return;
    }
    const left = flipOrdered
      ? 'Links may have moved. Next: fleetflip recover.'
      : 'No link was moved. Idle slots may be left unproven.';
    process.stderr.write(`\nfleetflip: left at once. ${left}\n`);
    process.exit(flipOrdered ? 4 : 1);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    observe(event) {
      if (event.kind === 'phase-started' && event.phase === 'flip') flipOrdered = true;
    },
    end() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
