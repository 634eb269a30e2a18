/** Trees of slots, fetched from the agent: each distinct one travels once for the whole fleet. */

import { createHash } from 'node:crypto';
import { fromBytes } from '../domain/bytes.ts';
import { decodeManifest, diffManifests, type Tree } from '../domain/release.ts';
import { type Drift, describeDrift, type SlotFacts, type SlotScan } from '../domain/slot.ts';
import type { Conversation } from './conversation.ts';
import type { ScanHead } from './observe.ts';
import type { Reply } from './wire.ts';

/** Trees that were fetched, by id and times. */
export type ManifestCache = Map<string, Promise<SlotScan>>;

export interface Scans {
  /** Another host's fetch of the same tree is waited for; when that fails, this host is asked. */
  fetch(head: ScanHead, signal: AbortSignal | undefined): Promise<SlotScan>;
  /** How a slot differs from what its record says; null: not at all. */
  measureDrift(facts: SlotFacts, scan: SlotScan): Promise<Drift | null>;
}

export function createScans(talk: Conversation, known: ManifestCache): Scans {
  function decodeScan(head: ScanHead, reply: Reply): SlotScan {
    const manifest = reply.blobs.get('manifest') ?? new Uint8Array();
    const times = reply.blobs.get('times') ?? new Uint8Array();
    if (`sha256:${digest(manifest)}` !== head.id || digest(times) !== head.times)
      throw talk.refuseNonsense('a scan is not the one that was announced');
    const tree = decode(manifest);
    const seconds = fromBytes(times).split('\n').slice(0, -1).map(Number);
    if (seconds.length !== tree.length) throw talk.refuseNonsense('a scan has not one time an entry');
    return { id: head.id, manifest: tree, times: seconds };
  }

  function decode(bytes: Uint8Array): Tree {
    try {
      return decodeManifest(bytes);
    } catch (thrown) {
      throw talk.refuseNonsense(thrown instanceof Error ? thrown.message : String(thrown));
    }
  }

  return {
    async fetch(head, signal) {
      const key = `${head.id} ${head.times}`;
      const found = await known.get(key)?.catch(() => undefined);
      if (found !== undefined) return found;
      const request = { phase: 'probe' as const, verb: 'fetch', args: [head.slot, 'scan'], signal };
      const fetching = talk.ask(request).then(reply => decodeScan(head, reply));
      known.set(key, fetching);
      return fetching;
    },
    async measureDrift(facts, scan) {
      if (facts.state !== 'verified' || facts.release === scan.id) return null;
      const reply = await talk.ask({ phase: 'probe', verb: 'fetch', args: [facts.slot, 'record'] });
      const recorded = decode(reply.blobs.get('manifest') ?? new Uint8Array());
      return describeDrift(diffManifests(recorded, scan.manifest));
    },
  };
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
