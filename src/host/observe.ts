/** The lines of a probe to an observation, strictly: an answer that cannot be read is no answer. */

import { show } from '../domain/bytes.ts';
import type { Unpacker } from '../domain/packing.ts';
import type {
  DeploymentRecord,
  DeploymentState,
  Guard,
  LiveName,
  LockHolder,
  Observation,
  SlotFacts,
  SlotRole,
  SlotState,
} from '../domain/slot.ts';
import type { Reply } from './wire.ts';

/** A scan as the agent announces it, before its manifest is fetched. */
export interface ScanHead {
  readonly slot: string;
  readonly id: string;
  readonly times: string;
}

export type Facts = Omit<Observation, 'scans' | 'drifts'>;

/** @throws Error when a line is missing or malformed. */
export function readFacts(host: string, reply: Reply): Facts {
  const one = (key: string): readonly string[] | undefined => reply.lines.find(line => line.key === key)?.words;
  const must = (key: string): readonly string[] => {
    const words = one(key);
    if (words === undefined) throw new Error(`the probe lacks the line ${key}`);
    return words;
  };
  const rename = must('rename')[0] ?? '';
  const slots = reply.lines.filter(line => line.key === 'slot').map(line => readSlot(line.words));
  if (slots.length === 0) throw new Error('the probe lacks the line slot');
  return {
    host,
    hostname: show(must('hostname')[0] ?? ''),
    live: readLive(must('link'), { points: one('points')?.[0] ?? null, slots }),
    slots,
    lock: readLock(one('lock')),
    deployment: readDeployment(one('deployment'), reply),
    rename: rename === 'none' ? null : rename,
    missing: reply.lines.filter(line => line.key === 'missing').map(line => line.words[0] ?? ''),
    unpacks: reply.lines.filter(line => line.key === 'unpacks').map(line => readUnpacker(line.words[0])),
    writable: yesOrNo(must('writable')[0]),
    freeBytes: optionalNumber(must('free')[0]),
    freeInodes: optionalNumber(must('free')[1]),
  };
}

/** @throws Error when a `scan` line is malformed. */
export function readScanHeads(reply: Reply): readonly ScanHead[] {
  return reply.lines
    .filter(line => line.key === 'scan')
    .map(({ words: [slot = '', id = '', times = ''] }) => {
      if (!/^sha256:[0-9a-f]{64}$/.test(id) || !/^[0-9a-f]{64}$/.test(times)) throw new Error('a scan without an id');
      return { slot, id, times };
    });
}

function readUnpacker(word: string | undefined): Unpacker {
  if (word !== 'gzip' && word !== 'zstd' && word !== 'patch') throw new Error(`nobody unpacks ${word}`);
  return word;
}

function readLive(
  words: readonly string[],
  { points, slots }: { points: string | null; slots: readonly SlotFacts[] },
): LiveName {
  switch (words[0]) {
    case 'none':
      return { kind: 'none' };
    case 'directory':
      return { kind: 'directory' };
    case 'other':
      return { kind: 'other' };
    case 'text':
      if (points !== null && !slots.some(({ slot }) => slot === points)) throw new Error(`${points} is no slot`);
      return { kind: 'link', text: words[1] ?? '', slot: points };
    default:
      throw new Error(`the link is ${words[0]}`);
  }
}

const STATES: readonly SlotState[] = ['empty', 'unproven', 'verified'];
const ROLES: readonly SlotRole[] = ['staged', 'previous', 'rejected'];

function readSlot([slot = '', exists, state, release = '', label = '', role, found, at]: readonly string[]): SlotFacts {
  const known = STATES.find(one => one === state);
  if (known === undefined) throw new Error(`a slot is ${state}`);
  const knownRole = ROLES.find(one => one === role) ?? null;
  if (knownRole === null && role !== '') throw new Error(`a slot's role is ${role}`);
  return {
    slot,
    exists: yesOrNo(exists),
    state: known,
    release: release === '' ? null : release,
    label: show(label),
    role: knownRole,
    found: yesOrNo(found),
    recordedAt: optionalNumber(at),
  };
}

function readLock(words: readonly string[] | undefined): LockHolder | null {
  if (words === undefined) return null;
  const [deployment = '', owner = '', command = '', since, alive] = words;
  return { deployment, owner: show(owner), command, since: number(since), alive: yesOrNo(alive) };
}

const RUNS: readonly DeploymentState[] = [
  'armed',
  'flipped',
  'reverting',
  'reverted',
  'forwarding',
  'confirmed',
  'torn',
];

function readDeployment(words: readonly string[] | undefined, reply: Reply): DeploymentRecord | null {
  if (words === undefined) return null;
  const [deployment = '', state, from = '', to = '', release = '', label = '', decider = '', at] = words;
  const known = RUNS.find(one => one === state);
  if (known === undefined) throw new Error(`a deployment is ${state}`);
  const participants = reply.lines.filter(line => line.key === 'participant').map(line => show(line.words[0] ?? ''));
  return {
    deployment,
    state: known,
    participants,
    decider: show(decider),
    from: from === '' ? null : from,
    to,
    release,
    label: show(label),
    at: number(at),
    guard: readGuard(reply.lines.find(line => line.key === 'guard')?.words),
  };
}

/** The host counts in hundredths of a second. */
function readGuard(words: readonly string[] | undefined): Guard | null {
  if (words === undefined) return null;
  const remaining = optionalNumber(words[1]);
  if (words[0] !== 'alive' && words[0] !== 'gone') throw new Error(`a guard is ${words[0]}`);
  return { alive: words[0] === 'alive', remaining: remaining === null ? null : remaining * 10 };
}

function yesOrNo(text: string | undefined): boolean {
  if (text !== 'yes' && text !== 'no') throw new Error(`neither yes nor no: ${text}`);
  return text === 'yes';
}

function number(text: string | undefined): number {
  if (text === undefined || !/^-?\d{1,18}$/.test(text)) throw new Error(`not a number: ${text}`);
  return Number(text);
}

function optionalNumber(text: string | undefined): number | null {
  return text === undefined || text === '' ? null : number(text);
}
