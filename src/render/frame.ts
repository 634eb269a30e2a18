/** The live view of a terminal as text: a row a host while they are few, else counts, the slow and the failing ones. */

import { formatBytes, formatTime } from './format.ts';
import type { HostView, ViewState } from './state.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** @param now Unix milliseconds */
export function drawFrame(state: ViewState, size: Size, now: number): string {
  const hosts = [...state.hosts.values()];
  const sent = hosts.reduce((sum, host) => sum + host.sent, 0);
  const total = hosts.reduce((sum, host) => sum + host.total, 0);
  const elapsed = now - state.beganAt;
  const left = sent > 0 && sent < total ? `, about ${formatTime((elapsed * (total - sent)) / sent)} left` : '';
  const bytes = total === 0 ? '' : `  ${formatBytes(sent)} of ${formatBytes(total)}${left}`;
  const head = `${state.title}  ${state.phase}  ${formatTime(elapsed)}${bytes}`;
  const room = Math.max(3, size.rows - 3);
  const rows = hosts.length <= Math.min(room, 12) ? hosts.map(drawHost) : drawMany(hosts, room);
  return [head, ...rows].map(row => row.slice(0, Math.max(1, size.columns - 1))).join('\n');
}

function drawHost(host: HostView): string {
  const mark = host.failed ? '!' : ' ';
  const part = host.total === 0 ? '' : `  ${String(Math.floor((100 * host.sent) / host.total)).padStart(3)} %`;
  return `${mark} ${host.name}  ${host.doing}${part}`;
}

function drawMany(hosts: readonly HostView[], room: number): readonly string[] {
  const counts = new Map<string, number>();
  for (const host of hosts) {
    const doing = host.failed ? 'failed' : host.doing;
    counts.set(doing, (counts.get(doing) ?? 0) + 1);
  }
  const summary = [...counts].map(([doing, count]) => `${count} ${doing}`).join(', ');
  const failing = hosts.filter(host => host.failed);
  const slow = hosts
    .filter(host => !host.failed && host.sent < host.total)
    .sort((one, other) => one.sent / one.total - other.sent / other.total);
  return [`  ${summary}`, ...[...failing, ...slow].slice(0, Math.min(room - 1, 8)).map(drawHost)];
}
