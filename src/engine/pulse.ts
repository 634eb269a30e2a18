/** The beats that keep this run's locks and guards: while they come, its hosts know that the coordinator lives. */

import type { Host, Strategy } from '../domain/fleet.ts';
import type { Context } from './context.ts';
import type { Sessions } from './sessions.ts';

/** Milliseconds without a beat after which a lock is nobody's. */
export function leaseOf({ confirmWithin }: Strategy): number {
  return Math.min(30_000, confirmWithin / 2);
}

/** Milliseconds for an answer to what is one rename on the host; a host that takes longer is lost to this attempt. */
export function hasteOf({ confirmWithin }: Strategy): number {
  return Math.max(5_000, confirmWithin / 3);
}

/** Milliseconds after the last beat in which a host's guard has surely reverted: its window, and a rename at leisure. */
export function guardedFor({ confirmWithin }: Strategy): number {
  return confirmWithin + 5_000;
}

/** Often enough for several to be lost within a third of the guard's window. */
function intervalOf({ confirmWithin }: Strategy): number {
  return Math.min(5_000, confirmWithin / 9);
}

export interface Pulse {
  /** Beats for this host from now on. */
  add(host: Host): void;
  remove(host: Host): void;
  /** Ends all beats. Resolves when none is under way. */
  stop(): Promise<void>;
}

/** A beat that fails is not told: whoever depends on it learns it from the host's next answer. */
export function startPulse(context: Context, sessions: Sessions): Pulse {
  const { clock, fleet } = context;
  const hosts = new Set<Host>();
  const beating = new Map<Host, Promise<void>>();
  const end = new AbortController();

  const beat = async (host: Host): Promise<void> => {
    const session = await sessions.peek(host);
    await session?.beat(clock.timeout(fleet.strategy.confirmWithin));
  };

  const beatAll = (): void => {
    for (const host of hosts) {
      if (beating.has(host)) continue;
      const once = beat(host)
        .catch(() => undefined)
        .finally(() => beating.delete(host));
      beating.set(host, once);
    }
  };

  const run = async (): Promise<void> => {
    while (!end.signal.aborted) {
      await clock.sleep(intervalOf(fleet.strategy), end.signal);
      if (!end.signal.aborted) beatAll();
    }
  };

  const running = run();
  return {
    add: host => void hosts.add(host),
    remove: host => void hosts.delete(host),
    async stop() {
      end.abort();
      await running;
      await Promise.all(beating.values());
    },
  };
}
