/** One question to every host at once, over sessions that are opened for it. */

import type { Phase } from '../domain/error.ts';
import type { Host } from '../domain/fleet.ts';
import type { HostSession } from '../ports.ts';
import type { Context } from './context.ts';
import { type Answer, fanOut } from './fan-out.ts';
import { createSessions, type Sessions } from './sessions.ts';

export interface Gathering<T> {
  readonly context: Context;
  readonly phase: Phase;
  /** Whether the agent may be left on the hosts. */
  readonly persist: boolean;
  readonly ask: (session: HostSession, host: Host) => Promise<T>;
}

/** Reads something of every host and ends the sessions. */
export async function gather<T>({ context, phase, persist, ask }: Gathering<T>): Promise<readonly Answer<T>[]> {
  const sessions = createSessions(context, persist);
  try {
    return await askAll({ context, sessions, phase, ask });
  } finally {
    await sessions.close();
  }
}

/** The same over sessions that stay open. */
export function askAll<T>({
  context,
  sessions,
  phase,
  ask,
}: Omit<Gathering<T>, 'persist'> & { readonly sessions: Sessions }): Promise<readonly Answer<T>[]> {
  const { hosts, emit } = context;
  return fanOut({
    hosts,
    phase,
    concurrency: hosts.length,
    async work(host) {
      const began = context.clock.now();
      const value = await ask(await sessions.open(host, context.signal), host);
      emit({ kind: 'host-done', phase, host: host.name, took: context.clock.now() - began });
      return value;
    },
  });
}
