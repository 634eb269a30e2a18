/** What the events of a run have told so far: how it ends, and what is said, when the run cannot say it itself. */

import type { Failure, Phase } from '../domain/error.ts';
import type { Command, FleetEvent, HostOutcome, Result } from '../domain/event.ts';
import { exitCode } from '../domain/report.ts';

export interface Witness {
  observe(event: FleetEvent): void;
  /** True once a host may have been contacted. */
  wasContacted(): boolean;
  /** The run's own; null as long as there is none. */
  result(): Result | null;
  /** The result of a run that was refused before any contact. */
  refuse(errors: readonly Failure[]): Result;
  /** The result of a run that broke off; its cause is told with what it means for the fleet. */
  breakOff(cause: Pick<Failure, 'code' | 'what'>): Result;
}

/** These change hosts without a flip; what one of them leaves when it breaks off is not known. */
const CHANGING: readonly Command[] = ['recover', 'adopt'];

export function createWitness(command: Command): Witness {
  let contacted = false;
  let phase: Phase = 'prepare';
  let flipOrdered = false;
  let run: Run = { deployment: '', release: null, label: '', hosts: [] };
  let ended: Result | null = null;

  function conclude(outcome: 'invalid' | 'unchanged' | 'unknown', errors: readonly Failure[]): Result {
    const each: HostOutcome = outcome === 'unknown' ? 'unknown' : 'unchanged';
    const { deployment, release, label } = run;
    return {
      v: 1,
      time: new Date().toISOString(),
      kind: 'result',
      command,
      outcome,
      exitCode: exitCode(outcome),
      deployment,
      release,
      label,
      flip: { skewMs: null, errorMs: null },
      fleetSplit: false,
      hosts: run.hosts.map(name => ({ name, outcome: each, slot: null, release: null, bytesSent: 0, bytesPulled: 0 })),
      errors,
    };
  }

  return {
    observe(event) {
      if (event.kind === 'warning') return;
      contacted = true;
      if (event.kind === 'result') ended = event;
      if (event.kind === 'phase-started') phase = event.phase;
      if (phase === 'flip') flipOrdered = true;
      if (event.kind === 'run-started') run = event;
    },
    wasContacted: () => contacted,
    result: () => ended,
    refuse: errors => conclude('invalid', errors),
    breakOff({ code, what }) {
      const outcome = flipOrdered || (contacted && CHANGING.includes(command)) ? 'unknown' : 'unchanged';
      return conclude(outcome, [{ kind: 'failed', code, phase, what, hint: NEXT[outcome] }]);
    },
  };
}

type Run = Pick<Extract<FleetEvent, { kind: 'run-started' }>, 'deployment' | 'release' | 'label' | 'hosts'>;

const NEXT = {
  unchanged: 'No link was moved; idle slots may be left unproven, which the next stage mends',
  unknown: 'Hosts that moved their link and are not confirmed go back by themselves: run fleetflip recover',
} as const;
