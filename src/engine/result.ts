/** Results of the commands that do not run the machine, and the last event of every run. */

import type { Failure } from '../domain/error.ts';
import type { HostOutcome, HostResult, Outcome, Result } from '../domain/event.ts';
import { exitCode } from '../domain/report.ts';
import type { Context } from './context.ts';

/** Stamps the result and emits it as the last event. */
export function finish(context: Context, result: Omit<Result, 'v' | 'time'>): Result {
  const stamped: Result = { v: 1, time: new Date(context.clock.now()).toISOString(), ...result };
  context.emit(result);
  return stamped;
}

export interface Plain {
  readonly outcome: Outcome;
  readonly hosts: readonly HostResult[];
  readonly errors?: readonly Failure[];
}

/** A result in which no link moved at our order. */
export function plainResult(context: Context, { outcome, hosts, errors = [] }: Plain): Result {
  return finish(context, {
    kind: 'result',
    command: context.command,
    outcome,
    exitCode: exitCode(outcome),
    deployment: context.deployment,
    release: null,
    label: '',
    flip: { skewMs: null, errorMs: null },
    fleetSplit: false,
    hosts,
    errors,
  });
}

export function hostResult(name: string, outcome: HostOutcome, failure?: Failure): HostResult {
  const base = { name, outcome, slot: null, release: null, bytesSent: 0, bytesPulled: 0 };
  if (failure === undefined) return base;
  const { code, phase, what, hint } = failure;
  return { ...base, error: { code, phase, what, hint } };
}
