/** Locks and reads every host that a recovery concerns. */

import type { Failure } from '../domain/error.ts';
import type { Host } from '../domain/fleet.ts';
import { findParticipants } from '../domain/recovery.ts';
import type { Observation } from '../domain/slot.ts';
import type { Context } from './context.ts';
import { fanOut } from './fan-out.ts';
import { hold } from './hold.ts';
import { pauseBefore } from './pause.ts';
import { hasteOf, type Pulse } from './pulse.ts';
import type { Sessions } from './sessions.ts';

/** One recovery and what it has found so far. */
export interface Recovery {
  readonly context: Context;
  readonly sessions: Sessions;
  readonly pulse: Pulse;
  /** By host, as it was last read. */
  readonly seen: Map<string, Observation>;
  /** Hosts that could not be locked, read or settled. */
  readonly failures: Map<string, Failure>;
  /** What was done to a host. */
  readonly done: Map<string, 'confirmed' | 'reverted'>;
}

/** The hosts that another deployment holds. */
export function listHeld({ failures }: Recovery): readonly (readonly [string, Failure])[] {
  return [...failures].filter(([, failure]) => failure.code === 'LOCKED');
}

/** While another deployment holds a host, all that is held is released and the fleet is asked again, as long as `wait` says. */
export async function reachInTurn(work: Recovery, hosts: readonly Host[]): Promise<void> {
  const { clock, signal, wait, jitter, emit } = work.context;
  const until = clock.now() + wait;
  for (let attempt = 1; ; attempt++) {
    await reachAll(work, hosts);
    const held = listHeld(work);
    if (held.length === 0) return;
    if (signal.aborted || clock.now() >= until) {
      for (const [host, failure] of held) emit({ kind: 'host-failed', phase: 'lock', host, failure });
      return;
    }
    for (const [host, failure] of held) emit({ kind: 'host-retried', phase: 'lock', host, attempt, failure });
    await releaseAll(work);
    work.seen.clear();
    for (const [host] of held) work.failures.delete(host);
    await clock.sleep(pauseBefore(attempt + 1, 5_000, jitter), signal);
  }
}

/** Gives back every lock that this recovery holds. */
export async function releaseAll({ context, sessions, pulse }: Recovery): Promise<void> {
  const { hosts } = context.fleet;
  const release = async (host: Host): Promise<void> => {
    pulse.remove(host);
    const session = await sessions.peek(host);
    if (session?.locked) await session.unlock(context.clock.timeout(hasteOf(context.fleet.strategy)));
  };
  await fanOut({ hosts, phase: 'unlock', concurrency: hosts.length, work: release });
}

/** Locks and reads hosts, then those that their records name besides, until nobody is left out. */
async function reachAll(work: Recovery, hosts: readonly Host[]): Promise<void> {
  await lockAll(work, hosts);
  if (listHeld(work).length > 0) return;
  await readAll(work, hosts);
  const known = new Set([...work.seen.keys(), ...work.failures.keys()]);
  const participants = findParticipants(work.seen);
  const more = work.context.fleet.hosts.filter(({ name }) => participants.has(name) && !known.has(name));
  if (more.length > 0) await reachAll(work, more);
}

async function lockAll({ context, sessions, pulse, failures }: Recovery, hosts: readonly Host[]): Promise<void> {
  const lockable = hosts.filter(({ name }) => !failures.has(name));
  const answers = await fanOut({
    hosts: lockable,
    phase: 'lock',
    concurrency: lockable.length,
    async work(host) {
      await hold(await sessions.open(host, context.signal), context, pulse);
    },
  });
  for (const answer of answers) {
    if (answer.ok) continue;
    const { host, failure } = answer;
    if (failure.code === 'LOCKED') failures.set(host.name, failure);
    else note(context, failures, host.name, failure);
  }
}

export async function readAll({ context, sessions, seen, failures }: Recovery, hosts: readonly Host[]): Promise<void> {
  const readable = hosts.filter(({ name }) => !failures.has(name));
  const answers = await fanOut({
    hosts: readable,
    phase: 'probe',
    concurrency: readable.length,
    work: async host => (await sessions.open(host, context.signal)).probe('none'),
  });
  for (const answer of answers) {
    if (answer.ok) seen.set(answer.host.name, answer.value);
    else note(context, failures, answer.host.name, answer.failure);
  }
}

export function note({ emit }: Context, failures: Map<string, Failure>, host: string, failure: Failure): void {
  failures.set(host, failure);
  emit({ kind: 'host-failed', phase: failure.phase, host, failure });
}
