/** An ended machine to the result of the contract. */

import type { HostOutcome, HostResult, Outcome, Result } from '../event.ts';
import { exitCode } from '../report.ts';
import { liveSlot } from '../slot.ts';
import { type HostState, measureSkew, movers, type State } from './state.ts';

/** What the machine does not know. */
export interface RunFacts {
  readonly command: Result['command'];
  readonly deployment: string;
  readonly release: Result['release'];
  readonly label: string;
  /** Bytes of archives that each host took. */
  readonly bytesSent: ReadonlyMap<string, number>;
  /** Bytes that each host fetched itself. */
  readonly bytesPulled: ReadonlyMap<string, number>;
  /** Some hosts of the inventory were left out by `--only`. */
  readonly partial: boolean;
}

export function makeResult(state: State, facts: RunFacts): Omit<Result, 'v' | 'time'> {
  const outcome = state.outcome ?? 'unknown';
  const skew = measureSkew(state);
  const parts = movers(state);
  return {
    kind: 'result',
    command: facts.command,
    outcome,
    exitCode: exitCode(outcome),
    deployment: facts.deployment,
    release: facts.release ?? sharedRelease(state),
    label: facts.label === '' ? (parts[0]?.part?.label ?? '') : facts.label,
    flip: { skewMs: skew?.skew ?? null, errorMs: skew?.error ?? null },
    fleetSplit: facts.partial && outcome === 'committed',
    hosts: state.hosts.map(host => hostResult(host, outcome, facts)),
    errors: state.failures,
  };
}

function sharedRelease(state: State): string | null {
  const releases = new Set(state.hosts.flatMap(host => (host.part === null ? [] : [host.part.release])));
  return releases.size === 1 ? ([...releases][0] ?? null) : null;
}

function hostResult(host: HostState, fleet: Outcome, { bytesSent, bytesPulled }: RunFacts): HostResult {
  const outcome = judgeHost(host, fleet);
  const { failure } = host;
  return {
    name: host.name,
    outcome,
    ...whatIsLive(host, outcome),
    bytesSent: bytesSent.get(host.name) ?? 0,
    bytesPulled: bytesPulled.get(host.name) ?? 0,
    ...(host.flippedAt === null ? {} : { flippedAt: host.flippedAt.at }),
    ...(failure === null
      ? {}
      : { error: { code: failure.code, phase: failure.phase, what: failure.what, hint: failure.hint } }),
  };
}

function judgeHost(host: HostState, fleet: Outcome): HostOutcome {
  switch (host.link) {
    case 'confirmed':
      return 'confirmed';
    case 'unknown':
      return host.flipOrdered ? 'unknown' : 'failed';
    case 'reverted':
      return host.failure !== null ? 'failed' : host.flipOrdered && !host.stayed ? 'reverted' : 'unchanged';
    case 'stuck':
      return 'failed';
    case 'armed':
    case 'doubtful':
    case 'moved':
      return 'unknown';
    case 'untouched':
      if (host.failure !== null) return host.failure.code === 'UNSETTLED' ? 'unknown' : 'failed';
      if (host.part?.current) return 'current';
      return fleet === 'staged' ? 'staged' : 'unchanged';
  }
}

/** The slot and release that the host serves now; for a staged host, what it holds ready. */
function whatIsLive(host: HostState, outcome: HostOutcome): { slot: string | null; release: string | null } {
  const { part } = host;
  if (
    part !== null &&
    (outcome === 'confirmed' || outcome === 'current' || outcome === 'staged' || host.link === 'stuck')
  )
    return { slot: part.slot, release: part.release };
  const live = host.observation === null ? null : liveSlot(host.observation);
  const known = outcome !== 'unknown' && live !== null;
  return { slot: known ? live.slot : null, release: known && !live.found ? live.release : null };
}
