/** What happened, as data without prose. Every view is a fold of these. */

import type { Failure, Phase } from './error.ts';
import type { Bringing } from './pull.ts';
import type { ReleaseId } from './release.ts';
import type { DeploymentState } from './slot.ts';

export type Outcome =
  | 'committed'
  | 'current'
  | 'staged'
  | 'settled'
  | 'done'
  | 'unchanged'
  | 'invalid'
  | 'reverted'
  | 'split'
  | 'unknown'
  | 'locked';

export type HostOutcome =
  | 'confirmed'
  | 'staged'
  | 'current'
  | 'unchanged'
  | 'reverted'
  | 'quarantined'
  | 'failed'
  | 'unknown';

export type Command =
  | 'deploy'
  | 'stage'
  | 'flip'
  | 'rollback'
  | 'status'
  | 'plan'
  | 'check'
  | 'recover'
  | 'unlock'
  | 'adopt'
  | 'history'
  | 'pack';

interface At {
  readonly v: 1;
  /** ISO 8601, UTC, milliseconds. */
  readonly time: string;
}

export interface RunStarted extends At {
  readonly kind: 'run-started';
  readonly command: Command;
  readonly deployment: string;
  readonly app: string;
  readonly hosts: readonly string[];
  readonly release: ReleaseId | null;
  readonly label: string;
}

export interface PhaseStarted extends At {
  readonly kind: 'phase-started';
  readonly phase: Phase;
  readonly hosts: readonly string[];
}

export interface PhaseEnded extends At {
  readonly kind: 'phase-ended';
  readonly phase: Phase;
  /** Milliseconds. */
  readonly took: number;
  readonly failed: number;
}

export interface HostDone extends At {
  readonly kind: 'host-done';
  readonly phase: Phase;
  readonly host: string;
  /** Milliseconds. */
  readonly took: number;
}

export interface HostFailed extends At {
  readonly kind: 'host-failed';
  readonly phase: Phase;
  readonly host: string;
  readonly failure: Failure;
}

/** A failure after which the same is tried again: the host is not given up. */
export interface HostRetried extends At {
  readonly kind: 'host-retried';
  readonly phase: Phase;
  readonly host: string;
  /** Of the attempt that is made next, counted from 1. */
  readonly attempt: number;
  readonly failure: Failure;
}

export interface HostPlanned extends At, Bringing {
  readonly kind: 'host-planned';
  readonly host: string;
  readonly slot: string;
  readonly overwrites: { readonly release: ReleaseId | null; readonly label: string } | null;
}

export interface Progress extends At {
  readonly kind: 'progress';
  readonly host: string;
  /** Bytes of the archive. */
  readonly sent: number;
  readonly total: number;
}

/** A host has fetched the artifact itself and unpacked it. */
export interface Pulled extends At {
  readonly kind: 'pulled';
  readonly host: string;
  /** Fetched now; what an earlier run had fetched does not count. */
  readonly bytes: number;
  /** Of the artifact. */
  readonly total: number;
}

export interface Vote extends At {
  readonly kind: 'vote';
  readonly host: string;
  readonly yes: boolean;
  readonly slot: string;
}

export interface Barrier extends At {
  readonly kind: 'barrier';
  readonly yes: number;
  readonly of: number;
}

export interface Flipped extends At {
  readonly kind: 'flipped';
  readonly host: string;
  readonly slot: string;
  /** Unix milliseconds on our clock; null when the host has no clock finer than a second. */
  readonly at: number | null;
}

export interface Reverted extends At {
  readonly kind: 'reverted';
  readonly host: string;
}

export interface Confirmed extends At {
  readonly kind: 'confirmed';
  readonly host: string;
}

/** An interrupted deployment that was found, how it stands, and what is done about it. */
export interface RecoveryFound extends At {
  readonly kind: 'recovery';
  readonly deployment: string;
  readonly decider: string;
  /** Null: nothing can be decided from what is seen. */
  readonly decision: 'commit' | 'revert' | null;
  readonly hosts: readonly { readonly name: string; readonly state: DeploymentState }[];
  /** Participants of whom nothing was read. */
  readonly unseen: readonly string[];
}

export interface CheckOutput extends At {
  readonly kind: 'check-output';
  readonly host: string;
  readonly run: string;
  readonly exitCode: number | null;
  /** Already safe for a terminal. */
  readonly output: string;
}

export interface Warning extends At {
  readonly kind: 'warning';
  readonly host?: string;
  readonly code: string;
  readonly what: string;
  readonly hint: string;
}

export interface Interrupted extends At {
  readonly kind: 'interrupted';
}

export interface HostResult {
  readonly name: string;
  readonly outcome: HostOutcome;
  readonly slot: string | null;
  readonly release: ReleaseId | null;
  readonly bytesSent: number;
  /** Bytes of the artifact that the host has fetched itself. */
  readonly bytesPulled: number;
  /** Unix milliseconds on this machine's clock, with fractions. */
  readonly flippedAt?: number;
  readonly error?: { readonly code: string; readonly phase: Phase; readonly what: string; readonly hint: string };
}

export interface Result extends At {
  readonly kind: 'result';
  readonly command: Command;
  readonly outcome: Outcome;
  readonly exitCode: number;
  readonly deployment: string;
  readonly release: ReleaseId | null;
  readonly label: string;
  readonly flip: { readonly skewMs: number | null; readonly errorMs: number | null };
  readonly fleetSplit: boolean;
  readonly hosts: readonly HostResult[];
  /** Failures that concern no single host. */
  readonly errors: readonly Failure[];
}

export type FleetEvent =
  | RunStarted
  | PhaseStarted
  | PhaseEnded
  | HostDone
  | HostFailed
  | HostRetried
  | HostPlanned
  | Progress
  | Pulled
  | Vote
  | Barrier
  | Flipped
  | Reverted
  | Confirmed
  | RecoveryFound
  | CheckOutput
  | Warning
  | Interrupted
  | Result;

/** An event without what the emitter adds. */
export type EventData = FleetEvent extends infer E ? (E extends FleetEvent ? Omit<E, 'v' | 'time'> : never) : never;
