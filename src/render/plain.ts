/** Events to lines: for logs, CI and terminals that cannot be redrawn. */

import { describeFailure, type Failure } from '../domain/error.ts';
import type { FleetEvent, Result } from '../domain/event.ts';
import { lastSentence, nameRelease } from '../domain/report.ts';
import { formatBytes, formatTime } from './format.ts';

type Formatters = {
  readonly [Kind in FleetEvent['kind']]: (event: Extract<FleetEvent, { kind: Kind }>) => readonly string[];
};

/** A formatter for every kind of event: a missing one does not compile. */
const FORMATTERS: Formatters = {
  'run-started': event => [
    `${event.command} ${event.release === null ? event.app : nameRelease(event.release, event.label)} on ${hosts(event.hosts.length)} (deployment ${event.deployment})`,
  ],
  'phase-started': event => [`${event.phase}: ${hosts(event.hosts.length)}`],
  'phase-ended': event => [
    `${event.phase}: done in ${formatTime(event.took)}${event.failed > 0 ? `, ${event.failed} failed` : ''}`,
  ],
  'host-done': () => [],
  'host-failed': event => [
    `${event.host}: ${event.failure.kind} in ${event.phase}: ${event.failure.what} (${event.failure.code})`,
  ],
  'host-planned': event => [
    `${event.host}: into ${event.slot}: send ${event.send} (${formatBytes(event.sendSize)}), copy ${event.copy}, remove ${event.remove}`,
  ],
  progress: event => (event.sent >= event.total ? [`${event.host}: ${formatBytes(event.total)} sent`] : []),
  vote: event => (event.yes ? [] : [`${event.host}: votes no`]),
  barrier: event => [
    event.yes === event.of
      ? `barrier: ${event.yes} of ${event.of} vote yes`
      : `barrier: only ${event.yes} of ${event.of} vote yes, no link moves`,
  ],
  flipped: event => [`${event.host}: link moved to ${event.slot}`],
  reverted: event => [`${event.host}: link put back`],
  confirmed: event => [`${event.host}: confirmed`],
  'check-output': event =>
    event.output === '' ? [] : event.output.split('\n').map(line => `${event.host}: | ${line}`),
  warning: event => [`warning: ${event.host === undefined ? '' : `${event.host}: `}${event.what}. ${event.hint}`],
  interrupted: () => ['interrupted: ending orderly'],
  result: event => formatEnd(event),
};

/** The lines of one event; host text in them is safe for a terminal. */
export function formatEvent(event: FleetEvent): readonly string[] {
  const format = FORMATTERS[event.kind] as (event: FleetEvent) => readonly string[];
  return format(event);
}

/** The end of a run: what failed and what to do, the skew, and one sentence on the state of the fleet. */
export function formatEnd(result: Result): readonly string[] {
  const failures = [
    ...result.hosts.flatMap((host): Failure[] =>
      host.error === undefined ? [] : [{ kind: 'failed', host: host.name, ...host.error }],
    ),
    ...result.errors,
  ];
  const { skewMs, errorMs } = result.flip;
  const skew =
    skewMs === null ? [] : [`The links moved within ${skewMs.toFixed(1)} ms (+/- ${(errorMs ?? 0).toFixed(1)} ms).`];
  const unknown = result.hosts.filter(host => host.outcome === 'unknown').map(host => host.name);
  const doubtful = unknown.length === 0 ? [] : [`Not known: ${unknown.join(', ')}`];
  return [...failures.map(describeFailure), ...doubtful, ...skew, lastSentence(result)];
}

function hosts(count: number): string {
  return count === 1 ? '1 host' : `${count} hosts`;
}
