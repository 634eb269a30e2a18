/** What the reading commands return: the contract of `--output json`, and folds of observations. */

import type { Failure } from './error.ts';
import type { Bringing } from './pull.ts';
import type { ReleaseId } from './release.ts';
import type { DeploymentState, Drift, Guard, LockHolder, SlotRole, SlotState } from './slot.ts';

export interface StatusReport {
  readonly v: 1;
  readonly kind: 'status';
  /** Reachable hosts are on different releases. */
  readonly split: boolean;
  /** Every host was reachable, and every deployment in their records ended, and ended alike. */
  readonly settled: boolean;
  readonly hosts: readonly HostStatus[];
}

export interface HostStatus {
  readonly name: string;
  readonly reachable: boolean;
  readonly live: LiveStatus | null;
  readonly idle: readonly IdleStatus[];
  readonly lock: LockHolder | null;
  /** The deployment that is not settled, here or between the hosts. */
  readonly deployment: { readonly id: string; readonly state: DeploymentState; readonly guard: Guard | null } | null;
  readonly error?: Failure;
}

export interface LiveStatus {
  readonly slot: string | null;
  readonly release: ReleaseId | null;
  readonly label: string;
  /** Null: the slot holds exactly what its record says, or has no record. */
  readonly drift: Drift | null;
}

export interface IdleStatus {
  readonly slot: string;
  readonly release: ReleaseId | null;
  readonly label: string;
  readonly state: SlotState;
  readonly role: SlotRole | null;
}

export interface PlanReport {
  readonly v: 1;
  readonly kind: 'plan';
  readonly release: ReleaseId;
  readonly label: string;
  /** What hosts would fetch themselves; null where there is nothing that they could. */
  readonly artifact: { readonly url: string; readonly size: number; readonly sha256: string } | null;
  readonly current: boolean;
  readonly hosts: readonly HostPlan[];
  readonly refusals: readonly Failure[];
}

export interface HostPlan extends Bringing {
  readonly name: string;
  readonly slot: string;
  readonly current: boolean;
  /** What the slot holds now and will lose. */
  readonly overwrites: { readonly release: ReleaseId | null; readonly label: string } | null;
}

export interface HistoryReport {
  readonly v: 1;
  readonly kind: 'history';
  readonly hosts: readonly {
    readonly name: string;
    readonly runs: readonly HistoryRun[];
    readonly error?: Failure;
  }[];
}

export interface HistoryRun {
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly deployment: string;
  readonly command: string;
  readonly owner: string;
  readonly outcome: string;
  readonly slot: string | null;
  readonly release: ReleaseId | null;
  readonly label: string;
}
