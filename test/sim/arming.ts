/** The simulated agent's phase two: arm, flip, revert, confirm, forward, and the guard (agent.sh). */

import { startGuard } from './guarding.ts';
import { directoryOf, NAME, RECORD, ROOT } from './host.ts';
import { awaitInstant } from './instant.ts';
import { needLock } from './lock.ts';
import { STEP, type Steps } from './process.ts';
import { finishRun, keepStaged, settle, takeBack } from './settling.ts';
import {
  decide,
  field,
  hasFlipped,
  isSettled,
  needRun,
  readLink,
  readSlot,
  type Shell,
  say,
  sayNo,
  writeRecord,
  writeSlot,
} from './shell.ts';

export function* arm(s: Shell, args: readonly string[]): Steps<boolean> {
  const [slot = '', release = '', label = '', deployment = '', command = '', owner = '', window = '', ...rest] = args;
  const [decider = '', ...participants] = rest;
  const { disk, world } = s.host;
  if (!(yield* needLock(s))) return false;
  if (!(yield* isSettled(s))) return sayNo(s, 'UNSETTLED', `deployment ${s.runId} is not settled`);
  const record = yield* readSlot(s, slot);
  if (
    world.broken !== 'no barrier' &&
    (record.state !== 'verified' || record.release !== release || !disk.has(directoryOf(slot)))
  )
    return sayNo(s, 'UNPROVEN', `${slot} is not proven to hold the release`);
  yield* readLink(s);
  const from = s.text;
  yield* forgetRuns(s);
  if (!(yield* makeReady(s, { slot, deployment, left: command === 'rollback' ? 'rejected' : 'previous' }))) {
    yield* forgetRuns(s);
    return sayNo(s, 'WRITE_FAILED', 'cannot write to the record');
  }
  const pulse = yield* startGuard(s, deployment, Number(window));
  if (pulse === null) {
    yield* forgetRuns(s);
    return sayNo(s, 'NO_GUARD', 'the guard did not start');
  }
  const fields = {
    slot,
    from,
    previous: s.at,
    release,
    label,
    command,
    owner,
    window,
    participants: participants.join('\n'),
  };
  const more = { decider, pulse, at: String(Math.floor(s.host.wall() / 1000)), boot: String(s.host.boot) };
  const run = `run.${s.token}.${deployment}.armed`;
  if (!(yield* writeRecord(s, run, { ...fields, ...more }))) {
    disk.remove(RECORD, run);
    yield* forgetRuns(s);
    return sayNo(s, 'WRITE_FAILED', 'cannot write to the record');
  }
  yield STEP;
  if (world.broken !== 'no guard' && !disk.has(RECORD, `guard.${deployment}`)) {
    disk.remove(RECORD, run);
    yield* forgetRuns(s);
    return sayNo(s, 'NO_GUARD', 'the guard did not stay');
  }
  say(s, 'from', from);
  return true;
}

interface Ready {
  readonly slot: string;
  readonly deployment: string;
  /** The role of the slot that is left. */
  readonly left: string;
}

function* makeReady(s: Shell, { slot, deployment, left }: Ready): Steps<boolean> {
  const { disk } = s.host;
  const { text: from, at: live } = s;
  yield STEP;
  if (!(disk.make(`there.${deployment}`) && disk.makeLink(`there.${deployment}`, NAME, slot))) return false;
  yield STEP;
  if (from !== '' && !(disk.make(`back.${deployment}`) && disk.makeLink(`back.${deployment}`, NAME, from)))
    return false;
  for (const one of s.slots) {
    if (!disk.has(RECORD, `slot.${one}`)) continue;
    const record = yield* readSlot(s, one);
    const role = one === live ? left : '';
    if (!(yield* writeSlot(s, `be.${deployment}.confirmed.${one}`, { ...record, role }))) return false;
  }
  const record = yield* readSlot(s, slot);
  return yield* writeSlot(s, `be.${deployment}.reverted.${slot}`, { ...record, role: 'rejected' });
}

function* forgetRuns(s: Shell): Steps {
  const { disk } = s.host;
  for (const directory of [...disk.directories('there.'), ...disk.directories('back.')]) {
    yield STEP;
    disk.removeDirectory(directory);
  }
  for (const name of [...disk.list(RECORD, 'be.'), ...disk.list(RECORD, 'guard.')]) {
    yield STEP;
    disk.remove(RECORD, name);
  }
  for (const name of disk.list(RECORD, 'run.')) {
    yield STEP;
    const token = Number(name.split('.')[1]);
    if (token <= (s.token ?? 0) - 20 || token >= (s.token ?? 0)) disk.remove(RECORD, name);
  }
}

export function* flip(s: Shell, [deployment = '']: readonly string[]): Steps<boolean> {
  const { disk } = s.host;
  if (s.goal !== null && !(yield* awaitInstant(s))) return false;
  if (s.renamedAt === null) {
    if (!(yield* needRun(s, deployment)) || !(yield* needLock(s))) return false;
    if (s.state !== 'armed') return sayNo(s, 'NOT_ARMED', `the deployment is ${s.state}`);
    yield STEP;
    disk.rename(`there.${s.runId}`, NAME, ROOT, NAME);
  }
  yield STEP;
  const slot = field(s, 'slot');
  const at = s.renamedAt ?? s.host.seconds();
  if (!(yield* hasFlipped(s)) || disk.link(ROOT, NAME) !== slot) return sayNo(s, 'FLIP_FAILED', '');
  say(s, 'at', at.toFixed(6));
  return true;
}

export function* revert(s: Shell, [deployment = '', how = '']: readonly string[]): Steps<boolean> {
  const { disk } = s.host;
  if (!(yield* needRun(s, deployment))) return false;
  if (s.state === 'armed' || s.state === 'flipped')
    if (!(yield* decide(s, 'reverting')) && !(yield* needRun(s, deployment))) return false;
  switch (s.state) {
    case 'reverted':
      return true;
    case 'reverting':
      break;
    case 'confirmed':
    case 'forwarding':
      return sayNo(s, 'CONFIRMED', 'the deployment is confirmed');
    default:
      return sayNo(s, 'WRITE_FAILED', 'cannot write to the record');
  }
  if (yield* takeBack(s)) {
    if (!disk.has(`there.${s.runId}`, 'cancelled')) say(s, 'moved', 'yes');
    else if (field(s, 'boot') === String(s.host.boot)) say(s, 'moved', 'no');
    yield* keepStaged(s, how);
    if (!(yield* decide(s, 'reverted')) && !(yield* needRun(s, deployment))) return false;
  } else {
    if (!(yield* needRun(s, deployment))) return false;
    if (!isReverted(s)) return sayNo(s, 'REVERT_FAILED', 'the link could not be put back');
  }
  if (!isReverted(s)) return sayNo(s, 'WRITE_FAILED', 'cannot write to the record');
  return yield* settle(s);
}

function isReverted({ state }: Shell): boolean {
  return state === 'reverted';
}

export function* confirm(s: Shell, [deployment = '']: readonly string[]): Steps<boolean> {
  if (!(yield* needRun(s, deployment))) return false;
  if (s.host.world.broken === 'decider ignored' && field(s, 'decider') === s.host.name) return true;
  if (s.state === 'flipped') {
    yield* readLink(s);
    yield STEP;
    if (s.text !== field(s, 'slot')) return sayNo(s, 'NOT_FLIPPED', `the link says ${s.text}`);
    if (!(yield* decide(s, 'confirmed')) && !(yield* needRun(s, deployment))) return false;
  }
  switch (s.state) {
    case 'confirmed':
      return yield* settle(s);
    case 'forwarding':
      return sayNo(s, 'FORWARDING', 'the deployment is being flipped forward');
    case 'armed':
      return sayNo(s, 'NOT_FLIPPED', 'the link was not flipped');
    case 'flipped':
      return sayNo(s, 'WRITE_FAILED', 'cannot write to the record');
    default:
      return sayNo(s, 'REVERTED', 'the deployment was reverted');
  }
}

/** The decision was to commit, so the link moves to the release, whatever this host had made of it. */
export function* forward(s: Shell, [deployment = '']: readonly string[]): Steps<boolean> {
  const { disk } = s.host;
  if (!(yield* needLock(s)) || !(yield* needRun(s, deployment))) return false;
  if (s.state === 'reverting' && !(yield* finishRun(s))) return sayNo(s, 'REVERT_FAILED', '');
  if (s.state !== 'confirmed') {
    yield STEP;
    const release = field(s, 'release');
    const slot = field(s, 'slot');
    const record = yield* readSlot(s, slot);
    if (record.state !== 'verified' || record.release !== release)
      return sayNo(s, 'UNPROVEN', `${slot} does not hold the release any more`);
    if (s.state !== 'forwarding' && !(yield* decide(s, 'forwarding')))
      return sayNo(s, 'NOT_ARMED', 'the deployment was decided meanwhile');
    yield STEP;
    disk.rename(`there.${s.runId}`, NAME, `there.${s.runId}`, 'cancelled');
  }
  return (yield* finishRun(s)) || sayNo(s, 'FLIP_FAILED', '');
}
