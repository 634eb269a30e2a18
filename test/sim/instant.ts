/** The simulated agent's waiting for the instant of a flip, while it hears requests (agent.sh, "the instant"). */

import { NAME, ROOT } from './host.ts';
import { needLock } from './lock.ts';
import { INPUT, inputWithin, type Message, STEP, type Steps } from './process.ts';
import { needRun, type Shell, say, sayNo } from './shell.ts';

/** From here on it waits for an instant. */
export function* aim(s: Shell, [deployment = '']: readonly string[]): Steps<boolean> {
  if (!(yield* needRun(s, deployment)) || !(yield* needLock(s))) return false;
  if (s.state !== 'armed') return sayNo(s, 'NOT_ARMED', `the deployment is ${s.state}`);
  s.renamedAt = null;
  s.host.world.laws.calledOff(s.host, false);
  say(s, 'with', 'sim');
  return true;
}

export function* now(s: Shell): Steps<boolean> {
  yield STEP;
  say(s, 'now', s.host.seconds().toFixed(6));
  return true;
}

/** Acknowledges, and renames at that time of its clock, whoever has decided what by then. */
export function* at(s: Shell, [time = '']: readonly string[]): Steps<boolean> {
  yield STEP;
  if (Number(time) <= s.host.seconds()) return sayNo(s, 'LATE', '');
  s.goal = Number(time);
  s.host.world.laws.calledOff(s.host, false);
  return true;
}

export function* cancel(s: Shell): Steps<boolean> {
  const { world } = s.host;
  yield STEP;
  if (world.broken !== 'deaf to cancel') s.goal = null;
  if (s.renamedAt !== null) return sayNo(s, 'MOVED', '');
  world.laws.calledOff(s.host, true);
  return true;
}

export function* leave(s: Shell): Steps<boolean> {
  yield STEP;
  s.goal = null;
  return true;
}

/** The next request; the instant can come before it. */
export function* hear(s: Shell): Steps<Message> {
  while (s.goal !== null) {
    const message = yield* hearUntil(s, s.goal);
    if (message !== undefined) return message;
    yield* renameNow(s);
  }
  return (yield INPUT) ?? null;
}

/** @returns false when the requests ended before the instant */
export function* awaitInstant(s: Shell): Steps<boolean> {
  const message = yield* hearUntil(s, s.goal ?? 0);
  if (message === undefined) {
    yield* renameNow(s);
    return true;
  }
  s.goal = null;
  s.process.read(message);
  return false;
}

/** @returns undefined when the time has come */
function* hearUntil(s: Shell, time: number): Steps<Message | undefined> {
  const left = (time - s.host.seconds()) * 1000;
  return left > 0 ? yield inputWithin(left) : undefined;
}

function* renameNow(s: Shell): Steps {
  s.goal = null;
  yield STEP;
  s.host.disk.rename(`there.${s.runId}`, NAME, ROOT, NAME);
  s.renamedAt = s.host.seconds();
}
