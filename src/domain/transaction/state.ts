/** What the two-phase machine knows, what it is told and what it orders. */

import type { Failure, Phase } from '../error.ts';
import type { Outcome } from '../event.ts';
import type { HostPart, Planned } from '../plan.ts';
import type { Observation } from '../slot.ts';

export type Order =
  | { readonly kind: 'connect' | 'probe' | 'arm' | 'cancel' | 'flip' | 'renew' | 'unlock'; readonly host: string }
  | { readonly kind: 'stage' | 'verify'; readonly host: string; readonly part: HostPart }
  /** Every attempt, counted from 1, is another instant, with more time before it. */
  | { readonly kind: 'schedule'; readonly host: string; readonly attempt: number }
  /** Given again after a pause while an answer is missing: `attempt` counts from 1. */
  | { readonly kind: 'lock' | 'confirm' | 'forward'; readonly host: string; readonly attempt: number }
  /** `reject`: the release was live somewhere, so that it is marked as reverted on every host. */
  | { readonly kind: 'revert'; readonly host: string; readonly attempt: number; readonly reject: boolean };

export type OrderKind = Order['kind'];

export type Input =
  | {
      readonly kind: 'done';
      readonly order: OrderKind;
      readonly host: string;
      readonly observation?: Observation;
      readonly at?: Instant | null;
      /** Of a revert: whether the link had moved; null when that is not known. */
      readonly moved?: boolean | null;
    }
  | { readonly kind: 'failed'; readonly order: OrderKind; readonly host: string; readonly failure: Failure }
  /** The operator wants the run to end. */
  | { readonly kind: 'abort' }
  /** The time of this phase is over: nothing is tried again in it. */
  | { readonly kind: 'late'; readonly phase: Phase };

/** When a link moved, on the coordinator's clock. */
export interface Instant {
  /** Unix milliseconds. */
  readonly at: number;
  /** Milliseconds; the true instant is within `at` plus or minus this. */
  readonly error: number;
}

/** Where a host's link is, as far as it is known. */
export type LinkState =
  | 'untouched'
  /** Both links stand ready; the live link has not moved. */
  | 'armed'
  /** Arming or flipping was ordered and its answer is not known. */
  | 'doubtful'
  | 'moved'
  | 'confirmed'
  | 'reverted'
  /** A confirm or revert was tried until its time was over, without an answer. */
  | 'unknown'
  /** The host itself could not put its link back: it is known to serve the new release. */
  | 'stuck';

export interface HostState {
  readonly name: string;
  readonly connected: boolean;
  readonly locked: boolean;
  readonly observation: Observation | null;
  readonly part: HostPart | null;
  readonly voted: boolean;
  readonly link: LinkState;
  /** From the instant that was sent on, the link may have moved. */
  readonly flipOrdered: boolean;
  /** Known of a host that was reverted: its link had not moved. */
  readonly stayed: boolean;
  readonly flippedAt: Instant | null;
  /** How often the present order was given. */
  readonly tries: number;
  readonly failure: Failure | null;
}

export interface Settings {
  /** `stage` ends at the barrier. */
  readonly until: 'barrier' | 'confirm';
  /** Whether something is brought into the idle slot first. */
  readonly staging: boolean;
  /** Whether a fleet that another deployment holds is waited for. */
  readonly waiting: boolean;
  /** Milliseconds. */
  readonly maxSkew: number;
  /** How often a confirm, forward or revert is given to one host at most. */
  readonly tries: number;
  /** How many instants are chosen at most. */
  readonly instants: number;
}

export interface State {
  readonly settings: Settings;
  readonly phase: Phase | 'ended';
  /** In the order of their names: the first moving one is the decider. */
  readonly hosts: readonly HostState[];
  /** Hosts whose answer to the present phase's order is awaited. */
  readonly waiting: readonly string[];
  readonly aborted: boolean;
  /** The time of the present phase is over. */
  readonly late: boolean;
  /** How often the fleet was asked for its locks. */
  readonly lockings: number;
  /** How many instants of the flip were chosen. */
  readonly instants: number;
  /** The last of them is being cancelled on every host. */
  readonly cancelling: boolean;
  /** Every host has acknowledged the instant of its flip. */
  readonly agreed: boolean;
  /** `asked`: the commit has been ordered of the decider; nothing may be reverted from here unless it refused. */
  readonly decided: 'no' | 'asked' | 'yes';
  readonly instant: number;
  /** Set when the run is to end after the locks are released. */
  readonly outcome: Outcome | null;
  /** Failures of the fleet as a whole. */
  readonly failures: readonly Failure[];
}

export interface Step {
  readonly state: State;
  readonly orders: readonly Order[];
}

export type Planner = (observations: ReadonlyMap<string, Observation>) => Planned;

/** Hosts whose link is to move. */
export function movers(state: State): readonly HostState[] {
  return state.hosts.filter(host => host.part !== null && !host.part.current);
}

/** The first participant by name. */
export function decider(state: State): HostState | undefined {
  return movers(state)[0];
}

/** Whether a link may have moved anywhere: from the first order to flip on. */
export function flipOrdered(state: State): boolean {
  return state.hosts.some(host => host.flipOrdered);
}

export function updateHost(state: State, name: string, change: Partial<HostState>): State {
  return { ...state, hosts: state.hosts.map(host => (host.name === name ? { ...host, ...change } : host)) };
}

/** Largest minus smallest instant, with the errors of both; null when fewer than one link has a known instant. */
export function measureSkew(state: State): { readonly skew: number; readonly error: number } | null {
  const instants = movers(state).flatMap(host => (host.flippedAt === null ? [] : [host.flippedAt]));
  const [first, ...rest] = instants;
  if (first === undefined) return null;
  const earliest = rest.reduce((best, one) => (one.at < best.at ? one : best), first);
  const latest = rest.reduce((best, one) => (one.at > best.at ? one : best), first);
  return { skew: latest.at - earliest.at, error: instants.length === 1 ? 0 : earliest.error + latest.error };
}
