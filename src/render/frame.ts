/** The live view of a terminal as rows: a row a host while they are few, else counts, the failing and the slow ones. */

import { countHosts } from '../domain/report.ts';
import { formatBytes, formatRunning, formatTime } from './format.ts';
import { type Tone, toneOfExit } from './paint.ts';
import type { Row, Size } from './screen.ts';
import type { HostView, ViewState } from './state.ts';
import { cut, makeSafe, measure, pad } from './text.ts';

/** Hosts that have a row each. */
const FEW = 12;

/** @param now Unix milliseconds */
export function drawFrame(state: ViewState, size: Size, now: number): readonly Row[] {
  const room = Math.max(0, size.rows - 3);
  const few = state.hosts.length <= Math.min(FEW, room);
  // What was done to each host is not in the result of these commands.
  const done = state.result?.outcome === 'done';
  const body = done ? [] : few ? drawHosts(state.hosts, state) : drawMany(state, room);
  const tone = state.result === null ? 'strong' : toneOfExit(state.result.exitCode);
  return [{ tone, text: drawTitle(state, size, now) }, { tone: 'plain', text: drawPhase(state, now) }, ...body];
}

/** The time stays in sight, however long the release's name is. */
function drawTitle({ title, beganAt }: ViewState, { columns }: Size, now: number): string {
  const time = formatRunning(Math.max(0, now - beganAt));
  return `${cut(makeSafe(title), Math.max(1, columns - time.length - 3))}  ${time}`;
}

function drawPhase(state: ViewState, now: number): string {
  const { phase, working, hosts, result, interrupted } = state;
  if (result !== null) return `${result.outcome} on ${countHosts(hosts.length)}`;
  if (phase === null) return 'preparing';
  const done = working.size - hosts.filter(host => !host.idle && working.has(host.name)).length;
  const parts = [`${phase}: ${done} of ${countHosts(working.size)}`, ...drawBytes(state, now)];
  return `${parts.join(', ')}${interrupted ? ' (interrupted: ending orderly)' : ''}`;
}

function drawBytes({ phase, hosts, sendingSince }: ViewState, now: number): readonly string[] {
  if (phase !== 'stage') return [];
  const good = hosts.filter(host => host.failure === null);
  const sent = good.reduce((sum, host) => sum + host.sent, 0);
  const total = good.reduce((sum, host) => sum + Math.max(host.sent, host.total), 0);
  if (total === 0) return [];
  const told = `${formatBytes(sent)} of ${formatBytes(total)} sent`;
  if (sendingSince === null || sent === 0 || sent >= total || now <= sendingSince) return [told];
  const seconds = Math.ceil(((now - sendingSince) * (total - sent)) / sent / 1000);
  return [told, `about ${formatTime(seconds * 1000).replace('.0', '')} left`];
}

function drawHosts(hosts: readonly HostView[], { phase, result }: ViewState): readonly Row[] {
  const names = Math.max(0, ...hosts.map(host => measure(makeSafe(host.name))));
  const slots = Math.max(0, ...hosts.map(host => measure(makeSafe(host.slot ?? ''))));
  const doings = Math.max(10, ...hosts.map(host => host.doing.length));
  return hosts.map(host => {
    const slot = slots === 0 ? '' : `${pad(makeSafe(host.slot ?? ''), slots)}  `;
    const detail = result === null ? drawDetail(host, phase === 'stage') : '';
    const text = `${host.failure ? '!' : ' '} ${pad(makeSafe(host.name), names)}  ${slot}${pad(host.doing, doings)}${detail}`;
    return { tone: toneOf(host), text: text.trimEnd() };
  });
}

function drawDetail({ failure, idle, sent, total }: HostView, staging: boolean): string {
  if (failure !== null) return `  ${failure.what} (${failure.code})`;
  if (!staging || idle || sent === 0 || total === 0) return '';
  return `  ${String(Math.min(100, Math.floor((100 * sent) / total))).padStart(3)} %`;
}

function toneOf({ failure, outcome, idle, doing }: HostView): Tone {
  if (failure !== null || outcome === 'failed' || outcome === 'unknown') return 'bad';
  if (outcome === 'reverted' || outcome === 'quarantined') return 'warn';
  if (outcome === 'confirmed' || outcome === 'staged') return 'good';
  return idle && doing !== 'waiting' ? 'plain' : 'quiet';
}

/** The end tells the failures with what to do about them, so that they are not rows then. */
function drawMany(state: ViewState, room: number): readonly Row[] {
  const counts: Row = { tone: 'plain', text: `  ${countDoings(state.hosts)}` };
  if (state.result !== null) return [counts];
  const failing = state.hosts.filter(host => host.failure !== null);
  const places = Math.max(0, Math.min(FEW, room - 2));
  const shown = [...failing, ...findSlow(state)].slice(0, places);
  const hidden = failing.length - shown.filter(host => host.failure !== null).length;
  const more: readonly Row[] = hidden > 0 ? [{ tone: 'bad', text: `! and ${hidden} more that failed` }] : [];
  return [counts, ...drawHosts(shown, state), ...more];
}

/** Nobody is slow before half of the others are done, except those to whom something is being sent. */
function findSlow({ hosts, working }: ViewState): readonly HostView[] {
  const busy = hosts.filter(host => host.failure === null && !host.idle && working.has(host.name));
  const late = busy.length * 2 <= working.size;
  const slow = late ? busy : busy.filter(({ sent, total }) => sent > 0 && sent < total);
  return slow.sort((one, other) => share(one) - share(other));
}

function countDoings(hosts: readonly HostView[]): string {
  const counts = new Map<string, number>();
  for (const host of hosts) counts.set(host.doing, (counts.get(host.doing) ?? 0) + 1);
  return [...counts]
    .sort(([, one], [, other]) => other - one)
    .map(([doing, count]) => `${count} ${doing}`)
    .join(', ');
}

function share({ sent, total }: HostView): number {
  return total === 0 ? 0 : sent / total;
}
