/** What every command of the engine works with: the fleet, the chosen hosts and the ports. */

import { FleetflipError } from '../domain/error.ts';
import type { Command, EventData, FleetEvent } from '../domain/event.ts';
import type { Fleet, Host } from '../domain/fleet.ts';
import { select } from '../domain/selection.ts';
import type { AgentSource } from '../host/index.ts';
import type { Clock, Connector, Emit } from '../ports.ts';

/** Options that every command of the library takes. */
export interface RunOptions {
  /** Told of everything as it happens. Must not throw. */
  readonly emit?: Emit;
  /** Aborting ends the run orderly: nothing new is started, what was flipped is put back. */
  readonly signal?: AbortSignal;
  /** Host names, globs, tags; `!` excludes. */
  readonly only?: string;
  /** Who is shown in locks and history. Default: the local user at this machine. */
  readonly owner?: string;
  /** Milliseconds for which a fleet that another deployment holds is waited for. Default: not at all. */
  readonly wait?: number;
  /** Replaces SSH. */
  readonly connector?: Connector;
  /** Replaces this machine's time. */
  readonly clock?: Clock;
  /** Replaces this machine's source of random bytes. */
  readonly random?: (bytes: number) => Buffer;
}

export interface Context {
  readonly command: Command;
  readonly fleet: Fleet;
  readonly hosts: readonly Host[];
  /** Some hosts of the inventory were left out. */
  readonly partial: boolean;
  readonly deployment: string;
  readonly owner: string;
  /** Milliseconds. */
  readonly wait: number;
  readonly connector: Connector;
  readonly agent: AgentSource;
  readonly clock: Clock;
  /** Unguessable text. */
  readonly random: () => string;
  /** From 0 to 1. */
  readonly jitter: () => number;
  readonly signal: AbortSignal;
  readonly emit: (event: EventData) => void;
}

/** @throws FleetflipError `ONLY_MATCHES_NOTHING` and the like, kind `refused`, before any host is contacted. */
export function chooseHosts(fleet: Fleet, only: string | undefined): readonly Host[] {
  if (only === undefined) return fleet.hosts;
  const selection = select(fleet.hosts, only);
  if ('error' in selection && selection.error !== undefined) throw new FleetflipError(selection.error);
  return selection.hosts;
}

/** Adds version and time to each event. */
export function stamp(emit: Emit | undefined, clock: Clock): (event: EventData) => void {
  return event => emit?.({ v: 1, time: new Date(clock.now()).toISOString(), ...event } as FleetEvent);
}
