/** What an answer says about its host. */

import { type HostState, type Input, type LinkState, type State, updateHost } from './state.ts';

export function learn(state: State, input: Extract<Input, { kind: 'done' }>): State {
  switch (input.order) {
    case 'connect':
      return updateHost(state, input.host, { connected: true });
    case 'lock':
      return updateHost(state, input.host, { locked: true });
    case 'probe':
      return updateHost(state, input.host, { observation: input.observation ?? null });
    case 'stage':
    case 'schedule':
    case 'renew':
      return state;
    case 'verify':
      return updateHost(state, input.host, { voted: true });
    case 'arm':
    case 'cancel':
      return updateHost(state, input.host, { link: 'armed' });
    case 'flip':
      return updateHost(state, input.host, { link: 'moved', flippedAt: input.at ?? null });
    case 'confirm':
    case 'forward':
      return updateHost(state, input.host, { link: 'confirmed', failure: null });
    case 'revert':
      return updateHost(state, input.host, { link: 'reverted', stayed: input.moved === false });
    case 'unlock':
      return updateHost(state, input.host, { locked: false });
  }
}

/** A failed unlock spoils nothing: the agent releases its lock when the session ends. */
export function blame(state: State, input: Extract<Input, { kind: 'failed' }>): State {
  if (input.order === 'unlock') return updateHost(state, input.host, { locked: false });
  const host = state.hosts.find(candidate => candidate.name === input.host);
  if (host === undefined) return state;
  return updateHost(state, host.name, { failure: host.failure ?? input.failure, link: guessLink(host, input) });
}

/** Where the link is after a failure: a refusal is an answer, anything else leaves it open. */
function guessLink(host: HostState, { order, failure }: Extract<Input, { kind: 'failed' }>): LinkState {
  const refused = failure.kind === 'refused';
  switch (order) {
    case 'arm':
      return refused ? 'untouched' : 'doubtful';
    case 'schedule':
      return refused ? 'armed' : 'doubtful';
    case 'cancel':
      return failure.code === 'MOVED' ? 'moved' : 'doubtful';
    case 'flip':
      return 'doubtful';
    case 'confirm':
      if (!refused || failure.code === 'FORWARDING') return 'unknown';
      return failure.code === 'REVERTED' ? 'reverted' : 'moved';
    case 'forward':
      return refused ? 'reverted' : 'unknown';
    case 'revert':
      return refused ? judgeRefusal(host, failure.code) : 'unknown';
    default:
      return host.link;
  }
}

function judgeRefusal(host: HostState, code: string): LinkState {
  if (code === 'CONFIRMED') return 'confirmed';
  // The host knows no such deployment: it was never armed there, so that its link cannot have moved.
  if (code === 'NOT_ARMED' && !host.flipOrdered) return 'reverted';
  return host.link === 'moved' ? 'stuck' : 'unknown';
}
