/** Settles what an interrupted deployment left, from any machine that has the inventory. */

import type { Failure } from '../domain/error.ts';
import { toFailure } from '../domain/error.ts';
import type { HostResult, Outcome, Result } from '../domain/event.ts';
import type { Fleet } from '../domain/fleet.ts';
import { planRecovery, type Settlement } from '../domain/recovery.ts';
import type { Observation } from '../domain/slot.ts';
import type { Context, RunOptions } from './context.ts';
import { askAll } from './gather.ts';
import { prepare } from './prepare.ts';
import { hostResult, plainResult } from './result.ts';
import { createSessions, type Sessions } from './sessions.ts';

/** Exit 5 while the deployer lives, 4 when something could not be settled. Throws only when `only` matches nothing. */
export async function recover(fleet: Fleet, options: RunOptions = {}): Promise<Result> {
  const context = await prepare('recover', fleet, options);
  const { deployment, hosts, emit, command } = context;
  emit({
    kind: 'run-started',
    command,
    deployment,
    app: fleet.app.name,
    hosts: hosts.map(host => host.name),
    release: null,
    label: '',
  });
  const sessions = createSessions(context, true);
  try {
    return await settleAll(context, sessions);
  } finally {
    await sessions.close();
  }
}

async function settleAll(context: Context, sessions: Sessions): Promise<Result> {
  const { deployment, owner, command } = context;
  const locks = await askAll({
    context,
    sessions,
    phase: 'lock',
    ask: session => session.lock({ deployment, owner, command }),
  });
  const failures = new Map(locks.flatMap(answer => (answer.ok ? [] : [[answer.host.name, answer.failure]])));
  const held = [...failures.values()].some(failure => failure.code === 'LOCKED');
  if (held)
    return plainResult(context, {
      outcome: 'locked',
      hosts: context.hosts.map(({ name }) =>
        hostResult(name, failures.has(name) ? 'failed' : 'unchanged', failures.get(name)),
      ),
    });
  const answers = await askAll({ context, sessions, phase: 'probe', ask: session => session.probe('none') });
  const observations = new Map(answers.flatMap(answer => (answer.ok ? [[answer.host.name, answer.value]] : [])));
  for (const answer of answers) if (!answer.ok) failures.set(answer.host.name, answer.failure);
  const settlements = planRecovery(observations, await readDecisions(context, sessions, observations));
  const settled = new Map<string, HostResult>();
  for (const settlement of settlements) await settleOne({ context, sessions, settlement, settled });
  return plainResult(context, {
    outcome: judge(settlements, settled, failures),
    hosts: context.hosts.map(
      ({ name }) =>
        settled.get(name) ??
        (failures.has(name) ? hostResult(name, 'unknown', failures.get(name)) : hostResult(name, 'unchanged')),
    ),
    errors: settlements.flatMap(describeUnsettled),
  });
}

/** What each decider's history says of the deployments that are open elsewhere. */
async function readDecisions(
  context: Context,
  sessions: Sessions,
  observations: ReadonlyMap<string, Observation>,
): Promise<ReadonlyMap<string, string>> {
  const deciders = new Set(
    [...observations.values()].flatMap(seen => (seen.deployment === null ? [] : [seen.deployment.decider])),
  );
  const decisions = new Map<string, string>();
  for (const host of context.hosts.filter(one => deciders.has(one.name) && observations.has(one.name))) {
    const runs = await (await sessions.open(host)).history();
    for (const run of runs) decisions.set(run.deployment, run.outcome);
  }
  return decisions;
}

interface Settling {
  readonly context: Context;
  readonly sessions: Sessions;
  readonly settlement: Settlement;
  readonly settled: Map<string, HostResult>;
}

/** The decider first: when it cannot be settled, nobody else is. */
async function settleOne({ context, sessions, settlement, settled }: Settling): Promise<void> {
  for (const { host: name, remedy } of settlement.steps) {
    const host = context.hosts.find(one => one.name === name);
    if (host === undefined) continue;
    try {
      const session = await sessions.open(host);
      await session[remedy](settlement.deployment);
      settled.set(name, hostResult(name, remedy === 'revert' ? 'reverted' : 'confirmed'));
      context.emit({ kind: remedy === 'revert' ? 'reverted' : 'confirmed', host: name });
    } catch (thrown) {
      const failure = toFailure(thrown, { phase: remedy === 'revert' ? 'revert' : 'confirm', host: name });
      settled.set(name, hostResult(name, 'unknown', failure));
      context.emit({ kind: 'host-failed', phase: failure.phase, host: name, failure });
      if (name === settlement.decider) return;
    }
  }
}

function judge(
  settlements: readonly Settlement[],
  settled: ReadonlyMap<string, HostResult>,
  failures: ReadonlyMap<string, Failure>,
): Outcome {
  const open = settlements.some(
    ({ stuck, unseen, steps }) =>
      stuck !== null ||
      unseen.length > 0 ||
      steps.some(({ host }) => settled.get(host)?.error !== undefined || !settled.has(host)),
  );
  if (open || failures.size > 0) return 'unknown';
  return settlements.length === 0 ? 'current' : 'settled';
}

function describeUnsettled({ deployment, stuck, unseen }: Settlement): readonly Failure[] {
  if (stuck === null && unseen.length === 0) return [];
  const what = stuck ?? `deployment ${deployment} also took place on ${unseen.join(', ')}, which could not be read`;
  return [
    {
      kind: 'unknown',
      code: 'UNSETTLED',
      phase: 'decide',
      what,
      hint: 'Bring the host back, then run fleetflip recover again with an inventory that names it',
    },
  ];
}
