/** The simulated agent's phase one: scan, begin, receive, prove, record (agent.sh). */

import { createHash } from 'node:crypto';
import { type Entry, encodeManifest } from '../../src/domain/release.ts';
import { decodeWord, encodeWord } from '../../src/host/words.ts';
import type { Item } from './disk.ts';
import { directoryOf, type Host } from './host.ts';
import { forgetWriter, holdsLock, needLock, noteWriter } from './lock.ts';
import { INPUT, type Process, STEP, type Steps } from './process.ts';
import { isSettled, makeShell, noteSlot, readLink, readSlot, type Scanned, type Shell, say, sayNo } from './shell.ts';

export function digest(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Equal trees are many, so that each is digested once. */
const ids = new Map<string, string>();

export function idOf(entries: readonly Entry[]): string {
  const key = entries.map(entry => `${entry.path} ${textOf(entry)}`).join('\n');
  const known = ids.get(key) ?? `sha256:${digest(encodeManifest(entries))}`;
  ids.set(key, known);
  return known;
}

/** A file's facts stand for its content. */
export function textOf(entry: Entry): string {
  if (entry.kind !== 'file') throw new Error('the simulation knows files only');
  return `${entry.mode} ${entry.size} ${entry.sha256}`;
}

export function entryOf(path: string, item: Item | undefined): Entry {
  const [mode = '', size = '', sha256 = ''] = item?.kind === 'file' ? item.text.split(' ') : [];
  return { kind: 'file', path, mode, size: Number(size), sha256 };
}

export function contentOf(host: Host, slot: string): readonly Entry[] {
  const directory = directoryOf(slot);
  return host.disk.list(directory).map(path => entryOf(path, host.disk.get(directory, path)));
}

const CUT = `644 1 ${'0'.repeat(64)}`;

export function* scan(s: Shell, slot: string): Steps<Scanned> {
  const { disk } = s.host;
  const directory = directoryOf(slot);
  const entries: Entry[] = [];
  const times: number[] = [];
  for (const path of disk.list(directory)) {
    yield STEP;
    const item = disk.get(directory, path);
    if (item?.kind !== 'file') continue;
    entries.push(entryOf(path, item));
    times.push(item.mtime);
  }
  const found = { id: idOf(entries), entries, times };
  s.scans.set(slot, found);
  return found;
}

export function sayScan(s: Shell, slot: string, { id, times }: Scanned): void {
  say(s, 'scan', slot, id, digest(timesOf(times)), String(times.length));
}

export function timesOf(times: readonly number[]): string {
  return times.map(time => `${time}\n`).join('');
}

export function* begin(s: Shell, [slot = '', release = '', label = '']: readonly string[]): Steps<boolean> {
  const { disk } = s.host;
  if (!(yield* needLock(s))) return false;
  if (!(yield* isSettled(s))) return sayNo(s, 'UNSETTLED', `deployment ${s.runId} is not settled`);
  yield* readLink(s);
  if (s.at === slot) return sayNo(s, 'SLOT_IS_LIVE', `the live link points to ${slot}`);
  yield STEP;
  if (!disk.make(directoryOf(slot))) return sayNo(s, 'WRITE_FAILED', 'cannot write to the root');
  const noted = yield* noteSlot(s, slot, { state: 'unproven', release, label, role: '', found: 'no' });
  if (!noted) return sayNo(s, 'WRITE_FAILED', 'cannot write to the root');
  return true;
}

export function* prove(s: Shell, args: readonly string[]): Steps<boolean> {
  const [slot = '', expected = '', release = '', label = ''] = args;
  const { disk, world } = s.host;
  if (!(yield* needLock(s))) return false;
  const found = yield* scan(s, slot);
  if (found.id !== expected && world.broken !== 'no barrier') {
    sayScan(s, slot, found);
    return true;
  }
  const record = yield* readSlot(s, slot);
  yield STEP;
  disk.flush();
  if (record.state !== 'verified') {
    yield STEP;
    const noted = yield* noteSlot(s, slot, { state: 'verified', release, label, role: 'staged', found: 'no' });
    if (!noted) return sayNo(s, 'WRITE_FAILED', 'cannot write to the record');
  }
  world.laws.voted(s.host, s.token ?? 0, found.id === expected);
  say(s, 'proven');
  return true;
}

export function* record(s: Shell, [slot = '']: readonly string[]): Steps<boolean> {
  const { disk } = s.host;
  if (!(yield* needLock(s))) return false;
  const found = yield* scan(s, slot);
  yield STEP;
  disk.flush();
  const facts = { state: 'verified', release: found.id, label: '', role: '', found: 'yes' };
  return (yield* noteSlot(s, slot, facts)) || sayNo(s, 'WRITE_FAILED', 'cannot write to the record');
}

export interface Payload {
  readonly token: number;
  readonly slot: string;
  readonly kind: string;
  readonly from: string;
  /** How many words name what is removed; these, and those that name what is copied. */
  readonly lists: readonly string[];
}

/** A payload over a channel of its own: the lists, then the archive. */
export function* receive(self: Process, { token, slot, kind, from, lists }: Payload): Steps<number> {
  const s = makeShell(self, [slot, from]);
  s.token = token;
  self.token = token;
  const fail = (what: string): number => {
    forgetWriter(s);
    self.write(`failed ${encodeWord(what)}\n`);
    return 1;
  };
  if (!(yield* noteWriter(s))) return fail('cannot write to locks');
  if (!(yield* holdsLock(s))) return fail('the lock is not held');
  if ((yield* readSlot(s, slot)).state !== 'unproven') return fail(`${slot} was not made ready`);
  const [count = '0', ...names] = lists;
  const paths = names.map(name => decodeWord(name).slice(2));
  const listed = yield* follow(s, slot, from, [paths.slice(0, Number(count)), paths.slice(Number(count))]);
  if (listed !== null) return fail(listed);
  const taken = kind === 'lists' ? yield* takeLists(s, slot, from) : yield* takeArchive(s, slot);
  if (taken !== null) return fail(taken);
  yield STEP;
  forgetWriter(s);
  yield STEP;
  self.write('done\n');
  return 0;
}

/** Lines `PATH MTIME MODE SIZE SHA256`, one a message; what was cut off is missed by the proof alone. */
function* takeArchive(s: Shell, slot: string): Steps<string | null> {
  const { disk } = s.host;
  for (;;) {
    const message = yield INPUT;
    if (message === null || message === undefined) return null;
    const [path = '', mtime = '', ...facts] = message.toString('latin1').split(' ');
    for (const text of [CUT, facts.join(' ')]) {
      yield STEP;
      if (!disk.put(directoryOf(slot), path, { kind: 'file', text, mtime: Number(mtime) }))
        return 'No space left on device';
    }
  }
}

/** The tar of both lists comes whole or not at all. */
function* takeLists(s: Shell, slot: string, from: string): Steps<string | null> {
  const tar = yield INPUT;
  if (tar === null || tar === undefined) return 'Unexpected EOF in archive';
  while ((yield INPUT) !== null);
  return yield* follow(s, slot, from, readLists(tar));
}

type Lists = readonly [remove: readonly string[], copy: readonly string[]];

function* follow(s: Shell, slot: string, from: string, [remove, copy]: Lists): Steps<string | null> {
  const { disk } = s.host;
  for (const path of remove) {
    yield STEP;
    disk.remove(directoryOf(slot), path);
  }
  for (const path of copy) {
    yield STEP;
    const item = disk.get(directoryOf(from), path);
    if (item?.kind !== 'file') continue;
    if (!disk.put(directoryOf(slot), path, { ...item, text: CUT })) return 'No space left on device';
    yield STEP;
    disk.put(directoryOf(slot), path, item);
  }
  return null;
}

function readLists(tar: Buffer): Lists {
  const lists: string[][] = [];
  for (let at = 0; lists.length < 2; ) {
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8);
    const text = tar.toString('latin1', at + 512, at + 512 + size);
    lists.push(
      text
        .split('\0')
        .slice(0, -1)
        .map(path => path.slice(2)),
    );
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return [lists[0] ?? [], lists[1] ?? []];
}

/** The manifest of what a slot's record was made with. */
export function manifestOf(entries: readonly Entry[]): Buffer {
  return Buffer.from(encodeManifest(entries));
}
