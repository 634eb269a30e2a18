/** The simulated agent's guard (agent.sh, "the guard"). */

import { RECORD } from './host.ts';
import { lastBeat } from './lock.ts';
import { STEP, type Steps } from './process.ts';
import { finishRun } from './settling.ts';
import { decide, makeShell, newestLock, readRun, type Shell } from './shell.ts';

/** @returns the pulse that the guard watches; null when it did not start */
export function* startGuard(s: Shell, deployment: string, window: number): Steps<string | null> {
  const { host, process } = s;
  yield STEP;
  const pulse = `b.${s.token}.${newestLock(host).holder?.[0] ?? ''}`;
  if (host.world.broken === 'no guard') return pulse;
  host.start({
    parent: process.pid,
    session: null,
    outlet: null,
    body: self => guard(makeShell(self, s.slots), { deployment, pulse, window }),
  });
  for (let tries = 1; tries <= 200; tries++) {
    yield STEP;
    if (host.disk.has(RECORD, `guard.${deployment}`)) return pulse;
    yield 50;
  }
  return null;
}

interface Watch {
  readonly deployment: string;
  readonly pulse: string;
  /** Hundredths of a second. */
  readonly window: number;
}

function* guard(s: Shell, { deployment, pulse, window }: Watch): Steps<number> {
  const { disk } = s.host;
  s.process.turnTo('guard');
  s.process.watched = deployment;
  yield STEP;
  const words = `${s.process.pid} ${s.process.start} ${s.host.boot}`;
  if (!disk.makeLink(RECORD, `guard.${deployment}`, words)) return 1;
  const nap = window >= 2_000 ? 1_000 : window <= 100 ? 50 : window / 2;
  if (!(yield* awaitArming(s, deployment))) return 1;
  const armed = `${s.run.slice(0, s.run.lastIndexOf('.'))}.armed`;
  const reverting = `${s.run.slice(0, s.run.lastIndexOf('.'))}.reverting`;
  let last = s.host.uptime();
  // Watching takes no step that could be struck, so that faults meet what follows from it.
  while (disk.has(RECORD, armed) || disk.has(RECORD, reverting)) {
    last = lastBeat(s.host, pulse) || last;
    if (s.host.uptime() - last > window) yield* fire(s, deployment);
    yield nap;
  }
  return 0;
}

function* awaitArming(s: Shell, deployment: string): Steps<boolean> {
  for (let tries = 1; tries <= 40; tries++) {
    yield* readRun(s);
    if (s.runId === deployment) return true;
    if (!s.host.disk.has(RECORD, `guard.${deployment}`)) return false;
    yield 250;
  }
  const { disk } = s.host;
  const said = disk.link(RECORD, `guard.${deployment}`) ?? '';
  yield STEP;
  disk.remove(RECORD, `guard.${deployment}`);
  yield* readRun(s);
  yield STEP;
  if (s.runId !== deployment) return false;
  disk.makeLink(RECORD, `guard.${deployment}`, said);
  return true;
}

function* fire(s: Shell, deployment: string): Steps {
  yield* readRun(s);
  if (s.runId !== deployment) return;
  if ((s.state === 'armed' || s.state === 'flipped') && !(yield* decide(s, 'reverting'))) return;
  yield* finishRun(s);
}
