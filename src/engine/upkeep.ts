/** The commands that an operator runs by hand on single hosts: unlock and adopt. */

import type { Failure } from '../domain/error.ts';
import type { EventData, Result } from '../domain/event.ts';
import type { Fleet } from '../domain/fleet.ts';
import type { LockHolder } from '../domain/slot.ts';
import type { Adopted } from '../ports.ts';
import type { Context, RunOptions } from './context.ts';
import { askAll, gather } from './gather.ts';
import { prepare } from './prepare.ts';
import { leaseOf } from './pulse.ts';
import { hostResult, plainResult } from './result.ts';
import { createSessions } from './sessions.ts';

/** A lock and the host that it is on. */
export interface HeldLock extends LockHolder {
  readonly host: string;
}

export interface UnlockOptions extends RunOptions {
  /** Shown every holder; nothing is unlocked unless it resolves with true. */
  readonly confirm: (holders: readonly HeldLock[]) => Promise<boolean>;
}

/** Takes locks away by force. A host that is not settled refuses. Throws only when `only` matches nothing. */
export async function unlock(fleet: Fleet, options: UnlockOptions): Promise<Result> {
  const context = await prepare('unlock', fleet, options);
  const sessions = createSessions(context, true);
  try {
    const seen = await askAll({ context, sessions, phase: 'probe', ask: session => session.probe('none') });
    const holders = seen.flatMap(answer =>
      answer.ok && answer.value.lock?.alive ? [{ host: answer.host.name, ...answer.value.lock }] : [],
    );
    if (holders.length > 0 && !(await options.confirm(holders))) return declined(context);
    const locked = new Set(holders.map(holder => holder.host));
    const freed = await askAll({
      context,
      sessions,
      phase: 'unlock',
      ask: async (session, host) => (locked.has(host.name) ? session.breakLock() : null),
    });
    return conclude(
      context,
      freed.flatMap(answer => (answer.ok ? [] : [answer.failure])),
    );
  } finally {
    await sessions.close();
  }
}

export interface AdoptOptions extends RunOptions {
  /** Asked when hosts cannot exchange two names at once, so that the name is missing for a moment. */
  readonly allowGap: (hosts: readonly string[]) => Promise<boolean>;
}

/** Turns the plain directory at the name of the live link into the first slot. Throws only when `only` matches nothing. */
export async function adopt(fleet: Fleet, options: AdoptOptions): Promise<Result> {
  const context = await prepare('adopt', fleet, options);
  const first = await adoptAll(context, false);
  const gaps = first.filter(failure => failure.code === 'NEEDS_GAP');
  if (gaps.length === 0) return conclude(context, first);
  const hosts = gaps.flatMap(failure => (failure.host === undefined ? [] : [failure.host]));
  if (!(await options.allowGap(hosts))) return conclude(context, first);
  const chosen = context.hosts.filter(host => hosts.includes(host.name));
  const second = await adoptAll({ ...context, hosts: chosen }, true);
  return conclude(context, [...first.filter(failure => failure.code !== 'NEEDS_GAP'), ...second]);
}

async function adoptAll(context: Context, allowGap: boolean): Promise<readonly Failure[]> {
  const { deployment, owner, command, fleet } = context;
  const answers = await gather({
    context,
    phase: 'probe',
    persist: true,
    async ask(session, { name }) {
      await session.lock({ deployment, owner, command, lease: leaseOf(fleet.strategy) });
      const { live } = await session.probe('none');
      if (live.kind === 'link' && live.slot !== null) return;
      const adopted = await session.adopt({ allowGap });
      if (adopted.how !== 'atomic') context.emit(tellAdopted(name, adopted));
      await session.unlock();
    },
  });
  return answers.flatMap(answer => (answer.ok ? [] : [answer.failure]));
}

function tellAdopted(host: string, { slot, how }: Adopted): EventData {
  const copied = how === 'copied';
  return {
    kind: 'warning',
    host,
    code: copied ? 'ADOPTED_COPY' : 'ADOPTED_WITH_GAP',
    what: copied ? `what the link pointed to was copied into ${slot}` : 'the name was missing for a moment',
    hint: copied ? 'The old directory stays where it is; remove it when you need it no longer' : `It is ${slot} now`,
  };
}

function declined(context: Context): Result {
  return plainResult(context, {
    outcome: 'unchanged',
    hosts: context.hosts.map(host => hostResult(host.name, 'unchanged')),
  });
}

function conclude(context: Context, failures: readonly Failure[]): Result {
  const byHost = new Map(failures.map(failure => [failure.host, failure]));
  const hosts = context.hosts.map(({ name }) =>
    hostResult(name, byHost.has(name) ? 'failed' : 'unchanged', byHost.get(name)),
  );
  return plainResult(context, { outcome: failures.length === 0 ? 'done' : 'unchanged', hosts });
}
