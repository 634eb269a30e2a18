/** Fleet, observations and release to a plan, or every reason to refuse, all at once. */

import type { Failure } from './error.ts';
import type { Host } from './fleet.ts';
import type { Unpacker } from './packing.ts';
import { type Pull, planPull } from './pull.ts';
import { checkReadiness, refuse } from './readiness.ts';
import { type Manifest, type ReleaseId, type Tree, totalSize } from './release.ts';
import {
  type Drift,
  findConflicts,
  idleSlots,
  isSettled,
  liveSlot,
  type Observation,
  type SlotFacts,
  targetSlot,
} from './slot.ts';
import { chooseReturn, chooseStaged } from './target.ts';
import { planTransfer, type Transfer } from './transfer.ts';

/** What is wanted of the fleet. */
export type Aim =
  | {
      readonly kind: 'deploy' | 'stage';
      readonly release: ReleaseId;
      readonly label: string;
      readonly manifest: Manifest;
      /** Bytes of the artifact that a host can fetch and unpack itself; none: everything is sent. */
      readonly artifact?: number | null;
    }
  | { readonly kind: 'flip'; readonly release: string | null }
  | { readonly kind: 'rollback'; readonly acceptDrift: boolean };

/** One host's part of a plan. */
export interface HostPart {
  readonly host: string;
  readonly slot: string;
  readonly live: string | null;
  /** True: the release is live already; nothing is done on this host. */
  readonly current: boolean;
  readonly release: ReleaseId;
  readonly label: string;
  /** The id that a scan of the slot must give: the release's, or that of an accepted drift. */
  readonly expected: ReleaseId;
  /** Null when nothing is staged. */
  readonly transfer: Transfer | null;
  /** How the host fetches the release itself; null: it is sent. */
  readonly pull: Pull | null;
  readonly overwrites: { readonly release: ReleaseId | null; readonly label: string } | null;
  /** What the host can undo of how an archive travels. */
  readonly unpacks: readonly Unpacker[];
  /** The live slot has no record yet: what is in it is recorded first. */
  readonly recordLive: boolean;
  /** How the slot that a flip or rollback goes to differs from what was proven; null: not at all. */
  readonly drift: Drift | null;
}

export interface Plan {
  readonly parts: readonly HostPart[];
  /** Unix seconds: the mtime of every file that changes, on all hosts. */
  readonly instant: number;
}

export type Planned =
  | { readonly ok: true; readonly plan: Plan }
  | { readonly ok: false; readonly refusals: readonly Failure[] };

export interface Scene {
  readonly hosts: readonly Host[];
  readonly observations: ReadonlyMap<string, Observation>;
  /** Unix seconds. */
  readonly now: number;
}

export function makePlan(aim: Aim, scene: Scene): Planned {
  const seen = scene.hosts.flatMap(host => {
    const observation = scene.observations.get(host.name);
    return observation === undefined ? [] : [observation];
  });
  const conflicts = findConflicts(seen);
  const unready = seen.flatMap(observation => [
    ...(isSettled(observation) && !conflicts.has(observation.host) ? [] : [unsettled(observation)]),
    ...checkReadiness(observation),
  ]);
  if (unready.length > 0) return { ok: false, refusals: unready };
  const chosen = choose(aim, seen);
  const refusals = [...chosen.refusals, ...chosen.parts.flatMap(part => checkSpace(part, aim, seen))];
  if (refusals.length > 0) return { ok: false, refusals };
  return { ok: true, plan: { parts: chosen.parts, instant: Math.max(scene.now, newestTime(seen) + 1) } };
}

/** Unix seconds: the latest mtime in any slot that was scanned. */
function newestTime(seen: readonly Observation[]): number {
  const scans = seen.flatMap(({ scans }) => Object.values(scans));
  return scans.reduce((newest, { times }) => times.reduce((one, other) => Math.max(one, other), newest), 0);
}

export interface Choice {
  readonly parts: readonly HostPart[];
  readonly refusals: readonly Failure[];
}

function choose(aim: Aim, seen: readonly Observation[]): Choice {
  switch (aim.kind) {
    case 'deploy':
    case 'stage':
      return { parts: seen.map(observation => stagePart(aim, observation)), refusals: [] };
    case 'flip':
      return chooseStaged(aim.release, seen);
    case 'rollback':
      return chooseReturn(aim.acceptDrift, seen);
  }
}

interface Staging {
  readonly release: ReleaseId;
  readonly label: string;
  readonly manifest: Manifest;
  readonly artifact?: number | null;
}

function stagePart(aim: Staging, observation: Observation): HostPart {
  const live = liveSlot(observation);
  const current = live !== null && holds(observation, live, aim);
  const target = current ? live : targetSlot(observation);
  const idle = observation.scans[target.slot] ?? null;
  const served = live === null ? null : (observation.scans[live.slot] ?? null);
  const { artifact = null, manifest } = aim;
  const transfer = current ? null : planTransfer(manifest, idle, served);
  return {
    host: observation.host,
    slot: target.slot,
    live: live?.slot ?? null,
    current,
    release: aim.release,
    label: aim.label,
    expected: aim.release,
    transfer,
    pull: transfer === null ? null : planPull({ artifact, manifest, transfer, live: served, observation }),
    overwrites: !current && target.exists ? { release: target.release, label: target.label } : null,
    unpacks: observation.unpacks,
    recordLive: live !== null && live.release === null,
    drift: null,
  };
}

/** Files that an application wrote into its live slot do not make it another release; changed or missing ones do. */
function holds(observation: Observation, live: SlotFacts, aim: Staging): boolean {
  if (live.release !== aim.release) return false;
  const scan = observation.scans[live.slot];
  if (scan === undefined || scan.id === aim.release) return scan !== undefined;
  const transfer = planTransfer(aim.manifest, scan, scan);
  return transfer.send.length + transfer.copy.length === 0;
}

function checkSpace(part: HostPart, aim: Aim, seen: readonly Observation[]): readonly Failure[] {
  const observation = seen.find(candidate => candidate.host === part.host);
  if (observation === undefined || part.transfer === null || !('manifest' in aim)) return [];
  const idle = observation.scans[part.slot];
  const entries = part.transfer.send.length + part.transfer.copy.length;
  const needed =
    part.transfer.sendSize + part.transfer.copySize + entries * BLOCK - freed(part.transfer, idle?.manifest);
  const free = observation.freeBytes;
  const problems: Failure[] = [];
  if (free !== null && needed > free)
    problems.push(
      refuse(
        part.host,
        'NO_SPACE',
        `${needed} bytes are needed in ${part.slot} and ${free} are free`,
        'Free space on this host',
      ),
    );
  if (observation.freeInodes !== null && entries - part.transfer.remove.length > observation.freeInodes)
    problems.push(
      refuse(
        part.host,
        'NO_INODES',
        `${entries} files are to be made and ${observation.freeInodes} inodes are free`,
        'Free inodes on this host',
      ),
    );
  return problems;
}

/** What one file or directory may cost beside its content. */
const BLOCK = 4096;

function freed(transfer: Transfer, idle: Tree | undefined): number {
  const gone = new Set(transfer.remove);
  const removed = (idle ?? []).filter(entry => gone.has(entry.path));
  return totalSize(removed) + removed.length * BLOCK;
}

function unsettled({ host, deployment }: Observation): Failure {
  const id = deployment?.deployment ?? '';
  const state = deployment?.state ?? 'torn';
  const what =
    state === 'confirmed' || state === 'reverted'
      ? `deployment ${id} is ${state} here, and ended otherwise on another host`
      : `deployment ${id} was interrupted and is ${state}`;
  return refuse(host, 'UNSETTLED', what, unsettledHint(deployment?.guard?.remaining ?? null));
}

function unsettledHint(remaining: number | null): string {
  if (remaining === null) return 'Run fleetflip recover';
  return `Run fleetflip recover, or wait ${Math.ceil(remaining / 1000)} s until the host reverts by itself`;
}

/** Idle slots in the order in which a release would use them, for `status`. */
export function describeIdle(observation: Observation): readonly SlotFacts[] {
  return idleSlots(observation);
}
