/** How a phase is entered: who is ordered what, and what is ordered again. */

import type { Phase } from '../error.ts';
import type { Outcome } from '../event.ts';
import { type HostState, type Input, movers, type Order, type State, type Step, updateHost } from './state.ts';

type SimpleKind = 'connect' | 'lock' | 'probe' | 'unlock' | 'arm' | 'flip' | 'confirm' | 'revert';

/** Orders `phase` of the hosts; its order has the phase's name, except that `decide` orders a confirm. */
export function enterPhase(state: State, phase: SimpleKind | 'decide', hosts: readonly HostState[]): Step {
  const kind: SimpleKind = phase === 'decide' ? 'confirm' : phase;
  const orders = hosts.map((host): Order => ({ kind, host: host.name }));
  return { state: wait(state, phase, hosts), orders };
}

/** Orders something of every host whose link is to move. */
export function giveOrder(state: State, phase: 'stage' | 'verify' | 'arm'): Step {
  const hosts = movers(state);
  if (phase === 'arm') return enterPhase(state, phase, hosts);
  const orders = hosts.flatMap((host): Order[] =>
    host.part === null ? [] : [{ kind: phase, host: host.name, part: host.part }],
  );
  return { state: wait(state, phase, hosts), orders };
}

/** Releases every lock that is held, then ends with the outcome. */
export function release(state: State, outcome: Outcome): Step {
  const holders = state.hosts.filter(host => host.locked);
  const ending = { ...state, outcome };
  if (holders.length === 0) return { state: { ...ending, phase: 'ended', waiting: [] }, orders: [] };
  return enterPhase(ending, 'unlock', holders);
}

/** A confirm or revert is safe to repeat; it is given again until its tries are used up, unless the host refused it. */
export function retry(state: State, input: Extract<Input, { kind: 'failed' }>): Step | null {
  if (input.order !== 'confirm' && input.order !== 'revert') return null;
  if (input.failure.kind === 'refused') return null;
  const host = state.hosts.find(candidate => candidate.name === input.host);
  if (host === undefined || host.tries >= state.settings.tries) return null;
  return {
    state: updateHost(state, input.host, { tries: host.tries + 1 }),
    orders: [{ kind: input.order, host: input.host }],
  };
}

function wait(state: State, phase: Phase, hosts: readonly HostState[]): State {
  const names = hosts.map(host => host.name);
  const counted = state.hosts.map(host => (names.includes(host.name) ? { ...host, tries: 1 } : host));
  return { ...state, phase, waiting: names, hosts: counted };
}
