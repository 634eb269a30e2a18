/** Brings into a slot what it lacks, in the form that suits the link. */

import { performance } from 'node:perf_hooks';
import { FleetflipError } from '../domain/error.ts';
import { choosePacking, isSlow, type Packing, sampleSize } from '../domain/packing.ts';
import type { HostPart } from '../domain/plan.ts';
import type { Transfer } from '../domain/transfer.ts';
import type { HostSession } from '../ports.ts';
import { canZstd } from '../release/index.ts';
import type { Archive } from './archives.ts';
import { fetchBases } from './bases.ts';
import type { Stagehands } from './perform.ts';

/** One host's work within its time. */
export interface Working {
  readonly part: HostPart;
  readonly session: HostSession;
  readonly hands: Stagehands;
  readonly signal: AbortSignal;
}

/** @throws FleetflipError with the host's answer, or why the release cannot be packed */
export async function bring(transfer: Transfer, working: Working): Promise<void> {
  const { part, session, hands, signal } = working;
  const { archives } = hands;
  if (archives === null) throw new Error('nothing to send');
  const getBases = () => fetchBases(part.live ?? part.slot, { send: transfer.send, session, signal });
  const pack = (packing: Packing | null): Promise<Archive | null> =>
    archives.get(transfer, hands.instant(), packing && { packing, getBases });
  const packing = await choose(await pack(null), working);
  try {
    await send(await pack(packing), { transfer, packing, working });
  } catch (thrown) {
    // The files that the host has may be others than those of the host that was asked.
    if (!packing?.patched || !(thrown instanceof FleetflipError) || thrown.failure.code !== 'UNPACK_FAILED')
      throw thrown;
    const whole = { ...packing, patched: false };
    await send(await pack(whole), { transfer, packing: whole, working });
  }
}

interface Sending {
  readonly transfer: Transfer;
  readonly packing: Packing | null;
  readonly working: Working;
}

async function send(archive: Archive | null, { transfer, packing, working }: Sending): Promise<void> {
  const { part, session, hands, signal } = working;
  const request = {
    slot: part.slot,
    release: part.release,
    label: part.label,
    deployment: hands.context.deployment,
    from: part.live,
    remove: transfer.remove,
    copy: transfer.copy,
    archive: archive?.open ?? null,
    packing,
    onSent: createProgress(part.host, archive?.size ?? 0, hands),
  };
  await session.stage(request, signal);
}

/** Null: the archive travels as it is. */
async function choose(archive: Archive | null, { part, session, hands, signal }: Working): Promise<Packing | null> {
  const wish = hands.context.fleet.strategy.compress;
  const packing = choosePacking(wish, part.unpacks, canZstd);
  if (archive === null || packing === null || wish !== 'auto') return packing;
  const size = sampleSize(archive.size);
  if (size === 0) return null;
  const sample = await readStart(archive, size);
  const before = performance.eventLoopUtilization();
  const pace = await session.measure(sample, signal);
  const load = performance.eventLoopUtilization(before).utilization;
  countSent(part.host, size, hands);
  return isSlow({ pace, load }, archive.size) ? packing : null;
}

async function readStart(archive: Archive, size: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let missing = size;
  for await (const chunk of archive.open()) {
    const bytes = Buffer.from(chunk).subarray(0, missing);
    chunks.push(bytes);
    missing -= bytes.length;
    if (missing === 0) break;
  }
  return Buffer.concat(chunks);
}

/** Counts bytes; at most a hundred events a host. */
function createProgress(host: string, total: number, hands: Stagehands): (bytes: number) => void {
  let sent = 0;
  let told = 0;
  return bytes => {
    sent += bytes;
    countSent(host, bytes, hands);
    if (sent < total && sent - told < total / 100) return;
    told = sent;
    hands.context.emit({ kind: 'progress', host, sent, total });
  };
}

function countSent(host: string, bytes: number, { bytesSent }: Stagehands): void {
  bytesSent.set(host, (bytesSent.get(host) ?? 0) + bytes);
}
