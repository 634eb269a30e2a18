/** Events folded into what a screen shows. */

import type { FleetEvent, Result } from '../domain/event.ts';

export interface HostView {
  readonly name: string;
  /** The last thing known of it, one or two words. */
  readonly doing: string;
  readonly sent: number;
  readonly total: number;
  readonly failed: boolean;
}

export interface ViewState {
  readonly title: string;
  readonly phase: string;
  /** Unix milliseconds. */
  readonly beganAt: number;
  readonly hosts: ReadonlyMap<string, HostView>;
  readonly result: Result | null;
}

export const EMPTY: ViewState = { title: '', phase: '', beganAt: 0, hosts: new Map(), result: null };

export function foldEvent(state: ViewState, event: FleetEvent): ViewState {
  switch (event.kind) {
    case 'run-started': {
      const hosts = new Map(
        event.hosts.map(name => [name, { name, doing: 'waiting', sent: 0, total: 0, failed: false }]),
      );
      return {
        ...state,
        title: `${event.command} ${event.label || event.app}`,
        beganAt: Date.parse(event.time),
        hosts,
      };
    }
    case 'phase-started':
      return changeHosts({ ...state, phase: event.phase }, event.hosts, { doing: event.phase });
    case 'progress':
      return changeHosts(state, [event.host], { sent: event.sent, total: event.total });
    case 'host-done':
      return changeHosts(state, [event.host], { doing: `${event.phase} done` });
    case 'host-failed':
      return changeHosts(state, [event.host], { doing: `${event.failure.kind}: ${event.failure.what}`, failed: true });
    case 'vote':
      return event.yes ? changeHosts(state, [event.host], { doing: 'votes yes' }) : state;
    case 'flipped':
      return changeHosts(state, [event.host], { doing: `flipped to ${event.slot}` });
    case 'reverted':
    case 'confirmed':
      return changeHosts(state, [event.host], { doing: event.kind });
    case 'result':
      return { ...state, result: event };
    default:
      return state;
  }
}

function changeHosts(state: ViewState, names: readonly string[], change: Partial<HostView>): ViewState {
  const hosts = new Map(state.hosts);
  for (const name of names) {
    const host = hosts.get(name);
    if (host !== undefined) hosts.set(name, { ...host, ...change });
  }
  return { ...state, hosts };
}
