/** What every verb of the simulated agent works with: the variables of its shell, and reading the record (agent.sh). */

import type { Entry } from '../../src/domain/release.ts';
import { encodeWord } from '../../src/host/words.ts';
import type { Fields } from './disk.ts';
import { directoryOf, type Host, LOCKS, NAME, RECORD, ROOT, SLOTS } from './host.ts';
import { type Process, STEP, type Steps } from './process.ts';

export interface Shell {
  readonly host: Host;
  readonly process: Process;
  readonly slots: readonly string[];
  id: string;
  out: (string | Buffer)[];
  token: number | null;
  owns: boolean;
  /** `b.N.PID` of the lock that it holds. */
  pulse: string;
  beaten: number;
  /** The newest deployment: its file, its id and how it stands; all empty when there is none. */
  run: string;
  runId: string;
  state: string;
  /** What its file said when it was read. */
  fields: Fields;
  /** What the live link says, and the slot that it points to. */
  text: string;
  at: string;
  /** When it is to rename, in seconds of this boot; null: nothing is waited for. */
  goal: number | null;
  /** When it renamed at such an instant; null: it did not. */
  renamedAt: number | null;
  /** By slot, of this session. */
  readonly scans: Map<string, Scanned>;
}

export interface Scanned {
  readonly id: string;
  readonly entries: readonly Entry[];
  readonly times: readonly number[];
}

export function makeShell(process: Process, slots: readonly string[] = SLOTS): Shell {
  const empty = { run: '', runId: '', state: '', fields: {}, text: '', at: '', scans: new Map<string, Scanned>() };
  return {
    host: process.host,
    process,
    slots,
    id: '0',
    out: [],
    token: null,
    owns: false,
    pulse: '',
    beaten: 0,
    goal: null,
    renamedAt: null,
    ...empty,
  };
}

export function say(s: Shell, key: string, ...words: readonly string[]): void {
  s.out.push(`${[s.id, '+', key, ...words.map(encodeWord)].join(' ')}\n`);
}

/** @returns false, as a verb does that refuses */
export function sayNo(s: Shell, code: string, text: string): false {
  s.out.push(`${s.id} no ${code} ${encodeWord(text)}\n`);
  return false;
}

export function* readLink(s: Shell): Steps {
  yield STEP;
  s.text = s.host.disk.link(ROOT, NAME) ?? '';
  s.at = slotOf(s.text, s.slots);
}

export function slotOf(text: string, slots: readonly string[]): string {
  const pointed = text.replace(/\/$/, '').replace(/^\.\//, '');
  return slots.find(slot => slot === pointed) ?? '';
}

export interface SlotRecord {
  readonly state: string;
  readonly release: string;
  readonly label: string;
  readonly role: string;
  readonly found: string;
  readonly at: string;
}

const NOTHING = { release: '', label: '', role: '', found: 'no', at: '' };

/** What a decision made of a slot counts from the decision on. */
export function* readSlot(s: Shell, slot: string): Steps<SlotRecord> {
  yield STEP;
  return claimed(s.host, slot, s.runId, s.state);
}

export function claimed(host: Host, slot: string, runId: string, state: string): SlotRecord {
  const { disk } = host;
  if (!disk.has(directoryOf(slot))) return { state: 'empty', ...NOTHING };
  const fields = disk.record(RECORD, `be.${runId}.${state}.${slot}`) ?? disk.record(RECORD, `slot.${slot}`);
  if (fields === undefined)
    return { state: disk.list(directoryOf(slot)).length > 0 ? 'unproven' : 'empty', ...NOTHING };
  const { state: said = '', release = '', label = '', role = '', found = 'no', at = '' } = fields;
  return { state: said, release, label, role, found, at };
}

/** One file, whole or not at all, flushed. */
export function* writeRecord(s: Shell, name: string, fields: Fields): Steps<boolean> {
  const { disk } = s.host;
  yield STEP;
  if (!disk.put(RECORD, `new.${name}`, { kind: 'record', fields })) return false;
  disk.flush();
  yield STEP;
  if (!disk.rename(RECORD, `new.${name}`, RECORD, name)) return false;
  yield STEP;
  disk.flush();
  return true;
}

export function* writeSlot(s: Shell, name: string, slot: SlotRecord): Steps<boolean> {
  return yield* writeRecord(s, name, { ...slot, boot: String(s.host.boot) });
}

/** What is in the slot from now on; what a deployment had made ready for it is void. */
export function* noteSlot(s: Shell, slot: string, facts: Omit<SlotRecord, 'at'>): Steps<boolean> {
  const { disk } = s.host;
  for (const name of disk.list(RECORD, 'be.')) {
    yield STEP;
    if (name.endsWith(`.${slot}`)) disk.remove(RECORD, name);
  }
  return yield* writeSlot(s, `slot.${slot}`, { ...facts, at: String(Math.floor(s.host.wall() / 1000)) });
}

/** Sets run, runId and state. An armed deployment whose link has moved is flipped. */
export function* readRun(s: Shell): Steps {
  const { disk } = s.host;
  for (;;) {
    yield STEP;
    s.run = newestRun(s.host);
    [s.runId, s.state] = splitRun(s.run);
    if (s.run === '') return;
    yield STEP;
    const fields = disk.record(RECORD, s.run);
    if (fields === undefined) continue;
    s.fields = fields;
    if (s.state === 'armed' && (yield* hasFlipped(s))) s.state = 'flipped';
    return;
  }
}

export function newestRun(host: Host): string {
  let newest = 0;
  let run = '';
  for (const name of host.disk.list(RECORD, 'run.')) {
    const token = Number(name.split('.')[1]);
    if (token < newest) continue;
    newest = token;
    run = name;
  }
  return run;
}

export function splitRun(run: string): [id: string, state: string] {
  const [, , id = '', state = ''] = run.split('.');
  return [id, state];
}

export function* needRun(s: Shell, deployment: string): Steps<boolean> {
  yield* readRun(s);
  if (s.state !== '' && s.runId === deployment) return true;
  return sayNo(s, 'NOT_ARMED', `the record holds no deployment ${deployment}`);
}

export function* hasFlipped(s: Shell): Steps<boolean> {
  const { disk } = s.host;
  yield STEP;
  if (disk.has(`there.${s.runId}`, NAME)) return false;
  yield STEP;
  return !disk.has(`there.${s.runId}`, 'cancelled');
}

export function* isSettled(s: Shell): Steps<boolean> {
  yield* readRun(s);
  return s.state === '' || s.state === 'confirmed' || s.state === 'reverted';
}

/** The deployment's file is renamed, which one contender can do. */
export function* decide(s: Shell, state: string): Steps<boolean> {
  yield STEP;
  const target = `${s.run.slice(0, s.run.lastIndexOf('.'))}.${state}`;
  if (!s.host.disk.rename(RECORD, s.run, RECORD, target)) return false;
  s.run = target;
  s.state = state;
  return true;
}

export function field(s: Shell, key: string): string {
  return s.fields[key] ?? '';
}

export interface Holder {
  readonly g: number;
  /** Null when the generation is free, or there is none. */
  readonly holder: readonly string[] | null;
}

export function newestLock(host: Host): Holder {
  let g = 0;
  for (const name of host.disk.list(LOCKS, 'g.')) g = Math.max(g, Number(name.slice(2)));
  const text = g === 0 ? '' : (host.disk.link(LOCKS, `g.${g}`) ?? '');
  return { g, holder: text === '' || text === 'free' ? null : text.split(' ') };
}
