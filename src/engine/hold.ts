/** A host's lock, taken for a run and kept by its beats. */

import type { HostSession } from '../ports.ts';
import type { Context } from './context.ts';
import { leaseOf, type Pulse } from './pulse.ts';

/** @throws FleetflipError `LOCKED` and the like. */
export async function hold(session: HostSession, context: Context, pulse: Pulse): Promise<void> {
  const { deployment, owner, command, fleet } = context;
  await session.lock({ deployment, owner, command, lease: leaseOf(fleet.strategy) });
  pulse.add(session.host);
}
