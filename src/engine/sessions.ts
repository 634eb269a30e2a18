/** The open sessions of a run: one a host, opened again when it was lost. */

import type { Host } from '../domain/fleet.ts';
import { type ManifestCache, openSession } from '../host/index.ts';
import type { Connection, HostSession } from '../ports.ts';
import type { Context } from './context.ts';

export interface Sessions {
  /** The host's session, opened when there is none or the last one was lost. */
  open(host: Host): Promise<HostSession>;
  /** Ends all sessions and connections. */
  close(): Promise<void>;
}

interface Opened {
  readonly connection: Connection;
  readonly session: HostSession;
  lost: boolean;
}

/** @param persist whether the agent is kept on the hosts; commands that only read leave no trace */
export function createSessions(context: Context, persist: boolean): Sessions {
  const opened = new Map<string, Promise<Opened>>();
  const manifests: ManifestCache = new Map();

  async function connect(host: Host): Promise<Opened> {
    const connection = await context.connector.connect(host, { signal: new AbortController().signal });
    try {
      const { agent, random, clock } = context;
      const session = await openSession({ connection, host, agent, persist, random, clock, manifests });
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

  async function reopen(host: Host): Promise<Opened> {
    const before = await opened.get(host.name)?.catch(() => null);
    if (before && !before.lost && before.session.usable) return before;
    before?.connection.close();
    return connect(host);
  }

  return {
    async open(host) {
      const opening = reopen(host);
      opened.set(host.name, opening);
      return (await opening).session;
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
