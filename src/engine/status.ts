/** The commands that only read: status, plan, history, check. They leave no trace on the hosts. */

import { showUrl } from '../domain/artifact.ts';
import type { Result } from '../domain/event.ts';
import type { Fleet } from '../domain/fleet.ts';
import { type HostPart, makePlan } from '../domain/plan.ts';
import { countBringing } from '../domain/pull.ts';
import { findConflicts, idleSlots, isSettled, liveSlot, type Observation } from '../domain/slot.ts';
import type { HistoryReport, HostPlan, HostStatus, PlanReport, StatusReport } from '../domain/status.ts';
import type { Release } from '../release/index.ts';
import type { RunOptions } from './context.ts';
import type { ReleaseOptions } from './deploy.ts';
import type { Answer } from './fan-out.ts';
import { gather } from './gather.ts';
import { prepare } from './prepare.ts';
import { hostResult, plainResult } from './result.ts';
import { loadWanted, sizeToPull, warnOf } from './source.ts';

/** What is live and idle on every host. A host that cannot be reached is in the report, never thrown. */
export async function status(fleet: Fleet, options: RunOptions = {}): Promise<StatusReport> {
  const context = await prepare('status', fleet, options);
  const answers = await gather({
    context,
    phase: 'probe',
    persist: false,
    ask: session => session.probe('live', context.signal),
  });
  const conflicts = findConflicts(answers.flatMap(answer => (answer.ok ? [answer.value] : [])));
  const hosts = answers.map(answer => describeHost(answer, conflicts));
  const live = hosts
    .filter(host => host.reachable)
    .map(host => host.live?.release ?? `slot ${host.live?.slot ?? null}`);
  return {
    v: 1,
    kind: 'status',
    split: new Set(live).size > 1,
    settled: hosts.every(host => host.reachable && host.deployment === null) && conflicts.size === 0,
    hosts,
  };
}

/**
 * What `deploy` would do and send, and which release it overwrites.
 * @param source as for `deploy`
 * @throws FleetflipError kind `refused` when the release is not usable
 */
export async function plan(fleet: Fleet, source: string | null, options: ReleaseOptions = {}): Promise<PlanReport> {
  const context = await prepare('plan', fleet, options);
  const release = await loadWanted(context, { named: source, label: options.label, cwd: options.cwd });
  try {
    warnOf(release, context);
    const answers = await gather({
      context,
      phase: 'probe',
      persist: false,
      ask: session => session.probe('all', context.signal),
    });
    const observations = new Map(answers.flatMap(answer => (answer.ok ? [[answer.host.name, answer.value]] : [])));
    const { id, label, manifest } = release;
    const now = Math.floor(context.clock.now() / 1000);
    const planned = makePlan(
      { kind: 'deploy', release: id, label, manifest, artifact: sizeToPull(release) },
      { hosts: context.hosts, observations, now },
    );
    const parts = planned.ok ? planned.plan.parts : [];
    const unreachable = answers.flatMap(answer => (answer.ok ? [] : [answer.failure]));
    const refusals = [...unreachable, ...(planned.ok ? [] : planned.refusals)];
    const current = parts.length === context.hosts.length && parts.every(part => part.current);
    const artifact = describeArtifact(release);
    return { v: 1, kind: 'plan', release: id, label, artifact, current, hosts: parts.map(describePart), refusals };
  } finally {
    await release.close();
  }
}

/** Who released what and when, from the hosts' own records, oldest first. */
export async function history(fleet: Fleet, options: RunOptions = {}): Promise<HistoryReport> {
  const context = await prepare('history', fleet, options);
  const answers = await gather({ context, phase: 'probe', persist: false, ask: session => session.history() });
  const hosts = answers.map(answer => {
    const { name } = answer.host;
    if (!answer.ok) return { name, runs: [], error: answer.failure };
    return { name, runs: answer.value.map(({ at, ...run }) => ({ at: new Date(at * 1000).toISOString(), ...run })) };
  });
  return { v: 1, kind: 'history', hosts };
}

/** Reaches every host and tries every need. */
export async function check(fleet: Fleet, options: RunOptions = {}): Promise<Result> {
  const context = await prepare('check', fleet, options);
  const { deployment, hosts, emit } = context;
  emit({
    kind: 'run-started',
    command: 'check',
    deployment,
    app: fleet.app.name,
    hosts: hosts.map(host => host.name),
    release: null,
    label: '',
  });
  const answers = await gather({ context, phase: 'probe', persist: false, ask: session => session.tryNeeds() });
  const results = answers.map(answer => {
    const { name } = answer.host;
    if (!answer.ok) return hostResult(name, 'failed', answer.failure);
    const { problems, warnings, fetcher } = answer.value;
    for (const what of warnings)
      emit({ kind: 'warning', host: name, code: 'HOST_SETTING', what, hint: 'Change it, or have recover at hand' });
    if (fleet.source !== undefined && fetcher === 'none')
      emit({ kind: 'warning', host: name, code: 'NO_FETCHER', what: 'the host has neither curl nor wget', hint: SENT });
    if (problems.length === 0) return hostResult(name, 'unchanged');
    const hint = 'Mend this on the host, then check again';
    return hostResult(name, 'failed', {
      kind: 'refused',
      code: 'NOT_READY',
      phase: 'probe',
      host: name,
      what: problems.join('; '),
      hint,
    });
  });
  const good = results.every(result => result.error === undefined);
  return plainResult(context, { outcome: good ? 'done' : 'unchanged', hosts: results });
}

function describeHost(answer: Answer<Observation>, conflicts: ReadonlyMap<string, string>): HostStatus {
  const { name } = answer.host;
  if (!answer.ok)
    return { name, reachable: false, live: null, idle: [], lock: null, deployment: null, error: answer.failure };
  const seen = answer.value;
  const live = liveSlot(seen);
  const run = seen.deployment;
  return {
    name,
    reachable: true,
    live:
      live === null
        ? null
        : {
            slot: live.slot,
            release: live.found ? null : live.release,
            label: live.label,
            drift: seen.drifts[live.slot] ?? null,
          },
    idle: idleSlots(seen).map(({ slot, release, label, state, role }) => ({ slot, release, label, state, role })),
    lock: seen.lock?.alive ? seen.lock : null,
    deployment:
      run === null || (isSettled(seen) && !conflicts.has(name))
        ? null
        : { id: run.deployment, state: run.state, guard: run.guard },
  };
}

/** What a host without curl and wget gets of a source. */
const SENT = 'The release is sent to it; to let it fetch the artifact itself, install curl';

function describeArtifact(release: Release): PlanReport['artifact'] {
  const { artifact } = release;
  if (artifact === null || sizeToPull(release) === null) return null;
  return { url: showUrl(artifact.url), size: artifact.size, sha256: artifact.sha256 };
}

function describePart(part: HostPart): HostPlan {
  const { host, slot, current, overwrites } = part;
  return { name: host, slot, current, overwrites, ...countBringing(part) };
}
