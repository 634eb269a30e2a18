/** The shapes of the outside. What runs the transaction sees hosts, time and listeners only through these. */

import type { ByteString } from './domain/bytes.ts';
import type { FleetEvent } from './domain/event.ts';
import type { CommandCheck, Host } from './domain/fleet.ts';
import type { Packing } from './domain/packing.ts';
import type { ReleaseId } from './domain/release.ts';
import type { Observation, SlotScan } from './domain/slot.ts';

/** Receives every event as it happens. Must not throw. */
export type Emit = (event: FleetEvent) => void;

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after the time, or at once when the signal aborts. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** Aborts after the time, with a DOMException named TimeoutError as its reason. */
  timeout(milliseconds: number): AbortSignal;
}

/** How a remote command ended. `code` is null when it was not reported: the outcome is then unknown. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** One running command. */
export interface Channel {
  readonly stdin: NodeJS.WritableStream;
  /** Bytes. Must be read, or nothing moves. */
  readonly stdout: NodeJS.ReadableStream;
  readonly stderr: NodeJS.ReadableStream;
  /** Resolves when the command has ended and its output is read, or the connection is gone. Never rejects. */
  readonly exit: Promise<Exit>;
  /** Ends the channel at once; the remote command may go on. */
  destroy(): void;
}

/** A connection to one host, over which any number of commands are run. */
export interface Connection {
  /** @throws FleetflipError `CONNECTION_LOST`, or `CHANNEL_REFUSED` when the host opens no further channel. */
  exec(command: string): Promise<Channel>;
  /** Resolves with the reason when the connection has ended, however it did. Never rejects. */
  readonly closed: Promise<Error | null>;
  close(): void;
}

export interface Connector {
  /** @throws FleetflipError with phase `connect`: unreachable, refused, host key unknown or changed, login failed. */
  connect(host: Host, options: { signal: AbortSignal }): Promise<Connection>;
  /** Ends what connections share, such as bastions. */
  close(): Promise<void>;
}

export interface LockRequest {
  readonly deployment: string;
  /** Who and from where, such as `ann@laptop`. */
  readonly owner: string;
  /** The fleetflip command, such as `deploy`. */
  readonly command: string;
  /** Milliseconds without a beat after which the lock is nobody's. */
  readonly lease: number;
}

export interface StageRequest {
  readonly slot: string;
  readonly release: ReleaseId;
  readonly label: string;
  readonly deployment: string;
  /** The live slot that `copy` is taken from. */
  readonly from: string | null;
  readonly remove: readonly ByteString[];
  readonly copy: readonly ByteString[];
  /** A GNU tar, or what its packing makes of it; null when nothing is sent. */
  readonly archive: (() => NodeJS.ReadableStream) | null;
  /** None: the archive is the tar itself. */
  readonly packing?: Packing | null;
  readonly onSent: (bytes: number) => void;
}

/** What a host fetches itself, with which its idle slot is filled anew. */
export interface PullRequest {
  readonly slot: string;
  readonly release: ReleaseId;
  readonly label: string;
  readonly deployment: string;
  /** The live slot that `copy` is taken from. */
  readonly from: string | null;
  readonly copy: readonly ByteString[];
  /** Unix seconds: of everything that is not copied. */
  readonly mtime: number;
  readonly artifact: {
    /** May hold secrets: it goes to the host, and nowhere else. */
    readonly url: string;
    readonly size: number;
    readonly sha256: string;
    readonly packed: 'gzip' | 'plain';
  };
}

export interface ArmRequest {
  readonly slot: string;
  readonly release: ReleaseId;
  readonly label: string;
  readonly deployment: string;
  readonly command: string;
  readonly owner: string;
  readonly participants: readonly string[];
  readonly decider: string;
  /** Milliseconds without a beat after which the host reverts by itself. */
  readonly window: number;
}

export interface HostClock {
  /** Milliseconds: its clock minus ours, wrong by half the round trip at most. Null when no clock there is finer than a second. */
  readonly offset: number | null;
  /** Milliseconds: the least that was seen, and the most. */
  readonly roundTrip: number;
  readonly longestTrip: number;
}

export interface CheckResult {
  /** Null when it was stopped after its time limit. */
  readonly exitCode: number | null;
  /** Both streams, bounded, bytes as they came. */
  readonly output: ByteString;
}

/**
 * Which slots are read. `live`, `all`: in full. `quick`: all, without the content of files that, as inodes and ctimes tell, are
 * as they were proven. `trust`: a proven slot is not read at all, unless it is live and holds that release, then as for
 * `quick`; what is then wrong is found by the proof after staging.
 */
export type ScanWish = 'none' | 'live' | 'all' | 'quick' | { readonly trust: ReleaseId };

/** A scan that did not give the expected id: what the slot holds instead. */
export type Proof = { readonly proven: true } | { readonly proven: false; readonly scan: SlotScan };

export interface HistoryLine {
  /** Unix seconds. */
  readonly at: number;
  readonly deployment: string;
  readonly command: string;
  readonly owner: string;
  readonly outcome: string;
  readonly slot: string | null;
  readonly release: ReleaseId | null;
  readonly label: string;
}

/** What a host was found to lack, and what an operator should know of it. */
export interface Needs {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  /** What it would fetch an artifact with; `simple` cannot be told a secret. */
  readonly fetcher: 'curl' | 'wget' | 'simple' | 'none';
}

/**
 * The agent on one host, spoken to over one connection. Requests run one after the other; `lock`, `beat` and `unlock` go
 * over a channel of their own, so that beats do not wait for what takes long.
 * Every method throws FleetflipError: kind `refused` when the agent said no, `lost` when the connection ended,
 * `unknown` when the answer could not be read, `timed-out` when the signal's time was over.
 */
export interface HostSession {
  readonly host: Host;
  /** False once the connection is gone or an answer was given up: only a new session can go on. */
  readonly usable: boolean;
  /** Whether this session has taken the lock. A session that was opened again has not. */
  readonly locked: boolean;
  probe(scan: ScanWish, signal?: AbortSignal): Promise<Observation>;
  lock(request: LockRequest): Promise<void>;
  /** Renews the lock, and the guard of a deployment that is armed under it. */
  beat(signal?: AbortSignal): Promise<void>;
  unlock(signal?: AbortSignal): Promise<void>;
  /** Takes the lock away from whoever holds it. */
  breakLock(): Promise<LockHolderOrNone>;
  stage(request: StageRequest, signal?: AbortSignal): Promise<void>;
  /** Sends the bytes, which the host throws away. @returns how many it takes a millisecond */
  measure(bytes: Uint8Array, signal?: AbortSignal): Promise<number>;
  /** What is in files of a slot, one after the other, `size` bytes in all. It ends early when one of them cannot be read. */
  readContents(
    request: { slot: string; paths: readonly ByteString[]; size: number },
    signal?: AbortSignal,
  ): Promise<Buffer>;
  /**
   * Instead of `stage`. Resolves with the bytes that the host fetched.
   * @throws FleetflipError `PULL_FAILED` when it could not: nothing in the slot was changed, or the proof finds it
   */
  pull(request: PullRequest, signal?: AbortSignal): Promise<number>;
  /** Scans the slot; when its id is the expected one, flushes it and records it as verified. */
  prove(
    request: { slot: string; expected: ReleaseId; release: ReleaseId; label: string },
    signal?: AbortSignal,
  ): Promise<Proof>;
  /** Scans a slot that has no record, and stores what is found there. */
  record(slot: string, signal?: AbortSignal): Promise<void>;
  run(slot: string, check: CommandCheck, signal?: AbortSignal): Promise<CheckResult>;
  arm(request: ArmRequest): Promise<void>;
  /** What remains is to wait for an instant: starts what waits, and reads its clock. Any other request ends it. */
  aim(deployment: string): Promise<HostClock>;
  /**
   * Resolves when the host has acknowledged the instant at which it flips by itself, unless that is cancelled or reverted before.
   * @param instant milliseconds of the clock that `aim` read
   * @throws FleetflipError `LATE` when it has passed
   */
  schedule(instant: number, signal?: AbortSignal): Promise<void>;
  /**
   * Resolves when the host has not flipped, and does not before another instant is scheduled.
   * @throws FleetflipError `MOVED` when it has flipped
   */
  cancel(signal?: AbortSignal): Promise<void>;
  /**
   * Resolves with the instant at which the link moved, in milliseconds of the clock that `aim` read; null when it has no such
   * clock. Without an instant that was scheduled the link moves now.
   */
  flip(deployment: string, signal?: AbortSignal): Promise<number | null>;
  /**
   * @param reject marks the release as reverted even where its link had not moved
   * @returns whether the link had moved; null when that is not sure, such as when it was reverted before
   */
  revert(deployment: string, reject: boolean, signal?: AbortSignal): Promise<boolean | null>;
  confirm(deployment: string, signal?: AbortSignal): Promise<void>;
  /** Moves the link to the deployment's slot again, whatever reverted it, and confirms. Needs the lock of this session. */
  forward(deployment: string, signal?: AbortSignal): Promise<void>;
  history(): Promise<readonly HistoryLine[]>;
  /** Tries every need in a directory that is removed again. */
  tryNeeds(): Promise<Needs>;
  /** Turns what `<root>/<name>` is into the first slot and a link to it. */
  adopt(options: { allowGap: boolean }): Promise<Adopted>;
  close(): void;
}

export interface Adopted {
  readonly slot: string;
  /**
   * `atomic`: two names were exchanged at once. `gap`: the name was missing for a moment. `copied`: it was a link
   * elsewhere; what it pointed to was copied and stays where it is.
   */
  readonly how: 'atomic' | 'gap' | 'copied';
}

export type LockHolderOrNone = { readonly owner: string; readonly deployment: string } | null;
