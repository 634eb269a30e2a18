/**
 * The two-phase machine, without IO: it is told what hosts answered and orders what they do next. Every phase waits for
 * the answers of all its hosts, so that a failing run names every host that failed.
 */

import type { Failure } from '../error.ts';
import { decide, finishConfirm, finishRevert, judgeFlip, startFlip, startRevert } from './commit.ts';
import { enterPhase, giveOrder, release, retry } from './orders.ts';
import { type Input, type Planner, type Settings, type State, type Step, updateHost } from './state.ts';

export interface Start {
  readonly hosts: readonly string[];
  readonly settings: Settings;
}

/** The first step: connect to every host. */
export function start({ hosts, settings }: Start): Step {
  const state: State = {
    settings,
    phase: 'prepare',
    hosts: [...hosts].sort().map(name => ({
      name,
      connected: false,
      locked: false,
      observation: null,
      part: null,
      voted: false,
      link: 'untouched',
      flipOrdered: false,
      flippedAt: null,
      tries: 0,
      failure: null,
    })),
    waiting: [],
    aborted: false,
    decided: 'no',
    instant: 0,
    outcome: null,
    failures: [],
  };
  return enterPhase(state, 'connect', state.hosts);
}

/** @param plan called once, after every host was probed */
export function next(state: State, input: Input, plan: Planner): Step {
  if (state.phase === 'ended') return { state, orders: [] };
  if (input.kind === 'abort') return { state: { ...state, aborted: true }, orders: [] };
  if (!state.waiting.includes(input.host)) return { state, orders: [] };
  const told = input.kind === 'done' ? learn(state, input) : blame(state, input);
  if (input.kind === 'failed') {
    const again = retry(told, input);
    if (again !== null) return again;
  }
  const waited = { ...told, waiting: told.waiting.filter(name => name !== input.host) };
  return waited.waiting.length > 0 ? { state: waited, orders: [] } : advance(waited, plan);
}

function learn(state: State, input: Extract<Input, { kind: 'done' }>): State {
  switch (input.order) {
    case 'connect':
      return updateHost(state, input.host, { connected: true });
    case 'lock':
      return updateHost(state, input.host, { locked: true });
    case 'probe':
      return updateHost(state, input.host, { observation: input.observation ?? null });
    case 'stage':
      return state;
    case 'verify':
      return updateHost(state, input.host, { voted: true });
    case 'arm':
      return updateHost(state, input.host, { link: 'armed' });
    case 'flip':
      return updateHost(state, input.host, { link: 'moved', flippedAt: input.at ?? null });
    case 'confirm':
      return updateHost(state, input.host, { link: 'confirmed' });
    case 'revert':
      return updateHost(state, input.host, { link: 'reverted' });
    case 'unlock':
      return updateHost(state, input.host, { locked: false });
  }
}

/** A failed unlock spoils nothing: the agent releases its lock when the session ends. */
function blame(state: State, input: Extract<Input, { kind: 'failed' }>): State {
  if (input.order === 'unlock') return updateHost(state, input.host, { locked: false });
  const host = state.hosts.find(candidate => candidate.name === input.host);
  const failure = host?.failure ?? input.failure;
  const refused = input.failure.kind === 'refused';
  switch (input.order) {
    case 'arm':
      return updateHost(state, input.host, { failure, link: refused ? 'untouched' : 'doubtful' });
    case 'flip':
      return updateHost(state, input.host, { failure, link: 'doubtful' });
    case 'confirm':
      return updateHost(state, input.host, { failure, link: refused ? 'moved' : 'unknown' });
    case 'revert':
      return updateHost(state, input.host, { failure, link: refused && host?.link === 'moved' ? 'stuck' : 'unknown' });
    default:
      return updateHost(state, input.host, { failure });
  }
}

function advance(state: State, plan: Planner): Step {
  switch (state.phase) {
    case 'connect':
      return state.aborted || anyFailed(state) ? release(state, 'unchanged') : enterPhase(state, 'lock', state.hosts);
    case 'lock':
      if (anyFailed(state)) return release(state, isHeld(state) ? 'locked' : 'unchanged');
      return state.aborted ? release(state, 'unchanged') : enterPhase(state, 'probe', state.hosts);
    case 'probe':
      return state.aborted || anyFailed(state) ? release(state, 'unchanged') : applyPlan(state, plan);
    case 'stage':
      return state.aborted || anyFailed(state) ? release(state, 'unchanged') : giveOrder(state, 'verify');
    case 'verify':
      return passBarrier(state);
    case 'arm':
      return state.aborted || anyFailed(state) ? startRevert(state) : startFlip(state);
    case 'flip':
      return judgeFlip(state);
    case 'decide':
      return decide(state);
    case 'confirm':
      return finishConfirm(state);
    case 'revert':
      return finishRevert(state);
    case 'unlock':
      return { state: { ...state, phase: 'ended' }, orders: [] };
    default:
      throw new Error(`the machine waits in no phase ${state.phase}`);
  }
}

function applyPlan(state: State, plan: Planner): Step {
  const seen = new Map(state.hosts.flatMap(host => (host.observation === null ? [] : [[host.name, host.observation]])));
  const planned = plan(seen);
  if (!planned.ok) return refusePlan(state, planned.refusals);
  const parts = new Map(planned.plan.parts.map(part => [part.host, part]));
  const hosts = state.hosts.map(host => ({ ...host, part: parts.get(host.name) ?? null }));
  const ready = { ...state, hosts, instant: planned.plan.instant };
  if (hosts.every(host => host.part?.current)) return release(ready, 'current');
  return giveOrder(ready, state.settings.staging ? 'stage' : 'verify');
}

function refusePlan(state: State, refusals: readonly Failure[]): Step {
  const blamed = refusals.reduce(
    (now, failure) => (failure.host === undefined ? now : updateHost(now, failure.host, { failure })),
    state,
  );
  const failures = refusals.filter(failure => failure.host === undefined);
  return release(
    { ...blamed, failures },
    refusals.some(failure => failure.code === 'UNSETTLED') ? 'unknown' : 'unchanged',
  );
}

/** Every vote is yes, or nothing is flipped. */
function passBarrier(state: State): Step {
  const unanimous = !state.aborted && state.hosts.every(host => host.part?.current || host.voted);
  if (!unanimous) return release(state, 'unchanged');
  return state.settings.until === 'barrier' ? release(state, 'staged') : giveOrder(state, 'arm');
}

function anyFailed(state: State): boolean {
  return state.hosts.some(host => host.failure !== null);
}

function isHeld(state: State): boolean {
  return state.hosts.some(host => host.failure?.code === 'LOCKED');
}
