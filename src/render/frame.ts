/** The live view of a terminal as text: a row a host while they are few, else counts, the failing and the slow ones. */

import { formatBytes, formatTime } from './format.ts';
import { createPaint, type Paint, type Tone, toneOfExit } from './paint.ts';
import type { HostView, ViewState } from './state.ts';
import { cut, makeSafe, measure, pad } from './text.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

interface Row {
  readonly tone: Tone;
  readonly text: string;
}

/** Hosts that have a row each. */
const FEW = 12;

/**
 * Never wider than the columns less one, never higher than the rows less one: nothing wraps or scrolls.
 * @param now Unix milliseconds
 */
export function drawFrame(state: ViewState, size: Size, now: number, paint: Paint = createPaint(false)): string {
  const room = Math.max(0, size.rows - 2);
  const fits = state.hosts.length <= Math.min(FEW, room);
  const body = fits ? drawHosts(state.hosts) : drawMany(state.hosts, room);
  const head: Row = {
    tone: state.result === null ? 'strong' : toneOfExit(state.result.exitCode),
    text: drawHead(state, now),
  };
  return [head, ...body]
    .slice(0, Math.max(1, size.rows - 1))
    .map(({ tone, text }) => paint(tone, cut(makeSafe(text), Math.max(1, size.columns - 1))))
    .join('\n');
}

function drawHead(state: ViewState, now: number): string {
  const flips = state.hosts.filter(host => host.flipped).length;
  const parts = [
    state.title,
    state.result?.outcome ?? `${state.phase ?? 'starting'}${state.interrupted ? ', ending' : ''}`,
    formatTime(Math.max(0, now - (state.beganAt ?? now))),
    drawBytes(state, now),
    state.barrier === null ? '' : `${state.barrier.yes} of ${state.barrier.of} voted yes`,
    flips === 0 ? '' : `${flips} flipped`,
  ];
  return parts.filter(part => part !== '').join('  ');
}

function drawBytes({ hosts, sendingSince, result }: ViewState, now: number): string {
  const working = hosts.filter(host => host.failure === null);
  const sent = working.reduce((sum, host) => sum + host.sent, 0);
  const total = working.reduce((sum, host) => sum + Math.max(host.sent, host.total), 0);
  if (total === 0) return '';
  const left =
    result === null && sendingSince !== null && sent > 0 && sent < total && now > sendingSince
      ? `, about ${formatTime(((now - sendingSince) * (total - sent)) / sent)} left`
      : '';
  return `${formatBytes(sent)} of ${formatBytes(total)}${left}`;
}

function drawHosts(hosts: readonly HostView[]): readonly Row[] {
  const names = Math.max(0, ...hosts.map(host => measure(makeSafe(host.name))));
  const slots = Math.max(0, ...hosts.map(host => measure(makeSafe(host.slot ?? ''))));
  return hosts.map(host => {
    const slot = slots === 0 ? '' : `${pad(makeSafe(host.slot ?? ''), slots)}  `;
    const text = `${host.failure ? '!' : ' '} ${pad(makeSafe(host.name), names)}  ${slot}${pad(host.doing, 10)}${drawDetail(host)}`;
    return { tone: toneOf(host), text: text.trimEnd() };
  });
}

function drawDetail({ failure, sent, total, outcome }: HostView): string {
  if (failure !== null) return `  ${failure.what} (${failure.code})`;
  if (outcome !== null || sent === 0 || total === 0) return '';
  return `  ${String(Math.min(100, Math.floor((100 * sent) / total))).padStart(3)} %`;
}

function toneOf({ failure, outcome, idle, doing }: HostView): Tone {
  if (failure !== null || outcome === 'failed' || outcome === 'unknown') return 'bad';
  if (outcome === 'reverted' || outcome === 'quarantined') return 'warn';
  if (outcome === 'confirmed' || outcome === 'staged') return 'good';
  return idle && doing !== 'waiting' ? 'plain' : 'quiet';
}

function drawMany(hosts: readonly HostView[], room: number): readonly Row[] {
  const failing = hosts.filter(host => host.failure !== null);
  const slow = hosts
    .filter(host => host.failure === null && !host.idle)
    .sort((one, other) => share(one) - share(other));
  const places = Math.max(0, Math.min(FEW, room - 2));
  const shown = [...failing, ...slow].slice(0, places);
  const hidden = failing.length - shown.filter(host => host.failure !== null).length;
  const more: readonly Row[] = hidden > 0 ? [{ tone: 'bad', text: `  and ${hidden} more that failed` }] : [];
  return [{ tone: 'plain', text: `  ${countDoings(hosts)}` }, ...drawHosts(shown), ...more];
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
