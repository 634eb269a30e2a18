/** Failures of the talk itself: nothing is known of what the host did. */

import { fromText, show } from '../domain/bytes.ts';
import { type Failure, FleetflipError, type Phase } from '../domain/error.ts';
import type { Host } from '../domain/fleet.ts';

export interface Talk {
  readonly host: Host;
  readonly phase: Phase;
}

/** @param failure its `what` may hold a host's bytes: it is made safe to show */
export function talkFailure(
  { host, phase }: Talk,
  failure: { readonly kind: Failure['kind']; readonly code: string; readonly what: string },
): FleetflipError {
  const what = show(fromText(failure.what));
  return new FleetflipError({
    ...failure,
    what,
    phase,
    host: host.name,
    hint: 'See what the host serves with fleetflip status',
  });
}

/** Why an aborted signal stopped us: its time was over, or the run was interrupted. */
export function stoppedBy(signal: AbortSignal, talk: Talk): FleetflipError {
  const late = signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError';
  return late
    ? talkFailure(talk, { kind: 'timed-out', code: 'TIMED_OUT', what: 'the host did not finish in time' })
    : talkFailure(talk, { kind: 'unknown', code: 'INTERRUPTED', what: 'the run was interrupted' });
}
