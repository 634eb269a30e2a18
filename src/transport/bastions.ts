/** Bastions that hosts share: one connection for all that go the same way. */

import { abortable } from '../waiting.ts';
import type { ForwardingConnection } from './ssh2-channels.ts';

export interface Bastions {
  /**
   * The connection of the way, opened when there is none.
   * @param signal of one host: only when every host that waits has given up is the attempt itself ended
   */
  reach(way: string, signal: AbortSignal, open: Open): Promise<ForwardingConnection>;
  /** Ends the connections, and the attempts that are under way. */
  close(): Promise<void>;
}

export type Open = (signal: AbortSignal) => Promise<ForwardingConnection>;

interface Shared {
  readonly connection: Promise<ForwardingConnection>;
  readonly attempt: AbortController;
  waiting: number;
}

export function createBastions(): Bastions {
  const known = new Map<string, Shared>();

  function begin(way: string, open: Open): Shared {
    const attempt = new AbortController();
    const shared: Shared = { connection: open(attempt.signal), attempt, waiting: 0 };
    const forget = (): void => {
      if (known.get(way) === shared) known.delete(way);
    };
    known.set(way, shared);
    attempt.signal.addEventListener('abort', forget, { once: true });
    shared.connection.then(connection => connection.closed.then(forget), forget);
    return shared;
  }

  return {
    async reach(way, signal, open) {
      const shared = known.get(way) ?? begin(way, open);
      shared.waiting += 1;
      try {
        const connection = await abortable(shared.connection, signal);
        // From here on it is in use: nobody who gives up later may end it.
        shared.waiting = Number.POSITIVE_INFINITY;
        return connection;
      } finally {
        shared.waiting -= 1;
        if (shared.waiting === 0) giveUp(shared);
      }
    },
    async close() {
      const all = [...known.values()];
      for (const shared of all) giveUp(shared);
      await Promise.allSettled(all.map(shared => shared.connection));
    },
  };
}

function giveUp({ attempt, connection }: Shared): void {
  attempt.abort();
  connection.then(
    open => open.close(),
    () => undefined,
  );
}
