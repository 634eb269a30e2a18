/**
 * The instant of the flip: every host acknowledges it before it comes, or it is cancelled; another one is chosen only after
 * every host has acknowledged the cancel.
 */

import type { Failure } from '../error.ts';
import { startRevert } from './commit.ts';
import { enterPhase, orderMovers } from './orders.ts';
import { movers, type State, type Step } from './state.ts';

/** Every host is told the same instant. */
export function scheduleFlip(state: State): Step {
  const hosts = state.hosts.map(host => ({ ...host, flipOrdered: host.part !== null && !host.part.current }));
  const ordered = { ...state, hosts, instants: state.instants + 1 };
  return enterPhase(ordered, 'flip', 'schedule', movers(ordered));
}

/** Every host has acknowledged it: it comes, and they are asked how the flip went. What is only late is cancelled. */
export function judgeSchedule(state: State): Step {
  if (state.aborted) return startRevert(state);
  const failures = state.hosts.flatMap(host => (host.failure === null ? [] : [host.failure]));
  if (failures.length === 0) return orderMovers({ ...state, agreed: true }, 'flip');
  if (!failures.every(isLate) || state.instants >= state.settings.instants) return startRevert(state);
  return enterPhase({ ...state, cancelling: true }, 'flip', 'cancel', movers(state));
}

/** The host has acknowledged its instant too late for it, or heard of it too late. */
export function isLate({ code }: Failure): boolean {
  return code === 'NOT_ACKNOWLEDGED' || code === 'LATE';
}

/** Where no link has moved, and none can, there is another instant. */
export function judgeCancel(state: State): Step {
  const cancelled = movers(state).every(host => host.link === 'armed');
  if (!cancelled || state.aborted) return startRevert(state);
  const hosts = state.hosts.map(host => ({ ...host, failure: null }));
  return scheduleFlip({ ...state, hosts, cancelling: false });
}
