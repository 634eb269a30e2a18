/** What the reading commands found, as text. Everything of a host is made safe for a terminal. */

import { describeFailure } from '../domain/error.ts';
import { nameRelease } from '../domain/report.ts';
import type { HistoryReport, HostPlan, HostStatus, IdleStatus, PlanReport, StatusReport } from '../domain/status.ts';
import { formatBytes } from './format.ts';
import { drawTable } from './table.ts';
import { makeSafe } from './text.ts';
import { countHosts } from './words.ts';

type Row = readonly string[];

export function formatStatus(report: StatusReport): string {
  const rows = report.hosts.filter(host => host.reachable).flatMap(statusRows);
  const notes = report.hosts.flatMap(statusNotes).map(makeSafe);
  return lines(rows.length === 0 ? [] : [['HOST', 'SLOT', '', 'RELEASE'], ...rows], [...notes, judge(report)]);
}

function statusRows({ name, live, idle }: HostStatus): readonly Row[] {
  const slots: readonly Row[] = [
    live === null ? ['-', 'live', 'nothing yet'] : [live.slot ?? '-', 'live', nameRelease(live.release, live.label)],
    ...idle.map(slot => [
      slot.slot,
      describeIdle(slot),
      slot.state === 'empty' ? '' : nameRelease(slot.release, slot.label),
    ]),
  ];
  return slots.map((cells, at) => [at === 0 ? name : '', ...cells]);
}

function describeIdle({ state, role }: IdleStatus): string {
  return state === 'verified' && role !== null ? role : state;
}

function statusNotes({ name, live, lock, deployment, error }: HostStatus): readonly string[] {
  const notes: string[] = [];
  if (error !== undefined) return [describeFailure(error)];
  if (live?.drift) {
    const { changed, missing, extra, paths } = live.drift;
    const named = `${paths.slice(0, 3).join(', ')}${paths.length > 3 ? ', ...' : ''}`;
    notes.push(
      `${name}: ${live.slot} drifted since it was proven: ${changed} changed, ${missing} missing, ${extra} extra (${named})`,
    );
  }
  if (lock !== null) {
    const since = new Date(lock.since * 1000).toISOString();
    notes.push(
      `${name}: locked by ${lock.owner}, who runs ${lock.command} (deployment ${lock.deployment}) since ${since}`,
    );
  }
  if (deployment !== null)
    notes.push(`${name}: deployment ${deployment.id} is ${deployment.state} and NOT settled. Next: fleetflip recover`);
  return notes;
}

function judge({ hosts, split }: StatusReport): string {
  const unread = hosts.filter(host => !host.reachable).length;
  if (split) return 'THE FLEET IS SPLIT: hosts serve different releases. Next: deploy one release to all of them.';
  if (hosts.some(host => host.deployment !== null)) return 'THE FLEET IS NOT SETTLED. Next: fleetflip recover.';
  if (unread > 0) return `${countHosts(unread)} could NOT be read; the others are on one release.`;
  return 'The fleet is on one release and settled.';
}

export function formatPlan(report: PlanReport): string {
  const rows = report.hosts.map(planRow);
  const notes = report.refusals.map(failure => makeSafe(describeFailure(failure)));
  const name = makeSafe(nameRelease(report.release, report.label));
  const end =
    report.refusals.length > 0
      ? 'deploy would refuse: no link would move.'
      : report.current
        ? `${name} is live already.`
        : `deploy would bring ${name} to ${countHosts(report.hosts.length)}.`;
  const head = ['HOST', 'INTO', 'OVER', 'SEND', 'COPY', 'REMOVE'];
  return lines(rows.length === 0 ? [] : [head, ...rows], [...notes, end]);
}

function planRow({ name, slot, current, overwrites, send, sendSize, copy, copySize, remove }: HostPlan): Row {
  if (current) return [name, slot, 'live already'];
  const over = overwrites === null ? 'a new slot' : nameRelease(overwrites.release, overwrites.label);
  return [name, slot, over, `${send} (${formatBytes(sendSize)})`, `${copy} (${formatBytes(copySize)})`, String(remove)];
}

export function formatHistory(report: HistoryReport): string {
  const rows = report.hosts.flatMap(({ name, runs }) =>
    runs.map((run, at) => [
      at === 0 ? name : '',
      run.at,
      run.command,
      run.outcome,
      run.slot ?? '-',
      nameRelease(run.release, run.label),
      run.owner,
    ]),
  );
  const notes = report.hosts.flatMap(({ name, runs, error }) => {
    if (error !== undefined) return [makeSafe(describeFailure(error))];
    return runs.length === 0 ? [`${makeSafe(name)}: no deployment yet`] : [];
  });
  const head = ['HOST', 'WHEN', 'COMMAND', 'OUTCOME', 'SLOT', 'RELEASE', 'BY'];
  return lines(rows.length === 0 ? [] : [head, ...rows], notes);
}

function lines(table: readonly Row[], below: readonly string[]): string {
  return [...drawTable(table), ...below].join('\n');
}
