/** The open sessions of a run: one a host, opened again when it was lost. */

import type { Host } from '../domain/fleet.ts';
import { type ManifestCache, openSession } from '../host/index.ts';
import type { Connection, HostSession } from '../ports.ts';
import type { Context } from './context.ts';

export interface Sessions {
  /**
   * The host's session, opened when there is none or the last one was lost.
   * @param signal ends the opening; what has to be done whatever happens, such as a revert, hands in none
   */
  open(host: Host, signal?: AbortSignal): Promise<HostSession>;
  /** The host's session when it is open and usable, else null. */
  peek(host: Host): Promise<HostSession | null>;
  /** Ends all sessions and connections. */
  close(): Promise<void>;
}

interface Opened {
  readonly connection: Connection;
  readonly session: HostSession;
  lost: boolean;
}

/** Milliseconds for an answer to what is done in an instant on a healthy host. */
const PATIENCE = 60_000;

/** @param persist whether the agent is kept on the hosts; commands that only read leave no trace */
export function createSessions(context: Context, persist: boolean): Sessions {
  const opened = new Map<string, Promise<Opened>>();
  const manifests: ManifestCache = new Map();

  async function connect(host: Host, signal = new AbortController().signal): Promise<Opened> {
    const connection = await context.connector.connect(host, { signal });
    try {
      const { agent, random, clock } = context;
      const options = { connection, host, agent, persist, random, clock, manifests, patience: PATIENCE };
      const session = await openSession(options, signal);
      const entry: Opened = { connection, session, lost: false };
      void connection.closed.then(() => {
        entry.lost = true;
      });
      return entry;
    } catch (thrown) {
      connection.close();
      throw thrown;
    }
  }

  async function reopen(host: Host, signal?: AbortSignal): Promise<Opened> {
    const before = await opened.get(host.name)?.catch(() => null);
    if (before && !before.lost && before.session.usable) return before;
    before?.connection.close();
    return connect(host, signal);
  }

  return {
    async open(host, signal) {
      const opening = reopen(host, signal);
      opened.set(host.name, opening);
      return (await opening).session;
    },
    async peek(host) {
      const entry = await opened.get(host.name)?.catch(() => null);
      return entry && !entry.lost && entry.session.usable ? entry.session : null;
    },
    async close() {
      const all = await Promise.allSettled(opened.values());
      for (const one of all) {
        if (one.status !== 'fulfilled') continue;
        one.value.session.close();
        one.value.connection.close();
      }
      await context.connector.close();
    },
  };
}
