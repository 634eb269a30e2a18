/** Events of a run, in short. */

import type { Failure } from '../../src/domain/error.ts';
import type { EventData, FleetEvent, HostResult, Result } from '../../src/domain/event.ts';

export const BEGAN = Date.parse('2026-01-02T03:04:05.000Z');

/** @param after milliseconds after the beginning */
export function at(after: number, data: EventData): FleetEvent {
  return { v: 1, time: new Date(BEGAN + after).toISOString(), ...data } as FleetEvent;
}

export function nameHosts(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `web${String(index + 1).padStart(2, '0')}`);
}

export function started(hosts: readonly string[]): FleetEvent {
  const release = `sha256:${'a'.repeat(64)}`;
  return at(0, { kind: 'run-started', command: 'deploy', deployment: 'D', app: 'foo', hosts, release, label: 'v2' });
}

export function fail(host: string, what = 'there is no space', code = 'NO_SPACE'): Failure {
  return { kind: 'failed', code, phase: 'stage', host, what, hint: 'Free space' };
}

export function end(result: Partial<Omit<Result, 'v' | 'time' | 'kind'>>): Result {
  return {
    v: 1,
    time: new Date(BEGAN).toISOString(),
    kind: 'result',
    command: 'deploy',
    outcome: 'committed',
    exitCode: 0,
    deployment: 'D',
    release: `sha256:${'a'.repeat(64)}`,
    label: 'v2',
    flip: { skewMs: null, errorMs: null },
    fleetSplit: false,
    hosts: [],
    errors: [],
    ...result,
  };
}

export function ended(name: string, outcome: HostResult['outcome'], failure?: Failure): HostResult {
  const host = { name, outcome, slot: 'foo_r', release: null, bytesSent: 0, bytesPulled: 0 };
  if (failure === undefined) return host;
  const { code, phase, what, hint } = failure;
  return { ...host, error: { code, phase, what, hint } };
}
