/** The simulated agent's deployments: how a decision is carried out and what it leaves (agent.sh). */

import { NAME, RECORD, ROOT } from './host.ts';
import { STEP, type Steps } from './process.ts';
import { decide, field, isSettled, readLink, readRun, type Shell } from './shell.ts';

/** The link says what it said before; from here on no flip comes through. */
export function* takeBack(s: Shell): Steps<boolean> {
  const { disk } = s.host;
  yield STEP;
  if (s.host.world.broken !== 'no cancel') disk.rename(`there.${s.runId}`, NAME, `there.${s.runId}`, 'cancelled');
  yield STEP;
  if (disk.has(`there.${s.runId}`, s.host.world.broken === 'no cancel' ? NAME : 'cancelled')) return true;
  yield STEP;
  const from = field(s, 'from');
  yield STEP;
  if (!disk.has(RECORD, s.run)) return false;
  yield* readLink(s);
  if (s.text === from) return true;
  yield STEP;
  if (from !== '') disk.rename(`back.${s.runId}`, NAME, ROOT, NAME);
  else disk.rename(ROOT, NAME, `there.${s.runId}`, 'removed');
  yield* readLink(s);
  return s.text === from;
}

function* takeForward(s: Shell): Steps<boolean> {
  yield STEP;
  const slot = field(s, 'slot');
  yield* readLink(s);
  return s.text === slot || (yield* putLink(s, slot));
}

/** The live link says the text from one instant to the next. */
function* putLink(s: Shell, text: string): Steps<boolean> {
  const { disk } = s.host;
  const directory = `put.${s.process.pid}`;
  yield STEP;
  disk.removeDirectory(directory);
  if (disk.make(directory) && disk.makeLink(directory, NAME, text)) {
    yield STEP;
    disk.rename(directory, NAME, ROOT, NAME);
  }
  yield STEP;
  disk.removeDirectory(directory);
  yield* readLink(s);
  return s.text === text;
}

/** Finishes what a decision on this host has begun; fails when it cannot be finished. */
export function* finishRun(s: Shell): Steps<boolean> {
  yield* readRun(s);
  if (s.state === 'reverting') {
    if (!((yield* goBack(s)) || (yield* isSettled(s)))) return false;
  } else if (s.state === 'forwarding') {
    if (!((yield* goForward(s)) || (yield* isSettled(s)))) return false;
  }
  if (s.state === 'confirmed' || s.state === 'reverted') yield* settle(s);
  return true;
}

function* goBack(s: Shell): Steps<boolean> {
  if (!(yield* takeBack(s))) return false;
  yield* keepStaged(s, 'keep');
  return yield* decide(s, 'reverted');
}

function* goForward(s: Shell): Steps<boolean> {
  return (yield* takeForward(s)) && (yield* decide(s, 'confirmed'));
}

/** What a decided deployment leaves: the slots' records that were made ready for it, and a line of history. */
export function* settle(s: Shell): Steps<boolean> {
  const { disk } = s.host;
  yield STEP;
  disk.flush();
  for (const slot of s.slots) {
    yield STEP;
    disk.rename(RECORD, `be.${s.runId}.${s.state}.${slot}`, RECORD, `slot.${slot}`);
  }
  for (const directory of [`there.${s.runId}`, `back.${s.runId}`]) {
    yield STEP;
    if (s.host.world.broken === 'no cancel' && directory.startsWith('there.')) continue;
    disk.removeDirectory(directory);
  }
  yield STEP;
  disk.remove(RECORD, `guard.${s.runId}`);
  yield STEP;
  disk.put('history', s.runId, {
    kind: 'record',
    fields: { state: s.state, at: '0', ...s.fields },
  });
  return true;
}

/** A release that was never live here stays staged, unless it was live elsewhere. */
export function* keepStaged(s: Shell, how: string): Steps {
  const { disk } = s.host;
  yield STEP;
  if (how === 'reject' || !disk.has(`there.${s.runId}`, 'cancelled')) return;
  for (const name of disk.list(RECORD, `be.${s.runId}.reverted.`)) disk.remove(RECORD, name);
}
