/** What the agent's refusals mean, and what to do next. */

import type { Failure, Phase } from '../domain/error.ts';

interface Meaning {
  /** Null: the agent's own text says it. */
  readonly what: string | null;
  readonly hint: string;
}

const RECOVER = 'Run fleetflip recover';

const MEANINGS: Readonly<Record<string, Meaning>> = {
  LOCKED: { what: null, hint: 'Wait for it to end; if it is gone for good, run fleetflip unlock' },
  SHARED_ROOT: {
    what: 'another host of this inventory has the same root directory',
    hint: 'Name each server once in the inventory',
  },
  UNSETTLED: { what: null, hint: RECOVER },
  NOT_LOCKED: { what: 'the lock was lost', hint: 'Another deployment took over; run fleetflip status' },
  UNPROVEN: { what: null, hint: 'Stage the release again' },
  NOT_ARMED: { what: null, hint: RECOVER },
  LATE: {
    what: 'the instant of the flip had passed when it arrived',
    hint: 'Look at the load of the host, then deploy again',
  },
  MOVED: {
    what: 'the link had moved before the host heard that the instant was cancelled',
    hint: 'Look at the load and the network of the hosts, then deploy again',
  },
  FLIP_FAILED: { what: null, hint: 'Mend what the host says, then deploy again' },
  REVERT_FAILED: { what: null, hint: RECOVER },
  WRITE_FAILED: { what: null, hint: 'Look for a full or read-only disk on this host' },
  NEEDS_GAP: { what: null, hint: 'Allow the short gap with --allow-gap' },
  ADOPT_FAILED: { what: null, hint: 'Look for a full disk, and stop what writes there; then adopt again' },
  LINKS_OUTSIDE: { what: null, hint: 'Make these links absolute, then adopt again' },
  NO_DIRECTORY: { what: null, hint: 'There is nothing to adopt: deploy makes slots and link' },
  LINK_ELSEWHERE: { what: null, hint: 'Point the link to one of the slots, or name its directory in app.slots' },
  SLOT_TAKEN: { what: null, hint: 'Move that directory away first' },
  REVERTED: { what: null, hint: RECOVER },
  CONFIRMED: { what: null, hint: RECOVER },
  FORWARDING: { what: null, hint: RECOVER },
  TORN: {
    what: null,
    hint: 'Look at the disk of this host; docs/runbook.md says how to put link and record right by hand',
  },
  NO_GUARD: { what: null, hint: 'Look for a full process table or a missing sh on this host' },
  STILL_RUNNING: { what: null, hint: 'End on this host what the earlier deployment runs; ps shows it' },
  NO_ROOT: { what: 'the root directory does not exist', hint: 'Create it, or correct app.root' },
  NOT_WRITABLE: {
    what: 'the login may not write to the root directory',
    hint: 'Give the login write permission to it',
  },
};

/** @param text the agent's own words, already safe to show */
export function explainRefusal(refusal: { code: string; text: string; host: string; phase: Phase }): Failure {
  const code = refusal.code === 'SAME' ? 'SHARED_ROOT' : refusal.code;
  const meaning = Object.hasOwn(MEANINGS, code) ? MEANINGS[code] : undefined;
  const own = refusal.text === '' ? 'the host refused' : refusal.text;
  return {
    kind: 'refused',
    code,
    phase: refusal.phase,
    host: refusal.host,
    what: meaning?.what ?? own,
    hint: meaning?.hint ?? 'Look at the host with fleetflip check',
  };
}
