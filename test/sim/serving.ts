/** The simulated agent's ways in: the login's prelude, `serve` and `receive`, and the verbs that only read (agent.sh). */

import { decodeWord } from '../../src/host/words.ts';
import { arm, confirm, flip, forward, revert } from './arming.ts';
import { directoryOf, RECORD } from './host.ts';
import { aim, at, cancel, hear, leave, now } from './instant.ts';
import { beat, isHolderAlive, lastBeat, lock, unlock, use } from './lock.ts';
import { INPUT, type Process, STEP, type Steps } from './process.ts';
import { claimed, field, makeShell, newestLock, readLink, readRun, type Shell, say, sayNo } from './shell.ts';
import { begin, manifestOf, prove, receive, record, sayScan, scan, timesOf } from './staging.ts';

type Verb = (s: Shell, args: readonly string[]) => Steps<boolean>;

const VERBS: Readonly<Record<string, Verb>> = {
  probe,
  fetch,
  lock,
  beat,
  use,
  unlock,
  begin,
  prove,
  record,
  arm,
  aim,
  now,
  at,
  cancel,
  leave,
  flip,
  revert,
  confirm,
  forward,
  history,
};

/** What the one command of every channel does: it reads the prelude and becomes the agent. */
export function* login(self: Process): Steps<number> {
  const { disk } = self.host;
  const prelude = (yield INPUT)?.toString('latin1') ?? '';
  const nonce = /fleetflip (\w+) ready/.exec(prelude)?.[1] ?? '';
  const [verb = '', ...words] = [...(/\nexec sh .*'$/m.exec(prelude)?.[0] ?? '').matchAll(/'([^']*)'/g)]
    .map(match => match[1] ?? '')
    .slice(1);
  yield STEP;
  const made = disk.make(RECORD) && disk.make('history');
  if (!made && !disk.has(RECORD)) return refuse(self, nonce, 'NOT_WRITABLE');
  if (!disk.has(RECORD, 'agent')) {
    self.write(`fleetflip ${nonce} need\n`);
    if (!(yield INPUT)) return 1;
    yield STEP;
    if (!disk.put(RECORD, 'agent', { kind: 'file', text: '', mtime: 0 })) return refuse(self, nonce, 'WRITE_FAILED');
  }
  self.write(`fleetflip ${nonce} ready\n`);
  if (verb === 'serve') return yield* serve(self);
  const [, , token = '', slot = '', kind = '', from = '', ...lists] = words;
  self.turnTo('receive');
  const code = yield* receive(self, { token: Number(token), slot, kind, from, lists });
  self.ending = true;
  yield STEP;
  return code;
}

function refuse(self: Process, nonce: string, code: string): number {
  self.write(`fleetflip ${nonce} refused ${code}\n`);
  return 1;
}

/** Reads requests until end of file. */
function* serve(self: Process): Steps<number> {
  const s = makeShell(self);
  for (;;) {
    const line = yield* hear(s);
    if (line === null) break;
    const [id = '', verb = '', ...words] = line.toString('latin1').trimEnd().split(' ');
    s.id = id;
    self.turnTo(verb);
    self.host.world.tell(() => `${self.host.name}[${self.pid}] < ${line.toString('latin1').trimEnd().slice(0, 200)}`);
    yield STEP;
    const done = yield* (VERBS[verb] ?? unknown)(s, words.map(decodeWord));
    self.ending = true;
    yield STEP;
    if (done) s.out.push(`${id} ok\n`);
    if (verb !== 'probe' && verb !== 'fetch')
      self.host.world.tell(() => `${self.host.name}[${self.pid}] > ${s.out.join('').trimEnd()}`);
    self.write(Buffer.concat(s.out.map(part => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part))));
    s.out = [];
  }
  self.turnTo('leave');
  yield* unlock(s);
  return 0;
}

function* unknown(s: Shell): Steps<boolean> {
  yield STEP;
  return sayNo(s, 'NO_VERB', 'no such verb');
}

function* probe(s: Shell, [kind = '']: readonly string[]): Steps<boolean> {
  const { disk, boot } = s.host;
  yield* readRun(s);
  say(s, 'hostname', s.host.name);
  say(s, 'boot', String(boot));
  say(s, 'writable', 'yes');
  say(s, 'rename', 'mv-T');
  say(s, 'free', '', '');
  yield* readLink(s);
  if (s.text === '') say(s, 'link', 'none');
  else say(s, 'link', 'text', s.text);
  if (s.at !== '') say(s, 'points', s.at);
  for (const slot of s.slots) {
    yield STEP;
    const { state, release, label, role, found, at } = claimed(s.host, slot, s.runId, s.state);
    say(s, 'slot', slot, disk.has(directoryOf(slot)) ? 'yes' : 'no', state, release, label, role, found, at);
  }
  yield* sayHolder(s);
  yield* sayRun(s);
  say(s, 'newest', String(newestTime(s)));
  const wanted =
    kind === 'all' || kind === 'quick' || kind === 'trust' ? s.slots : kind === 'live' && s.at !== '' ? [s.at] : [];
  for (const slot of wanted) {
    if (!disk.has(directoryOf(slot))) continue;
    sayScan(s, slot, yield* scan(s, slot));
  }
  return true;
}

function newestTime(s: Shell): number {
  const items = s.slots.flatMap(slot =>
    s.host.disk.list(directoryOf(slot)).map(path => s.host.disk.get(directoryOf(slot), path)),
  );
  return Math.max(0, ...items.map(item => (item?.kind === 'file' ? item.mtime : 0)));
}

function* sayHolder(s: Shell): Steps {
  yield STEP;
  const { holder } = newestLock(s.host);
  if (holder !== null) say(s, 'lock', ...holder.slice(3, 7), isHolderAlive(s.host) ? 'yes' : 'no');
}

function* sayRun(s: Shell): Steps {
  if (s.state === '') return;
  yield STEP;
  const get = (key: string): string => field(s, key);
  const facts = [get('from'), get('slot'), get('release'), get('label'), get('decider'), get('at') || '0'];
  const [window, pulse, participants] = [Number(get('window')), get('pulse'), get('participants')];
  say(s, 'deployment', s.runId, s.state, ...facts);
  if (s.state === 'armed' || s.state === 'flipped' || s.state === 'reverting') {
    yield STEP;
    const remaining = Math.max(0, lastBeat(s.host, pulse) + window - s.host.uptime());
    if (guardLives(s)) say(s, 'guard', 'alive', String(remaining));
    else say(s, 'guard', 'gone', '');
  }
  for (const name of participants.split('\n')) if (name !== '') say(s, 'participant', name);
}

function guardLives(s: Shell): boolean {
  const [pid, start, boot] = (s.host.disk.link(RECORD, `guard.${s.runId}`) ?? '').split(' ');
  return boot === String(s.host.boot) && String(s.host.processes.get(Number(pid))?.start) === start;
}

/** What was scanned in this session. */
function* fetch(s: Shell, [slot = '', kind = '']: readonly string[]): Steps<boolean> {
  yield STEP;
  const found = s.scans.get(slot);
  if (kind !== 'scan' || found === undefined) return sayNo(s, 'NOT_SCANNED', 'there is no such file');
  const { entries, times } = found;
  sayBlob(s, 'manifest', manifestOf(entries));
  sayBlob(s, 'times', Buffer.from(timesOf(times)));
  return true;
}

function sayBlob(s: Shell, key: string, bytes: Buffer): void {
  s.out.push(`${s.id} blob ${key} ${bytes.length}\n`, bytes, '\n');
}

function* history(s: Shell): Steps<boolean> {
  yield STEP;
  for (const id of s.host.disk.list('history')) {
    const {
      at = '',
      command = '',
      owner = '',
      state = '',
      slot = '',
      release = '',
      label = '',
    } = s.host.disk.record('history', id) ?? {};
    const outcome = state === 'confirmed' ? 'committed' : state;
    say(s, 'run', at, id, command, owner, outcome, slot, release, label);
  }
  return true;
}
