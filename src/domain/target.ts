/** Which slot `flip` and `rollback` go to, and the reasons why they cannot. */

import type { Failure } from './error.ts';
import type { Choice, HostPart } from './plan.ts';
import { refuse } from './readiness.ts';
import { nameRelease } from './report.ts';
import { idleSlots, liveSlot, type Observation, type SlotFacts } from './slot.ts';

/** The same staged release on all hosts. `wanted` is a release id, the beginning of one, or a label. */
export function chooseStaged(wanted: string | null, seen: readonly Observation[]): Choice {
  const found = seen.map(observation => ({ observation, facts: findStaged(wanted, observation) }));
  const refusals = found.flatMap(({ observation, facts }) =>
    facts === undefined ? [notStaged(wanted, observation)] : [],
  );
  const parts = found.flatMap(({ observation, facts }) =>
    facts === undefined ? [] : [part(observation, facts, facts.release)],
  );
  return {
    parts,
    refusals: refusals.length > 0 ? refusals : differing(parts, 'STAGED_DIFFER', 'Run fleetflip stage on all hosts'),
  };
}

/** The release that was live before, the same on all hosts. */
export function chooseReturn(acceptDrift: boolean, seen: readonly Observation[]): Choice {
  const found = seen.map(observation => ({
    observation,
    facts: idleSlots(observation).find(facts => facts.role === 'previous'),
  }));
  const refusals = found.flatMap(({ observation, facts }) => {
    if (facts === undefined) return [noPrevious(observation)];
    if (facts.state !== 'verified')
      return [
        refuse(
          observation.host,
          'PREVIOUS_UNPROVEN',
          `${facts.slot} is not proven to hold the release that was live before`,
          HELP,
        ),
      ];
    return drifted(observation, facts, acceptDrift);
  });
  const parts = found.flatMap(({ observation, facts }) =>
    facts === undefined ? [] : [part(observation, facts, observation.scans[facts.slot]?.id ?? null)],
  );
  return { parts, refusals: refusals.length > 0 ? refusals : differing(parts, 'PREVIOUS_DIFFER', HELP) };
}

const HELP = 'Deploy the release that you want: fleetflip deploy RELEASE';

function findStaged(wanted: string | null, observation: Observation): SlotFacts | undefined {
  const live = liveSlot(observation);
  if (wanted !== null && live !== null && names(wanted, live) && live.state === 'verified') return live;
  return idleSlots(observation).find(
    facts => facts.role === 'staged' && facts.state === 'verified' && (wanted === null || names(wanted, facts)),
  );
}

function names(wanted: string, facts: SlotFacts): boolean {
  if (facts.release === null) return false;
  return (
    facts.label === wanted ||
    facts.release === wanted ||
    (wanted.length >= 'sha256:'.length + 4 && facts.release.startsWith(wanted))
  );
}

function notStaged(wanted: string | null, observation: Observation): Failure {
  const what = wanted === null ? 'no release is staged and verified' : `${wanted} is not staged and verified`;
  return refuse(observation.host, 'NOTHING_STAGED', what, 'Run fleetflip stage RELEASE first');
}

function noPrevious(observation: Observation): Failure {
  const rejected = idleSlots(observation).some(facts => facts.role === 'rejected');
  const what = rejected
    ? 'the idle slot holds a release that was reverted, not the one that was live before'
    : 'no idle slot holds the release that was live before';
  return refuse(observation.host, 'NO_PREVIOUS', what, HELP);
}

function drifted(observation: Observation, facts: SlotFacts, acceptDrift: boolean): readonly Failure[] {
  const scan = observation.scans[facts.slot];
  const drift = observation.drifts[facts.slot];
  if (scan === undefined) return [refuse(observation.host, 'PREVIOUS_UNREAD', `${facts.slot} could not be read`, HELP)];
  if (acceptDrift || drift === undefined || drift === null || drift.changed + drift.missing === 0) return [];
  const paths = drift.paths.join(', ');
  return [
    refuse(
      observation.host,
      'DRIFTED',
      `${facts.slot} was changed since it was proven: ${drift.changed} changed, ${drift.missing} missing (${paths})`,
      'Roll back all the same with --accept-drift, or deploy the release again',
    ),
  ];
}

/** @param expected what a scan of the slot must give */
function part(observation: Observation, facts: SlotFacts, expected: string | null): HostPart {
  const live = liveSlot(observation);
  const release = facts.release ?? '';
  return {
    host: observation.host,
    slot: facts.slot,
    live: live?.slot ?? null,
    current: live?.slot === facts.slot,
    release,
    label: facts.label,
    expected: expected ?? release,
    transfer: null,
    pull: null,
    overwrites: null,
    unpacks: observation.unpacks,
    recordLive: live !== null && live.release === null,
    drift: observation.drifts[facts.slot] ?? null,
  };
}

function differing(parts: readonly HostPart[], code: string, hint: string): readonly Failure[] {
  if (new Set(parts.map(one => one.release)).size <= 1) return [];
  return parts.map(one =>
    refuse(
      one.host,
      code,
      `${one.slot} holds ${nameRelease(one.release, one.label)}; other hosts hold another release`,
      hint,
    ),
  );
}
