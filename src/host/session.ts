/** The agent on one host, as the engine sees it: its verbs over one conversation, the lock over another, payloads apart. */

import { fromBytes, fromText, show } from '../domain/bytes.ts';
import { FleetflipError, type Phase } from '../domain/error.ts';
import type { Drift, Observation, SlotScan } from '../domain/slot.ts';
import type { HistoryLine, HostSession, ScanWish } from '../ports.ts';
import { measureClock } from './clock.ts';
import { type Conversation, openConversation } from './conversation.ts';
import { measureLink, readContents } from './link.ts';
import { readFacts, readScanHeads } from './observe.ts';
import { pullArtifact, upload } from './receive.ts';
import { explainRefusal } from './refusals.ts';
import { createScans, type ManifestCache } from './scans.ts';
import type { AgentStart } from './start.ts';
import type { Reply } from './wire.ts';

export interface SessionOptions extends AgentStart {
  readonly manifests: ManifestCache;
}

/** @throws FleetflipError when the agent could not be started. */
export async function openSession(options: SessionOptions, signal?: AbortSignal): Promise<HostSession> {
  const { host, clock } = options;
  const talk = await openConversation(options, signal);
  const more = { ...options, measured: true };
  const scans = createScans(talk, options.manifests);
  let lease: Conversation | null = null;
  let token = '';
  let aiming = false;

  async function ask(phase: Phase, verb: string, args: readonly string[], signal?: AbortSignal): Promise<Reply> {
    await stopAiming(signal);
    return talk.ask({ phase, verb, args, signal });
  }

  async function stopAiming(signal?: AbortSignal): Promise<void> {
    if (!aiming) return;
    aiming = false;
    await talk.ask({ phase: 'arm', verb: 'leave', signal });
  }

  function lostLock(): FleetflipError {
    return new FleetflipError(explainRefusal({ code: 'NOT_LOCKED', text: '', host: host.name, phase: 'lock' }));
  }

  function read<T>(parse: () => T): T {
    try {
      return parse();
    } catch (thrown) {
      throw talk.refuseNonsense(thrown instanceof Error ? thrown.message : String(thrown));
    }
  }

  async function probe(scan: ScanWish, signal?: AbortSignal): Promise<Observation> {
    const words = typeof scan === 'string' ? [scan] : ['trust', scan.trust];
    const reply = await ask('probe', 'probe', words, signal);
    const facts = read(() => readFacts(host.name, reply));
    const found: Record<string, SlotScan> = {};
    const drifts: Record<string, Drift | null> = {};
    for (const head of read(() => readScanHeads(reply))) {
      const tree = await scans.fetch(head, signal);
      found[head.slot] = tree;
      const slot = facts.slots.find(one => one.slot === head.slot);
      if (slot?.state === 'verified') drifts[head.slot] = await scans.measureDrift(slot, tree);
    }
    return { ...facts, scans: found, drifts };
  }

  return {
    host,
    get usable() {
      return talk.usable;
    },
    get locked() {
      return token !== '';
    },
    probe,
    async lock({ deployment, owner, command, lease: time }) {
      const args = [deployment, fromText(owner), command, hundredths(time)];
      lease ??= await openConversation(more);
      const reply = await lease.ask({ phase: 'lock', verb: 'lock', args });
      token = find(reply, 'token')?.[0] ?? '';
      await ask('lock', 'use', [token]);
    },
    async beat(signal) {
      if (lease === null) throw lostLock();
      await lease.ask({ phase: 'lock', verb: 'beat', signal });
    },
    async unlock(signal) {
      if (talk.usable) await ask('unlock', 'unlock', [], signal);
      if (lease?.usable) await lease.ask({ phase: 'unlock', verb: 'unlock', signal });
      token = '';
    },
    async breakLock() {
      const words = find(await ask('unlock', 'break-lock', []), 'holder');
      return words === undefined ? null : { deployment: words[0] ?? '', owner: show(words[1] ?? '') };
    },
    async stage(request, signal) {
      await ask('stage', 'begin', [request.slot, request.release, fromText(request.label), request.deployment], signal);
      await upload({ start: more, token, request, signal });
    },
    measure: (bytes, signal) => measureLink(more, bytes, signal),
    readContents: (request, signal) => readContents(more, { ...request, signal }),
    async pull(request, signal) {
      await ask('stage', 'begin', [request.slot, request.release, fromText(request.label), request.deployment], signal);
      return pullArtifact({ start: more, token, request, signal });
    },
    async prove({ slot, expected, release, label }, signal) {
      const reply = await ask('verify', 'prove', [slot, expected, release, fromText(label)], signal);
      if (find(reply, 'proven') !== undefined) return { proven: true };
      const head = read(() => readScanHeads(reply))[0];
      if (head === undefined) throw talk.refuseNonsense('neither a proof nor a scan');
      return { proven: false, scan: await scans.fetch(head, signal) };
    },
    async record(slot, signal) {
      await ask('stage', 'record', [slot], signal);
    },
    async run(slot, check, signal) {
      const seconds = String(Math.max(1, Math.ceil(check.within / 1000)));
      const reply = await ask('verify', 'run', [slot, seconds, fromText(check.run)], signal);
      const code = find(reply, 'exit')?.[0];
      if (code === undefined) throw talk.refuseNonsense('a check without an exit status');
      return {
        exitCode: code === '' ? null : Number(code),
        output: fromBytes(reply.blobs.get('output') ?? new Uint8Array()),
      };
    },
    async arm({ slot, release, label, deployment, command, owner, decider, participants, window }) {
      const words = [slot, release, fromText(label), deployment, command, fromText(owner), hundredths(window)];
      await ask('arm', 'arm', [...words, ...[decider, ...participants].map(fromText)]);
    },
    async aim(deployment) {
      await ask('arm', 'aim', [deployment]);
      aiming = true;
      return measureClock(talk, clock);
    },
    async schedule(instant, signal) {
      await talk.ask({ phase: 'flip', verb: 'at', args: [(instant / 1000).toFixed(6)], signal });
    },
    async cancel(signal) {
      await talk.ask({ phase: 'flip', verb: 'cancel', signal });
    },
    async flip(deployment, signal) {
      aiming = false;
      const at = find(await talk.ask({ phase: 'flip', verb: 'flip', args: [deployment], signal }), 'at')?.[0] ?? '';
      return at === '' ? null : Number(at) * 1000;
    },
    async revert(deployment, reject, signal) {
      const request = {
        phase: 'revert',
        verb: 'revert',
        args: [deployment, reject ? 'reject' : 'keep'],
        signal,
      } as const;
      // What waits for the instant of the flip may not have answered yet: nothing over the same channel comes before that.
      const reply =
        aiming && lease?.usable ? await lease.ask(request) : await ask('revert', 'revert', request.args, signal);
      const moved = find(reply, 'moved')?.[0];
      return moved === 'yes' ? true : moved === 'no' ? false : null;
    },
    async confirm(deployment, signal) {
      await ask('confirm', 'confirm', [deployment], signal);
    },
    async forward(deployment, signal) {
      await ask('confirm', 'forward', [deployment], signal);
    },
    async history() {
      const reply = await ask('probe', 'history', []);
      return reply.lines.filter(line => line.key === 'run').map(line => readHistory(line.words));
    },
    async tryNeeds() {
      const reply = await ask('probe', 'needs', []);
      const texts = (key: string): readonly string[] =>
        reply.lines.filter(line => line.key === key).map(line => show(line.words[0] ?? ''));
      const fetcher = FETCHERS.find(one => one === find(reply, 'fetcher')?.[0]);
      if (fetcher === undefined) throw talk.refuseNonsense('needs without a fetcher');
      return { problems: texts('problem'), warnings: texts('warning'), fetcher };
    },
    async adopt({ allowGap }) {
      const slot = host.app.slots[0] ?? '';
      const reply = await ask('probe', 'adopt', [allowGap ? 'gap' : 'atomic', slot]);
      const how = find(reply, 'adopted')?.[1];
      if (how !== 'atomic' && how !== 'gap' && how !== 'copied')
        throw talk.refuseNonsense('an adoption without its way');
      return { slot, how };
    },
    close() {
      talk.close();
      lease?.close();
    },
  };
}

const FETCHERS = ['curl', 'wget', 'simple', 'none'] as const;

/** The host counts time in hundredths of a second. */
function hundredths(milliseconds: number): string {
  return String(Math.max(1, Math.round(milliseconds / 10)));
}

function find(reply: Reply, key: string): readonly string[] | undefined {
  return reply.lines.find(line => line.key === key)?.words;
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
