/** What was observed on a host, and which slot is idle. */

import { type ByteString, show } from './bytes.ts';
import type { Unpacker } from './packing.ts';
import type { ManifestDifference, ReleaseId } from './release.ts';
import type { Scan } from './transfer.ts';

export type SlotState = 'empty' | 'unproven' | 'verified';
export type SlotRole = 'staged' | 'previous' | 'rejected';

/** What the name `<root>/<name>` is on a host. */
export type LiveName =
  | { readonly kind: 'none' }
  /** `slot` is null when the link points elsewhere. */
  | { readonly kind: 'link'; readonly text: ByteString; readonly slot: string | null }
  | { readonly kind: 'directory' }
  | { readonly kind: 'other' };

export interface SlotFacts {
  readonly slot: string;
  readonly exists: boolean;
  readonly state: SlotState;
  /** What the record says is in it; null when fleetflip did not fill or read it. */
  readonly release: ReleaseId | null;
  readonly label: string;
  readonly role: SlotRole | null;
  /** True when the record was made from what was found, not from a release that fleetflip brought. */
  readonly found: boolean;
  /** Unix seconds when the record was written. */
  readonly recordedAt: number | null;
}

export interface LockHolder {
  readonly deployment: string;
  readonly owner: string;
  readonly command: string;
  /** Unix seconds on the host's clock. */
  readonly since: number;
  /** False when the holding process is gone. */
  readonly alive: boolean;
}

/**
 * `armed`: both links stand ready. `flipped`: the live link has moved. `reverting`, `forwarding`: decided, and not yet
 * carried out. `torn`: the record was cut or altered. Only `confirmed` and `reverted` are settled.
 */
export type DeploymentState = 'armed' | 'flipped' | 'reverting' | 'reverted' | 'forwarding' | 'confirmed' | 'torn';

/** The dead-man's switch of a deployment that is not settled. */
export interface Guard {
  /** False when its process is gone, such as after a reboot: the host does nothing by itself. */
  readonly alive: boolean;
  /** Milliseconds until it reverts, if nobody renews it; null when it is gone. */
  readonly remaining: number | null;
}

export interface DeploymentRecord {
  readonly deployment: string;
  readonly state: DeploymentState;
  readonly participants: readonly string[];
  readonly decider: string;
  /** The text to which the link is put back; null: there was no link. */
  readonly from: ByteString | null;
  readonly to: ByteString;
  readonly release: ReleaseId;
  readonly label: string;
  /** Unix seconds on the host's clock when it was armed. */
  readonly at: number;
  /** Null when the deployment is settled. */
  readonly guard: Guard | null;
}

/** Everything a probe reads. */
export interface Observation {
  readonly host: string;
  readonly hostname: string;
  readonly live: LiveName;
  readonly slots: readonly SlotFacts[];
  readonly lock: LockHolder | null;
  readonly deployment: DeploymentRecord | null;
  /** How this host renames onto a link; null when it cannot. */
  readonly rename: string | null;
  /** Programs the agent needs that the host lacks. */
  readonly missing: readonly string[];
  /** What the host can undo of how an archive travels. */
  readonly unpacks: readonly Unpacker[];
  readonly writable: boolean;
  /** Bytes free to this user in the root's file system; null when it cannot be read. */
  readonly freeBytes: number | null;
  readonly freeInodes: number | null;
  /** Fresh scans by slot, of those slots that were asked for and exist. */
  readonly scans: Readonly<Record<string, SlotScan>>;
  /**
   * By slot, of those scanned that have a record: null when the scan's id is the recorded one. Otherwise made with
   * `describeDrift` from the recorded manifest, which is fetched with `fetch SLOT record`.
   */
  readonly drifts: Readonly<Record<string, Drift | null>>;
}

/** How a slot's tree differs from what its record says. */
export interface Drift {
  readonly changed: number;
  readonly missing: number;
  readonly extra: number;
  /** Shown safely; at most 20. */
  readonly paths: readonly string[];
}

export interface SlotScan extends Scan {
  /** The id that the slot's tree has now. */
  readonly id: ReleaseId;
}

export function describeDrift(difference: ManifestDifference): Drift {
  const paths = [...difference.changed, ...difference.missing, ...difference.extra];
  return {
    changed: difference.changed.length,
    missing: difference.missing.length,
    extra: difference.extra.length,
    paths: paths.slice(0, 20).map(show),
  };
}

export function isSettled(observation: Observation): boolean {
  const state = observation.deployment?.state;
  return state === undefined || state === 'confirmed' || state === 'reverted';
}

/**
 * Deployments that ended differently on different hosts, each settled for itself: a decision has not reached them all.
 * @returns by host, the id of the deployment
 */
export function findConflicts(seen: Iterable<Observation>): ReadonlyMap<string, string> {
  const ends = new Map<string, Set<DeploymentState>>();
  const all = [...seen].flatMap(({ host, deployment }) => (deployment === null ? [] : [{ host, ...deployment }]));
  for (const { deployment, state } of all) ends.set(deployment, (ends.get(deployment) ?? new Set()).add(state));
  const differs = (id: string): boolean =>
    ends.get(id)?.has('confirmed') === true && ends.get(id)?.has('reverted') === true;
  return new Map(all.filter(one => differs(one.deployment)).map(one => [one.host, one.deployment]));
}

export function liveSlot(observation: Observation): SlotFacts | null {
  const { live } = observation;
  if (live.kind !== 'link' || live.slot === null) return null;
  return observation.slots.find(facts => facts.slot === live.slot) ?? null;
}

export function idleSlots(observation: Observation): readonly SlotFacts[] {
  const live = liveSlot(observation);
  return observation.slots.filter(facts => facts.slot !== live?.slot);
}

/** The slot the next release goes into: an empty one, else the one written longest ago. */
export function targetSlot(observation: Observation): SlotFacts {
  const [first, ...rest] = idleSlots(observation);
  if (first === undefined) throw new Error(`${observation.host} has no idle slot`);
  return rest.reduce((best, facts) => (age(facts) < age(best) ? facts : best), first);
}

function age(facts: SlotFacts): number {
  return facts.exists ? (facts.recordedAt ?? 1) : 0;
}
