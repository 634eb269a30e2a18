/** What the reading commands found, as text. Everything of a host is made safe for a terminal. */

import { countHosts, nameRelease } from '../domain/report.ts';
import type { LockHolder } from '../domain/slot.ts';
import type { HistoryReport, HostPlan, HostStatus, IdleStatus, PlanReport, StatusReport } from '../domain/status.ts';
import { describeFailures } from './failures.ts';
import { formatBytes, formatInstant, formatTime } from './format.ts';
import { drawTable } from './table.ts';
import { makeSafe } from './text.ts';

type Row = readonly string[];

export function formatStatus(report: StatusReport): string {
  const rows = report.hosts.filter(host => host.reachable).flatMap(statusRows);
  const unread = report.hosts.flatMap(({ error }) => error ?? []);
  const notes = [...report.hosts.flatMap(statusNotes).map(makeSafe), ...describeFailures(unread)];
  return lines(rows.length === 0 ? [] : [['HOST', 'SLOT', 'STATE', 'RELEASE'], ...rows], [...notes, judge(report)]);
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

function statusNotes({ name, live, lock, deployment }: HostStatus): readonly string[] {
  const notes: string[] = [];
  if (live?.drift) {
    const { changed, missing, extra, paths } = live.drift;
    const named = `${paths.slice(0, 3).join(', ')}${paths.length > 3 ? ', ...' : ''}`;
    notes.push(
      `${name}: ${live.slot} drifted since it was proven: ${changed} changed, ${missing} missing, ${extra} extra (${named})`,
    );
  }
  if (lock !== null) notes.push(`${name}: ${describeLock(lock)}`);
  if (deployment !== null)
    notes.push(
      `${name}: deployment ${deployment.id} is ${deployment.state} and NOT settled${describeGuard(deployment)}`,
    );
  return notes;
}

/** Of every lock: who holds it, since when, running what. */
export function describeHolders(holders: readonly (LockHolder & { readonly host: string })[]): string {
  return holders.map(({ host, ...lock }) => makeSafe(`${host}: ${describeLock(lock)}`)).join('\n');
}

function describeGuard({ guard }: NonNullable<HostStatus['deployment']>): string {
  if (guard === null) return '. Next: fleetflip recover';
  if (!guard.alive) return '; its guard is gone, so it stays as it is. Next: fleetflip recover';
  return `; its guard reverts it in ${formatTime(guard.remaining ?? 0)}, unless it is renewed`;
}

function describeLock({ owner, command, deployment, since }: LockHolder): string {
  return `locked by ${owner}, who runs ${command} (deployment ${deployment}) since ${formatInstant(since * 1000)}`;
}

function judge({ hosts, split }: StatusReport): string {
  const unread = hosts.filter(host => !host.reachable).length;
  if (split) return 'THE FLEET IS SPLIT: hosts serve different releases. Next: deploy one release to all of them.';
  if (hosts.some(host => host.deployment !== null)) return 'THE FLEET IS NOT SETTLED. Next: fleetflip recover.';
  const end = unread === 0 ? '' : `; ${countHosts(unread)} could NOT be read`;
  const lives = hosts.filter(host => host.reachable).map(host => host.live);
  if (lives.every(live => live === null)) return `Nothing is live yet${end}.`;
  if (lives.some(live => live?.release === null))
    return `What is live was not brought by fleetflip; whether it is the same on all hosts is not known${end}.`;
  return unread > 0 ? `The hosts that were read are on one release${end}.` : 'The fleet is on one release and settled.';
}

export function formatPlan(report: PlanReport): string {
  const rows = report.hosts.map(planRow);
  const notes = describeFailures(report.refusals);
  const name = makeSafe(nameRelease(report.release, report.label));
  const end =
    report.refusals.length > 0
      ? 'deploy would refuse: no link would move.'
      : report.current
        ? `${name} is live already.`
        : `deploy would bring ${name} to ${countHosts(report.hosts.length)}.`;
  const head = ['HOST', 'INTO', 'OVER', 'SEND', 'COPY', 'REMOVE'];
  const fetched = report.hosts.some(host => host.pullSize > 0);
  const from = fetched && report.artifact !== null ? [`Hosts that pull fetch ${makeSafe(report.artifact.url)}.`] : [];
  return lines(rows.length === 0 ? [] : [head, ...rows], [...from, ...notes, end]);
}

function planRow({ name, slot, current, overwrites, send, sendSize, pullSize, copy, copySize, remove }: HostPlan): Row {
  if (current) return [name, slot, 'live already'];
  const over = overwrites === null ? 'a new slot' : nameRelease(overwrites.release, overwrites.label);
  const brought = pullSize > 0 ? `pull ${formatBytes(pullSize)}` : `${send} (${formatBytes(sendSize)})`;
  return [name, slot, over, brought, `${copy} (${formatBytes(copySize)})`, String(remove)];
}

export function formatHistory(report: HistoryReport): string {
  const rows = report.hosts.flatMap(({ name, runs }) =>
    runs.map((run, at) => [
      at === 0 ? name : '',
      formatInstant(Date.parse(run.at)),
      run.command,
      run.outcome,
      run.slot ?? '-',
      nameRelease(run.release, run.label),
      run.owner,
    ]),
  );
  const errors = report.hosts.flatMap(({ error }) => error ?? []);
  const empty = report.hosts.filter(({ runs, error }) => error === undefined && runs.length === 0);
  const notes = [...empty.map(({ name }) => makeSafe(`${name}: no deployment yet`)), ...describeFailures(errors)];
  const head = ['HOST', 'WHEN', 'COMMAND', 'OUTCOME', 'SLOT', 'RELEASE', 'BY'];
  const unread = errors.length === 0 ? '' : `; ${countHosts(errors.length)} could NOT be read`;
  const end = `The history of ${countHosts(report.hosts.length - errors.length)}${unread}.`;
  return lines(rows.length === 0 ? [] : [head, ...rows], [...notes, end]);
}

function lines(table: readonly Row[], below: readonly string[]): string {
  return [...drawTable(table), ...below].join('\n');
}
