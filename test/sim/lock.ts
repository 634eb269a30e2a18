/** The simulated agent's locks and writers (agent.sh, "the lock" and "writers"). */

import { type Host, LOCKS, RECORD } from './host.ts';
import { type Process, STEP, type Steps } from './process.ts';
import { finishRun } from './settling.ts';
import { isSettled, newestLock, type Shell, say, sayNo } from './shell.ts';

export function* lock(s: Shell, args: readonly string[]): Steps<boolean> {
  const { disk } = s.host;
  const [deployment = '', owner = '', command = '', lease = ''] = args;
  yield STEP;
  if (!disk.make(LOCKS)) return sayNo(s, 'WRITE_FAILED', 'cannot write to the record');
  yield STEP;
  const { g, holder } = newestLock(s.host);
  if (holder !== null) {
    yield STEP;
    if (isAlive(s.host, g, holder)) {
      if (holder[3] === deployment) return sayNo(s, 'SAME', 'locked by this deployment already');
      say(s, 'holder', ...holder.slice(3, 7));
      return sayNo(s, 'LOCKED', 'another deployment holds the lock');
    }
  }
  const mine = g + 1;
  const { pid, start } = s.process;
  s.pulse = `b.${mine}.${pid}`;
  s.beaten = s.host.uptime();
  for (const stale of disk.list(LOCKS, `${s.pulse}.`)) {
    yield STEP;
    disk.remove(LOCKS, stale);
  }
  yield STEP;
  if (!disk.put(LOCKS, `${s.pulse}.${s.beaten}`, PULSE)) return sayNo(s, 'WRITE_FAILED', 'cannot write to locks');
  yield STEP;
  const words = [pid, start, s.host.boot, deployment, owner, command, 0, lease];
  if (!disk.makeLink(LOCKS, `g.${mine}`, words.join(' '))) {
    disk.remove(LOCKS, `${s.pulse}.${s.beaten}`);
    if (!disk.has(LOCKS, `g.${mine}`)) return sayNo(s, 'WRITE_FAILED', 'cannot write to locks');
    return sayNo(s, 'LOCKED', 'another deployment took the lock just now');
  }
  s.token = mine;
  s.owns = true;
  const noted = (yield* noteWriter(s)) && (yield* holdsLock(s));
  if (!(noted && (yield* endWriters(s)) && (yield* finishRun(s)))) {
    forgetWriter(s);
    yield* unlock(s);
    return sayNo(s, 'STILL_RUNNING', 'what an earlier deployment left could not be ended or finished');
  }
  yield STEP;
  forgetWriter(s);
  yield* forgetLocks(s);
  s.host.world.laws.locked(s.host, mine, deployment);
  say(s, 'token', String(mine));
  return true;
}

const PULSE = { kind: 'file', text: '', mtime: 0 } as const;

/** The last beat that a pulse's name tells; 0 when there is none. */
export function lastBeat(host: Host, pulse: string): number {
  const found = host.disk.list(LOCKS, `${pulse}.`).at(-1);
  return found === undefined ? 0 : Number(found.slice(pulse.length + 1));
}

function isAlive(
  host: Host,
  g: number,
  [pid = '', start = '', boot = '', , , , , lease = '0']: readonly string[],
): boolean {
  if (boot !== String(host.boot)) return false;
  if (host.uptime() - lastBeat(host, `b.${g}.${pid}`) > Number(lease)) return false;
  return String(host.processes.get(Number(pid))?.start) === start;
}

export function isHolderAlive(host: Host): boolean {
  const { g, holder } = newestLock(host);
  return holder !== null && isAlive(host, g, holder);
}

export function* beat(s: Shell): Steps<boolean> {
  if (!s.owns || !(yield* holdsLock(s))) return sayNo(s, 'NOT_LOCKED', 'this session does not hold the lock');
  const up = s.host.uptime();
  yield STEP;
  if (up !== s.beaten && !s.host.disk.rename(LOCKS, `${s.pulse}.${s.beaten}`, LOCKS, `${s.pulse}.${up}`))
    return sayNo(s, 'WRITE_FAILED', 'cannot write to locks');
  s.beaten = up;
  return true;
}

export function* use(s: Shell, [token = '']: readonly string[]): Steps<boolean> {
  s.token = Number(token);
  s.process.token = s.token;
  if (!(yield* noteWriter(s))) {
    s.token = null;
    return sayNo(s, 'WRITE_FAILED', 'cannot write to locks');
  }
  if (yield* needLock(s)) return true;
  forgetWriter(s);
  s.token = null;
  return false;
}

function* forgetLocks(s: Shell): Steps {
  const { disk } = s.host;
  const token = s.token ?? 0;
  for (let old = token - 50; old > 0 && disk.has(LOCKS, `g.${old}`); old--) {
    yield STEP;
    disk.remove(LOCKS, `g.${old}`);
  }
  if (!(yield* isSettled(s))) return;
  for (const name of disk.list(LOCKS, 'b.')) {
    yield STEP;
    if (!name.startsWith(`b.${token}.`)) disk.remove(LOCKS, name);
  }
}

export function* holdsLock(s: Shell): Steps<boolean> {
  if (s.token === null) return false;
  yield STEP;
  if (s.host.world.broken === 'no fencing') return true;
  const { g, holder } = newestLock(s.host);
  return g === s.token && holder !== null;
}

export function* needLock(s: Shell): Steps<boolean> {
  return (yield* holdsLock(s)) || sayNo(s, 'NOT_LOCKED', 'this session does not hold the lock');
}

/** Of the session that took the lock: frees it. Of one that works under it: works no longer. */
export function* unlock(s: Shell): Steps<boolean> {
  const { disk } = s.host;
  if (s.owns) {
    if (yield* holdsLock(s)) yield* freeLock(s);
    if (yield* isSettled(s))
      for (const name of disk.list(LOCKS, `${s.pulse}.`)) {
        yield STEP;
        disk.remove(LOCKS, name);
      }
  } else if (s.token !== null) {
    yield STEP;
    forgetWriter(s);
  }
  s.owns = false;
  s.token = null;
  return true;
}

function* freeLock(s: Shell): Steps {
  yield STEP;
  s.host.disk.makeLink(LOCKS, `g.${(s.token ?? 0) + 1}`, 'free');
}

export function* noteWriter(s: Shell): Steps<boolean> {
  const { disk } = s.host;
  const { pid, start } = s.process;
  yield STEP;
  disk.remove(LOCKS, `w.${pid}`);
  yield STEP;
  return disk.makeLink(LOCKS, `w.${pid}`, `${start} ${s.host.boot} ${s.token}`);
}

export function forgetWriter(s: Shell): void {
  s.host.disk.remove(LOCKS, `w.${s.process.pid}`);
}

function* endWriters(s: Shell): Steps<boolean> {
  const { disk } = s.host;
  if (s.host.world.broken === 'no fencing') return true;
  for (const name of disk.list(LOCKS, 'w.')) {
    yield STEP;
    const [start, boot, token] = (disk.link(LOCKS, name) ?? '').split(' ');
    if (token === undefined || Number(token) >= (s.token ?? 0)) continue;
    if (boot === String(s.host.boot)) yield* endProcess(s, Number(name.slice(2)), Number(start));
    yield STEP;
    disk.remove(LOCKS, name);
  }
  return true;
}

/** It outlives the session that started it. */
function isGuard({ disk }: Host, { pid, start }: Process): boolean {
  return disk.list(RECORD, 'guard.').some(name => disk.link(RECORD, name)?.startsWith(`${pid} ${start} `));
}

/** The process, the session that it leads, and what descends from these. */
function* endProcess(s: Shell, pid: number, start: number): Steps {
  const { processes } = s.host;
  for (;;) {
    yield STEP;
    const begun = processes.get(pid)?.start;
    if (begun !== undefined && begun !== start) return;
    const mine = new Set<number>();
    const all = [...processes.values()].filter(one => !isGuard(s.host, one));
    for (const one of all) if (one.pid === pid || one.session === pid) mine.add(one.pid);
    for (let before = -1; before !== mine.size; ) {
      before = mine.size;
      for (const one of all) if (mine.has(one.parent)) mine.add(one.pid);
    }
    mine.delete(s.process.pid);
    if (mine.size === 0) return;
    for (const one of mine) {
      yield STEP;
      processes.get(one)?.kill();
    }
  }
}
