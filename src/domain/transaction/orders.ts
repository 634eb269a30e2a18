/** How a phase is entered: who is ordered what, and what is ordered again. */

import type { Phase } from '../error.ts';
import type { Outcome } from '../event.ts';
import {
  type HostState,
  type Input,
  movers,
  type Order,
  type OrderKind,
  type State,
  type Step,
  updateHost,
} from './state.ts';

/** Orders the same of some hosts and waits for their answers in the phase. */
export function enterPhase(state: State, phase: Phase, kind: OrderKind, hosts: readonly HostState[]): Step {
  return { state: wait(state, phase, hosts), orders: hosts.flatMap(host => order(state, kind, host, 1)) };
}

/** Orders something of every host whose link is to move; the phase has the order's name. */
export function orderMovers(state: State, kind: 'stage' | 'verify' | 'arm' | 'flip'): Step {
  return enterPhase(state, kind, kind, movers(state));
}

/** Releases every lock that is held, then ends with the outcome. */
export function release(state: State, outcome: Outcome): Step {
  const holders = state.hosts.filter(host => host.locked);
  const ending = { ...state, outcome };
  if (holders.length === 0) return { state: { ...ending, phase: 'ended', waiting: [] }, orders: [] };
  return enterPhase(ending, 'unlock', 'unlock', holders);
}

/** Asks the whole fleet for its locks once more, after a pause. */
export function lockAgain(state: State): Step {
  const lockings = state.lockings + 1;
  const step = enterPhase({ ...state, lockings }, 'lock', 'lock', state.hosts);
  return { ...step, orders: state.hosts.flatMap(host => order(state, 'lock', host, lockings)) };
}

/**
 * What is safe to repeat is ordered again while its answer is missing, until its time or its tries are over. A host that
 * refused has answered.
 */
export function retry(state: State, input: Extract<Input, { kind: 'failed' }>): Step | null {
  if (input.order !== 'confirm' && input.order !== 'forward' && input.order !== 'revert') return null;
  if (input.failure.kind === 'refused' || state.late) return null;
  const host = state.hosts.find(candidate => candidate.name === input.host);
  if (host === undefined || host.tries >= state.settings.tries) return null;
  const tries = host.tries + 1;
  return { state: updateHost(state, host.name, { tries }), orders: order(state, input.order, host, tries) };
}

/** One order more for a host of the present phase, which goes on waiting for it. */
export function orderNext(state: State, kind: 'forward', host: HostState): Step {
  return { state: updateHost(state, host.name, { tries: 1 }), orders: order(state, kind, host, 1) };
}

function order(state: State, kind: OrderKind, { name, part }: HostState, attempt: number): readonly Order[] {
  switch (kind) {
    case 'stage':
    case 'verify':
      return part === null ? [] : [{ kind, host: name, part }];
    case 'revert':
      return [{ kind, host: name, attempt, reject: state.agreed }];
    case 'schedule':
      return [{ kind, host: name, attempt: state.instants }];
    case 'lock':
    case 'confirm':
    case 'forward':
      return [{ kind, host: name, attempt }];
    default:
      return [{ kind, host: name }];
  }
}

function wait(state: State, phase: Phase, hosts: readonly HostState[]): State {
  const names = hosts.map(host => host.name);
  const counted = state.hosts.map(host => (names.includes(host.name) ? { ...host, tries: 1 } : host));
  return { ...state, phase, waiting: names, late: false, hosts: counted };
}
