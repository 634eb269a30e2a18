/** What the reading commands found, as text. */

import { describeFailure } from '../domain/error.ts';
import { nameRelease } from '../domain/report.ts';
import type { HistoryReport, HostStatus, PlanReport, StatusReport } from '../domain/status.ts';
import { formatBytes } from './format.ts';

export function formatStatus(report: StatusReport): string {
  const end = report.split
    ? 'THE FLEET IS SPLIT: hosts serve different releases.'
    : report.settled
      ? 'The fleet is on one release and settled.'
      : 'The fleet is NOT settled or not all of it could be read. Next: fleetflip recover.';
  return [...report.hosts.flatMap(formatHost), end].join('\n');
}

function formatHost(host: HostStatus): readonly string[] {
  if (host.error !== undefined) return [describeFailure(host.error)];
  const { live, lock, deployment } = host;
  const drift = live?.drift
    ? `, drifted: ${live.drift.changed} changed, ${live.drift.missing} missing, ${live.drift.extra} extra (${live.drift.paths.slice(0, 3).join(', ')})`
    : '';
  return [
    `${host.name}`,
    live === null ? '  live  nothing yet' : `  live  ${live.slot}  ${nameRelease(live.release, live.label)}${drift}`,
    ...host.idle.map(
      idle =>
        `  idle  ${idle.slot}  ${idle.state}${idle.release === null ? '' : `  ${nameRelease(idle.release, idle.label)}`}${idle.role === null ? '' : `  ${idle.role}`}`,
    ),
    ...(lock === null ? [] : [`  lock  ${lock.owner} runs ${lock.command} (deployment ${lock.deployment})`]),
    ...(deployment === null
      ? []
      : [`  NOT SETTLED: deployment ${deployment.id} is ${deployment.state}. Next: fleetflip recover`]),
  ];
}

export function formatPlan(report: PlanReport): string {
  const lines = report.hosts.map(host => {
    if (host.current) return `${host.name}  ${host.slot}  is current, nothing to do`;
    const over =
      host.overwrites === null ? 'a new slot' : `over ${nameRelease(host.overwrites.release, host.overwrites.label)}`;
    return `${host.name}  ${host.slot}  ${over}: send ${host.send} (${formatBytes(host.sendSize)}), copy ${host.copy} (${formatBytes(host.copySize)}), remove ${host.remove}`;
  });
  const name = nameRelease(report.release, report.label);
  const end =
    report.refusals.length > 0
      ? 'deploy would refuse: no link would move.'
      : report.current
        ? `${name} is live already.`
        : `deploy would bring ${name} to ${report.hosts.length} hosts.`;
  return [...lines, ...report.refusals.map(describeFailure), end].join('\n');
}

export function formatHistory(report: HistoryReport): string {
  return report.hosts
    .flatMap(host => [
      host.name,
      ...(host.error === undefined ? [] : [`  ${describeFailure(host.error)}`]),
      ...host.runs.map(
        run =>
          `  ${run.at}  ${run.command}  ${run.outcome}  ${run.slot ?? ''}  ${nameRelease(run.release, run.label)}  by ${run.owner}`,
      ),
    ])
    .join('\n');
}
