/** Events folded into what a screen shows. */

import type { Failure, Phase } from '../domain/error.ts';
import type { FleetEvent, HostOutcome, Result } from '../domain/event.ts';
import { nameRelease } from '../domain/report.ts';
import { DOING, DONE } from './words.ts';

export interface HostView {
  readonly name: string;
  /** The last thing known of it, one word or two. */
  readonly doing: string;
  /** False while the host is at work in the current phase. */
  readonly idle: boolean;
  readonly slot: string | null;
  /** Bytes sent, and to be sent as far as is known. */
  readonly sent: number;
  readonly total: number;
  readonly failure: Failure | null;
  /** Null until the run has ended. */
  readonly outcome: HostOutcome | null;
}

export interface ViewState {
  readonly title: string;
  readonly phase: Phase | null;
  /** The hosts that have something to do in the phase. */
  readonly working: ReadonlySet<string>;
  /** Unix milliseconds. */
  readonly beganAt: number;
  /** When the first byte was sent, Unix milliseconds. */
  readonly sendingSince: number | null;
  readonly hosts: readonly HostView[];
  /** Where in `hosts` a name is. */
  readonly places: ReadonlyMap<string, number>;
  readonly interrupted: boolean;
  readonly result: Result | null;
}

type Folds = {
  readonly [Kind in FleetEvent['kind']]: (state: ViewState, event: Extract<FleetEvent, { kind: Kind }>) => ViewState;
};

/** A fold for every kind of event: a missing one does not compile. */
const FOLDS: Folds = {
  'run-started': (state, event) => ({
    ...state,
    title: `${event.command} ${event.release === null ? event.app : nameRelease(event.release, event.label)}`,
    hosts: event.hosts.map(newHost),
    places: new Map(event.hosts.map((name, at) => [name, at])),
  }),
  'phase-started': (state, { phase, hosts }) =>
    hosts.reduce<ViewState>((now, name) => change(now, name, { doing: DOING[phase], idle: false }), {
      ...state,
      phase,
      working: new Set(hosts),
    }),
  'phase-ended': state => state,
  'host-done': (state, { host, phase }) => change(state, host, { doing: DONE[phase], idle: true }),
  'host-failed': (state, { host, failure }) => change(state, host, { doing: failure.kind, idle: true, failure }),
  'host-retried': (state, { host, failure }) =>
    change(state, host, { doing: `${failure.kind}, retrying`, idle: false }),
  'host-planned': (state, { host, slot, sendSize }) => change(state, host, { slot, total: sendSize }),
  progress: (state, { host, sent, total, time }) =>
    change({ ...state, sendingSince: state.sendingSince ?? Date.parse(time) }, host, { sent, total }),
  pulled: (state, { host }) => change(state, host, { doing: 'pulled' }),
  vote: (state, { host, yes, slot }) =>
    change(state, host, { slot: slot || null, doing: yes ? 'voted yes' : 'voted no' }),
  barrier: state => state,
  flipped: (state, { host, slot }) => change(state, host, { slot, doing: 'flipped' }),
  reverted: (state, { host }) => change(state, host, { doing: 'reverted' }),
  confirmed: (state, { host }) => change(state, host, { doing: 'confirmed' }),
  recovery: (state, { hosts }) => hosts.reduce((now, { name, state: doing }) => change(now, name, { doing }), state),
  'check-output': state => state,
  warning: state => state,
  interrupted: state => ({ ...state, interrupted: true }),
  result: (state, event) =>
    event.hosts.reduce<ViewState>(
      (now, { name, outcome, slot }) =>
        change(now, name, { outcome, doing: outcome, idle: true, ...(slot && { slot }) }),
      { ...state, result: event },
    ),
};

/** Before the first event: what was asked for, and since when. */
export function newState(title: string, beganAt: number): ViewState {
  return {
    title,
    phase: null,
    working: new Set(),
    beganAt,
    sendingSince: null,
    hosts: [],
    places: new Map(),
    interrupted: false,
    result: null,
  };
}

/** Pure: the state after one more event. */
export function foldEvent(state: ViewState, event: FleetEvent): ViewState {
  const fold = FOLDS[event.kind] as (state: ViewState, event: FleetEvent) => ViewState;
  return fold(state, event);
}

function newHost(name: string): HostView {
  return {
    name,
    doing: 'waiting',
    idle: true,
    slot: null,
    sent: 0,
    total: 0,
    failure: null,
    outcome: null,
  };
}

function change(state: ViewState, name: string, news: Partial<HostView>): ViewState {
  const at = state.places.get(name);
  const host = at === undefined ? undefined : state.hosts[at];
  if (at !== undefined && host !== undefined) return { ...state, hosts: state.hosts.with(at, { ...host, ...news }) };
  return {
    ...state,
    hosts: [...state.hosts, { ...newHost(name), ...news }],
    places: new Map([...state.places, [name, state.hosts.length]]),
  };
}
