/** The agent on one host, as the engine sees it: one request at a time over one channel, payloads over others. */

import { createHash } from 'node:crypto';
import { type ByteString, fromBytes, fromText, show } from '../domain/bytes.ts';
import { type Failure, FleetflipError, type Phase } from '../domain/error.ts';
import { decodeManifest, diffManifests, type Tree } from '../domain/release.ts';
import { type Drift, describeDrift, type Observation, type SlotFacts, type SlotScan } from '../domain/slot.ts';
import type { Clock, HistoryLine, HostSession } from '../ports.ts';
import { readFacts, readScanHeads, type ScanHead } from './observe.ts';
import { upload } from './receive.ts';
import { explainRefusal } from './refusals.ts';
import { type AgentStart, startAgent } from './start.ts';
import { abortable, stoppedBy, talkFailure } from './talk.ts';
import { type Reply, readReply } from './wire.ts';
import { encodeWord } from './words.ts';

/** Trees that were fetched, by id and times, so that each distinct one travels once for the whole fleet. */
export type ManifestCache = Map<string, Promise<SlotScan>>;

export interface SessionOptions extends AgentStart {
  readonly clock: Clock;
  readonly manifests: ManifestCache;
}

/** @throws FleetflipError when the agent could not be started. */
export async function openSession(options: SessionOptions, signal?: AbortSignal): Promise<HostSession> {
  const { host, clock, manifests, patience } = options;
  const started = await startAgent(options, { verb: 'serve', words: host.app.slots, signal });
  let lastId = 0;
  let usable = true;
  let queue: Promise<unknown> = Promise.resolve();

  /** Runs after the requests before it. After an abort the answer may still come: the session is given up. */
  function ask(phase: Phase, verb: string, args: readonly ByteString[], signal?: AbortSignal): Promise<Reply> {
    const turn = queue.then(() => exchange(phase, [verb, ...args.map(encodeWord)], signal));
    queue = turn.catch(() => undefined);
    return turn;
  }

  async function exchange(
    phase: Phase,
    words: readonly string[],
    limit = AbortSignal.timeout(patience),
  ): Promise<Reply> {
    if (!usable) throw lost(phase, 'the connection is gone');
    if (limit.aborted) throw stoppedBy(limit, { host, phase });
    const id = ++lastId;
    started.channel.stdin.write(`${id} ${words.join(' ')}\n`);
    const reply = await abortable(readReply(started.reader, id), limit).catch(thrown => {
      usable = false;
      started.channel.destroy();
      if (limit.aborted) throw stoppedBy(limit, { host, phase });
      throw nonsense(`the host's answer cannot be read: ${message(thrown)}`, phase);
    });
    if (reply === null) {
      usable = false;
      throw lost(phase, 'the connection was lost before the answer came');
    }
    if (reply.no === null) return reply;
    throw new FleetflipError(refusal(phase, reply));
  }

  function lost(phase: Phase, what: string): FleetflipError {
    const said = started.complaints().trim();
    const told = said === '' ? what : `${what}; it said: ${said}`;
    return talkFailure({ host, phase }, { kind: 'lost', code: 'CONNECTION_LOST', what: told });
  }

  function refusal(phase: Phase, reply: Reply): Failure {
    const held = reply.lines.find(line => line.key === 'holder')?.words;
    const text = held === undefined ? (reply.no?.text ?? '') : describeHolder(held);
    return explainRefusal({ code: reply.no?.code ?? '', text: show(text), host: host.name, phase });
  }

  /** Another host's fetch of the same tree is waited for; when that fails, this host is asked. */
  async function fetchScan(head: ScanHead, signal: AbortSignal | undefined): Promise<SlotScan> {
    const key = `${head.id} ${head.times}`;
    const known = await manifests.get(key)?.catch(() => undefined);
    if (known !== undefined) return known;
    const fetching = ask('probe', 'fetch', [head.slot, 'scan'], signal).then(reply => decodeScan(head, reply));
    manifests.set(key, fetching);
    return fetching;
  }

  function decodeScan(head: ScanHead, reply: Reply): SlotScan {
    const manifest = reply.blobs.get('manifest') ?? new Uint8Array();
    const times = reply.blobs.get('times') ?? new Uint8Array();
    if (`sha256:${digest(manifest)}` !== head.id || digest(times) !== head.times)
      throw nonsense('a scan is not the one that was announced');
    const tree = decode(manifest);
    const seconds = fromBytes(times).split('\n').slice(0, -1).map(Number);
    if (seconds.length !== tree.length) throw nonsense('a scan has not one time an entry');
    return { id: head.id, manifest: tree, times: seconds };
  }

  function decode(bytes: Uint8Array): Tree {
    try {
      return decodeManifest(bytes);
    } catch (thrown) {
      throw nonsense(message(thrown));
    }
  }

  function nonsense(what: string, phase: Phase = 'probe'): FleetflipError {
    return talkFailure({ host, phase }, { kind: 'unknown', code: 'AGENT_NONSENSE', what });
  }

  async function measureDrift(facts: SlotFacts, scan: SlotScan): Promise<Drift | null> {
    if (facts.state !== 'verified' || facts.release === scan.id) return null;
    const reply = await ask('probe', 'fetch', [facts.slot, 'record']);
    return describeDrift(diffManifests(decode(reply.blobs.get('manifest') ?? new Uint8Array()), scan.manifest));
  }

  function read<T>(parse: () => T): T {
    try {
      return parse();
    } catch (thrown) {
      throw nonsense(message(thrown));
    }
  }

  async function probe(scan: 'none' | 'live' | 'all', signal?: AbortSignal): Promise<Observation> {
    const reply = await ask('probe', 'probe', [scan], signal);
    const facts = read(() => readFacts(host.name, reply));
    const scans: Record<string, SlotScan> = {};
    const drifts: Record<string, Drift | null> = {};
    for (const head of read(() => readScanHeads(reply))) {
      const found = await fetchScan(head, signal);
      scans[head.slot] = found;
      const slot = facts.slots.find(one => one.slot === head.slot);
      if (slot?.state === 'verified') drifts[head.slot] = await measureDrift(slot, found);
    }
    return { ...facts, scans, drifts };
  }

  return {
    host,
    get usable() {
      return usable;
    },
    probe,
    async lock({ deployment, owner, command }) {
      await ask('lock', 'lock', [deployment, fromText(owner), command]);
    },
    async unlock() {
      await ask('unlock', 'unlock', []);
    },
    async breakLock() {
      const reply = await ask('unlock', 'break-lock', []);
      const words = reply.lines.find(line => line.key === 'holder')?.words;
      return words === undefined ? null : { deployment: words[0] ?? '', owner: show(words[1] ?? '') };
    },
    async stage(request, signal) {
      await ask('stage', 'begin', [request.slot, request.release, fromText(request.label), request.deployment], signal);
      await upload({ start: options, request, signal });
    },
    async prove({ slot, expected, release, label }, signal) {
      const reply = await ask('verify', 'prove', [slot, expected, release, fromText(label)], signal);
      if (reply.lines.some(line => line.key === 'proven')) return { proven: true };
      const head = read(() => readScanHeads(reply))[0];
      if (head === undefined) throw nonsense('neither a proof nor a scan');
      return { proven: false, scan: await fetchScan(head, signal) };
    },
    async record(slot, signal) {
      await ask('stage', 'record', [slot], signal);
    },
    async run(slot, check, signal) {
      const seconds = String(Math.max(1, Math.ceil(check.within / 1000)));
      const reply = await ask('verify', 'run', [slot, seconds, fromText(check.run)], signal);
      const code = reply.lines.find(line => line.key === 'exit')?.words[0];
      if (code === undefined) throw nonsense('a check without an exit status');
      return {
        exitCode: code === '' ? null : Number(code),
        output: fromBytes(reply.blobs.get('output') ?? new Uint8Array()),
      };
    },
    async arm(request) {
      const { slot, release, label, deployment, command, owner, decider, participants } = request;
      await ask('arm', 'arm', [
        slot,
        release,
        fromText(label),
        deployment,
        command,
        fromText(owner),
        ...[decider, ...participants].map(fromText),
      ]);
    },
    async flip(deployment) {
      const reply = await ask('flip', 'flip', [deployment]);
      const at = reply.lines.find(line => line.key === 'at')?.words[0] ?? '';
      return at === '' ? null : Number(at) * 1000;
    },
    async revert(deployment) {
      await ask('revert', 'revert', [deployment]);
    },
    async confirm(deployment) {
      await ask('confirm', 'confirm', [deployment]);
    },
    async forward(deployment) {
      await ask('confirm', 'forward', [deployment]);
    },
    async history() {
      const reply = await ask('probe', 'history', []);
      return reply.lines.filter(line => line.key === 'run').map(line => readHistory(line.words));
    },
    async tryNeeds() {
      const reply = await ask('probe', 'needs', []);
      return reply.lines.filter(line => line.key === 'problem').map(line => show(line.words[0] ?? ''));
    },
    async adopt({ allowGap }) {
      const slot = host.app.slots[0] ?? '';
      const reply = await ask('probe', 'adopt', [allowGap ? 'gap' : 'atomic', slot]);
      const how = reply.lines.find(line => line.key === 'adopted')?.words[1];
      if (how !== 'atomic' && how !== 'gap' && how !== 'copied') throw nonsense('an adoption without its way');
      return { slot, how };
    },
    async clockOffset() {
      let best: { offset: number; error: number } | null = null;
      for (let sample = 0; sample < 5; sample++) {
        const sent = clock.now();
        const reply = await ask('flip', 'clock', []);
        const back = clock.now();
        const there = reply.lines.find(line => line.key === 'now')?.words[0] ?? '';
        if (there === '') return null;
        const error = (back - sent) / 2;
        if (best === null || error < best.error) best = { offset: Number(there) * 1000 - (sent + back) / 2, error };
      }
      return best;
    },
    close() {
      usable = false;
      started.channel.destroy();
    },
  };
}

function describeHolder([deployment = '', owner = '', command = '', since = '']: readonly string[]): string {
  const at = /^\d+$/.test(since) ? new Date(Number(since) * 1000).toISOString() : 'an unknown time';
  return `locked by ${owner}, who runs ${command} (deployment ${deployment}) since ${at}`;
}

function readHistory([
  at = '',
  deployment = '',
  command = '',
  owner = '',
  outcome = '',
  slot = '',
  release = '',
  label = '',
]: readonly string[]): HistoryLine {
  return {
    at: Number(at),
    deployment,
    command,
    owner: show(owner),
    outcome,
    slot: slot || null,
    release: release || null,
    label: show(label),
  };
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function message(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
