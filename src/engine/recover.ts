/** Settles what an interrupted deployment left, from any machine that has the inventory. */

import { type Failure, toFailure } from '../domain/error.ts';
import type { HostResult, Outcome, Result } from '../domain/event.ts';
import type { Fleet } from '../domain/fleet.ts';
import { planRecovery, type Settlement } from '../domain/recovery.ts';
import { liveSlot, type Observation } from '../domain/slot.ts';
import type { Context, RunOptions } from './context.ts';
import { fanOut } from './fan-out.ts';
import { hold } from './hold.ts';
import { prepare } from './prepare.ts';
import { hasteOf, startPulse } from './pulse.ts';
import { listHeld, note, type Recovery, reachInTurn, readAll, releaseAll } from './reach.ts';
import { hostResult, plainResult } from './result.ts';
import { createSessions } from './sessions.ts';

/**
 * Exit 5 while the deployer lives, 4 when something could not be settled. Reads every participant that the records name,
 * whatever `only` says. Throws only when `only` matches nothing.
 */
export async function recover(fleet: Fleet, options: RunOptions = {}): Promise<Result> {
  const context = await prepare('recover', fleet, options);
  const { deployment, hosts, emit, command } = context;
  const names = hosts.map(host => host.name);
  emit({ kind: 'run-started', command, deployment, app: fleet.app.name, hosts: names, release: null, label: '' });
  const sessions = createSessions(context, true);
  const pulse = startPulse(context, sessions);
  const work: Recovery = { context, sessions, pulse, seen: new Map(), failures: new Map(), done: new Map() };
  try {
    await reachInTurn(work, hosts);
    if (listHeld(work).length > 0) return conclude(work, 'locked', []);
    return conclude(work, ...(await settleAll(work)));
  } finally {
    await releaseAll(work);
    await pulse.stop();
    await sessions.close();
  }
}

/** A guard, or a coordinator that lives, may decide between our reading and our step: then it is read and planned anew. */
const ROUNDS = 5;

async function settleAll(work: Recovery): Promise<[Outcome, readonly Failure[]]> {
  const { context, seen } = work;
  let settlements = await plan(work);
  for (const settlement of settlements) tell(context, settlement);
  for (let round = 0; round < ROUNDS && settlements.some(one => one.steps.length > 0); round++) {
    for (const settlement of settlements) await settleOne(work, settlement);
    await readAll(
      work,
      context.fleet.hosts.filter(({ name }) => seen.has(name)),
    );
    settlements = await plan(work);
  }
  const errors = settlements.map(describeOpen);
  if (errors.length > 0 || work.failures.size > 0) return ['unknown', errors];
  return [work.done.size === 0 ? 'current' : 'settled', []];
}

async function plan(work: Recovery): Promise<readonly Settlement[]> {
  const { seen, failures } = work;
  const readable = new Map([...seen].filter(([name]) => !failures.has(name)));
  return planRecovery(readable, await readDecisions(work, readable));
}

/** What each decider's history says of the deployments that others have in their records. */
async function readDecisions(
  { context, sessions }: Recovery,
  seen: ReadonlyMap<string, Observation>,
): Promise<ReadonlyMap<string, string>> {
  const deciders = new Set([...seen.values()].flatMap(({ deployment }) => deployment?.decider ?? []));
  const hosts = context.fleet.hosts.filter(({ name }) => deciders.has(name) && seen.has(name));
  const answers = await fanOut({
    hosts,
    phase: 'probe',
    concurrency: Math.max(1, hosts.length),
    work: async host => (await sessions.open(host)).history(),
  });
  const runs = answers.flatMap(answer => (answer.ok ? answer.value : []));
  return new Map(runs.map(run => [run.deployment, run.outcome]));
}

/** The decider first: when it cannot be settled, nobody else is. */
async function settleOne(work: Recovery, { decider, steps, deployment }: Settlement): Promise<void> {
  const first = steps.filter(step => step.host === decider);
  const others = steps.filter(step => step.host !== decider);
  for (const wave of [first, others]) {
    const answers = await giveRemedies(work, wave, deployment);
    if (answers.some(settled => !settled)) return;
  }
}

async function giveRemedies(
  { context, sessions, pulse, failures, done }: Recovery,
  steps: Settlement['steps'],
  deployment: string,
): Promise<readonly boolean[]> {
  const remedies = new Map(steps.map(({ host, remedy }) => [host, remedy]));
  const hosts = context.fleet.hosts.filter(({ name }) => remedies.has(name));
  return Promise.all(
    hosts.map(async host => {
      const { name } = host;
      const remedy = remedies.get(name) ?? 'revert';
      const outcome = remedy === 'revert' ? 'reverted' : 'confirmed';
      try {
        const session = await sessions.open(host);
        if (remedy === 'forward' && !session.locked) await hold(session, context, pulse);
        const limit = context.clock.timeout(hasteOf(context.fleet.strategy));
        if (remedy === 'revert') await session.revert(deployment, true, limit);
        else await session[remedy](deployment, limit);
        done.set(name, outcome);
        context.emit({ kind: outcome, host: name });
        return true;
      } catch (thrown) {
        const failure = toFailure(thrown, { phase: remedy === 'revert' ? 'revert' : 'confirm', host: name });
        if (!OVERTAKEN.includes(failure.code)) note(context, failures, name, failure);
        return false;
      }
    }),
  );
}

/** The host was decided otherwise since it was read. */
const OVERTAKEN: readonly string[] = ['CONFIRMED', 'REVERTED', 'FORWARDING', 'NOT_FLIPPED', 'NOT_ARMED'];

function tell({ emit }: Context, { deployment, decider, decision, states, unseen }: Settlement): void {
  const hosts = [...states].map(([name, state]) => ({ name, state }));
  emit({ kind: 'recovery', deployment, decider, decision, hosts, unseen });
}

function describeOpen({ deployment, decider, decision, states, unseen }: Settlement): Failure {
  const torn = [...states].filter(([, state]) => state === 'torn').map(([host]) => host);
  const reasons = [
    ...(decision === null ? [`the decider ${decider} cannot be read, and no host is seen confirmed`] : []),
    ...(unseen.length > 0 ? [`${unseen.join(', ')} could not be read`] : []),
    ...(torn.length > 0 ? [`the record on ${torn.join(', ')} was cut or altered`] : []),
  ];
  return {
    kind: 'unknown',
    code: 'UNSETTLED',
    phase: 'decide',
    what: `deployment ${deployment} is not settled${reasons.length > 0 ? `: ${reasons.join('; ')}` : ''}`,
    hint: 'Bring the hosts back, then run fleetflip recover again with an inventory that names them all',
  };
}

function conclude(work: Recovery, outcome: Outcome, errors: readonly Failure[]): Result {
  const { context, seen, failures } = work;
  const names = new Set([...context.hosts.map(host => host.name), ...seen.keys(), ...failures.keys()]);
  return plainResult(context, { outcome, hosts: [...names].map(name => describeHost(work, name)), errors });
}

function describeHost({ seen, failures, done }: Recovery, name: string): HostResult {
  const failure = failures.get(name);
  const observation = seen.get(name);
  const live = observation === undefined ? null : liveSlot(observation);
  const place = { slot: live?.slot ?? null, release: live === null || live.found ? null : live.release };
  if (failure === undefined) return { ...hostResult(name, done.get(name) ?? 'unchanged'), ...place };
  return hostResult(name, failure.code === 'LOCKED' ? 'failed' : 'unknown', failure);
}
