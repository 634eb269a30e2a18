/**
 * The two-phase machine, without IO: it is told what hosts answered and orders what they do next. Every phase waits for
 * the answers of all its hosts, so that a failing run names every host that failed.
 */

import type { Failure, Phase } from '../error.ts';
import { decide, finishConfirm, finishRevert, judgeFlip, startRevert } from './commit.ts';
import { judgeCancel, judgeSchedule, scheduleFlip } from './instant.ts';
import { blame, learn } from './learn.ts';
import { enterPhase, lockAgain, orderMovers, orderNext, release, retry } from './orders.ts';
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
      stayed: false,
      flippedAt: null,
      tries: 0,
      failure: null,
    })),
    waiting: [],
    aborted: false,
    late: false,
    lockings: 1,
    instants: 0,
    cancelling: false,
    agreed: false,
    decided: 'no',
    instant: 0,
    outcome: null,
    failures: [],
  };
  return enterPhase(state, 'connect', 'connect', state.hosts);
}

/** @param plan called once, after every host was probed */
export function next(state: State, input: Input, plan: Planner): Step {
  if (state.phase === 'ended') return { state, orders: [] };
  if (input.kind === 'abort') return { state: { ...state, aborted: true }, orders: [] };
  if (input.kind === 'late') return { state: runOut(state, input.phase), orders: [] };
  if (!state.waiting.includes(input.host)) return { state, orders: [] };
  const told = input.kind === 'done' ? learn(state, input) : blame(state, input);
  const more = input.kind === 'failed' ? persist(told, input) : null;
  if (more !== null) return more;
  const waited = { ...told, waiting: told.waiting.filter(name => name !== input.host) };
  return waited.waiting.length > 0 ? { state: waited, orders: [] } : advance(waited, plan);
}

function runOut(state: State, phase: Phase): State {
  if (phase === 'lock') return { ...state, settings: { ...state.settings, waiting: false } };
  return phase === state.phase ? { ...state, late: true } : state;
}

/** What a failure is answered with at once, while the other hosts are still awaited; null: nothing. */
function persist(state: State, input: Extract<Input, { kind: 'failed' }>): Step | null {
  const host = state.hosts.find(candidate => candidate.name === input.host);
  const guardWon = input.order === 'confirm' && state.phase === 'confirm' && host?.link === 'reverted';
  return guardWon ? orderNext(state, 'forward', host) : retry(state, input);
}

function advance(state: State, plan: Planner): Step {
  const ends = state.aborted || anyFailed(state);
  switch (state.phase) {
    case 'connect':
      return ends ? release(state, 'unchanged') : enterPhase(state, 'lock', 'lock', state.hosts);
    case 'lock':
      if (!ends) return enterPhase(state, 'probe', 'probe', state.hosts);
      return isHeld(state) ? giveWay(state) : release(state, 'unchanged');
    case 'probe':
      return ends ? release(state, 'unchanged') : applyPlan(state, plan);
    case 'stage':
      return ends ? release(state, 'unchanged') : orderMovers(state, 'verify');
    case 'verify':
      return passBarrier(state);
    case 'arm':
      return ends ? startRevert(state) : scheduleFlip(state);
    case 'flip':
      if (state.agreed) return judgeFlip(state);
      return state.cancelling ? judgeCancel(state) : judgeSchedule(state);
    case 'decide':
      return decide(state);
    case 'confirm':
      return finishConfirm(state);
    case 'revert':
      return finishRevert(state);
    case 'unlock':
      return state.outcome === null ? lockAgain(state) : { state: { ...state, phase: 'ended' }, orders: [] };
    default:
      throw new Error(`the machine waits in no phase ${state.phase}`);
  }
}

/** Another deployment holds a host: all that is held is released, so that two never hold half a fleet each. */
function giveWay(state: State): Step {
  const others = state.hosts.some(host => host.failure !== null && host.failure.code !== 'LOCKED');
  if (!state.settings.waiting || state.aborted || others) return release(state, 'locked');
  const patient = { ...state, hosts: state.hosts.map(host => ({ ...host, failure: null })) };
  const holders = patient.hosts.filter(host => host.locked);
  return holders.length === 0 ? lockAgain(patient) : enterPhase(patient, 'unlock', 'unlock', holders);
}

function applyPlan(state: State, plan: Planner): Step {
  const seen = new Map(state.hosts.flatMap(host => (host.observation === null ? [] : [[host.name, host.observation]])));
  const planned = plan(seen);
  if (!planned.ok) return refusePlan(state, planned.refusals);
  const parts = new Map(planned.plan.parts.map(part => [part.host, part]));
  const hosts = state.hosts.map(host => ({ ...host, part: parts.get(host.name) ?? null }));
  const ready = { ...state, hosts, instant: planned.plan.instant };
  if (hosts.every(host => host.part?.current)) return release(ready, 'current');
  return orderMovers(ready, state.settings.staging ? 'stage' : 'verify');
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
  return state.settings.until === 'barrier' ? release(state, 'staged') : orderMovers(state, 'arm');
}

function anyFailed(state: State): boolean {
  return state.hosts.some(host => host.failure !== null);
}

function isHeld(state: State): boolean {
  return state.hosts.some(host => host.failure?.code === 'LOCKED');
}
