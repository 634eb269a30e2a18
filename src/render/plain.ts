/** Events to lines: for logs, CI and terminals that cannot be redrawn. */

import type { Failure, Phase } from '../domain/error.ts';
import type { FleetEvent, HostOutcome, Result } from '../domain/event.ts';
import { countHosts, lastSentence, nameRelease } from '../domain/report.ts';
import { describeFailures } from './failures.ts';
import { formatBytes, formatTime } from './format.ts';
import { createPaint, type Paint, type Tone, toneOfExit } from './paint.ts';
import { cut, makeSafe, pad } from './text.ts';

/** What one event says; no lines: nothing. */
interface Said {
  readonly phase: Phase | null;
  readonly tone: Tone;
  readonly lines: readonly string[];
}

type Formatters = {
  readonly [Kind in FleetEvent['kind']]: (event: Extract<FleetEvent, { kind: Kind }>) => Said;
};

/** A formatter for every kind of event: a missing one does not compile. */
const FORMATTERS: Formatters = {
  'run-started': event => {
    const what = event.release === null ? event.app : nameRelease(event.release, event.label);
    return say(
      null,
      `${event.command} ${what} on ${countHosts(event.hosts.length)} (deployment ${event.deployment})`,
      'strong',
    );
  },
  'phase-started': ({ phase, hosts }) => say(phase, countHosts(hosts.length), 'quiet'),
  'phase-ended': ({ phase, took, failed }) =>
    say(phase, `done in ${formatTime(took)}${failed > 0 ? `, ${failed} failed` : ''}`, failed > 0 ? 'bad' : 'quiet'),
  'host-done': ({ phase }) => ({ phase, tone: 'plain', lines: [] }),
  'host-failed': ({ phase, host, failure }) =>
    say(phase, `${host}: ${failure.kind}: ${failure.what} (${failure.code})`, 'bad'),
  'host-retried': ({ phase, host, attempt, failure }) =>
    attempt === 2
      ? say(phase, `${host}: ${failure.kind}: ${failure.what} (${failure.code}); trying on`, 'warn')
      : { phase, tone: 'plain', lines: [] },
  'host-planned': event => say('plan', `${event.host}: ${describePart(event)}`),
  progress: ({ host, sent, total }) =>
    sent >= total ? say('stage', `${host}: ${formatBytes(total)} sent`) : { phase: 'stage', tone: 'plain', lines: [] },
  pulled: ({ host, bytes, total }) =>
    say(
      'stage',
      `${host}: ${formatBytes(total)} fetched by itself${bytes < total ? `, ${formatBytes(bytes)} of it now` : ''}`,
    ),
  vote: ({ host, yes, slot }) =>
    yes ? say('verify', `${host}: votes yes: ${slot} is proven`) : say('verify', `${host}: votes no`, 'bad'),
  barrier: ({ yes, of }) =>
    yes === of
      ? say('verify', `barrier: ${yes} of ${of} vote yes`, 'good')
      : say('verify', `barrier: only ${yes} of ${of} vote yes, no link moves`, 'bad'),
  flipped: ({ host, slot }) => say('flip', `${host}: link moved to ${slot}`),
  reverted: ({ host }) => say('revert', `${host}: link put back`, 'warn'),
  confirmed: ({ host }) => say('confirm', `${host}: confirmed`),
  recovery: event => ({
    phase: 'decide',
    tone: event.decision === null ? 'bad' : 'warn',
    lines: describeRecovery(event),
  }),
  'check-output': ({ host, run, exitCode, output }) => ({
    phase: 'verify',
    tone: exitCode === 0 ? 'quiet' : 'bad',
    lines: [
      `${host}: '${run}' ${exitCode === null ? 'was stopped' : `ended with ${exitCode}`}`,
      ...boundOutput(output).map(line => `${host}: | ${line}`),
    ],
  }),
  warning: ({ host, code, what, hint }) =>
    say(null, `warning: ${host === undefined ? '' : `${host}: `}${what} (${code}). ${hint}`, 'warn'),
  interrupted: () => say(null, 'interrupted: ending orderly; once more leaves at once', 'warn'),
  result: () => ({ phase: null, tone: 'plain', lines: [] }),
};

/** The lines of one event: time (UTC), phase, and what happened. Nothing of a host can draw on the terminal. */
export function formatEvent(event: FleetEvent, paint: Paint = createPaint(false)): readonly string[] {
  if (event.kind === 'result') return formatEnd(event, paint);
  const format = FORMATTERS[event.kind] as (event: FleetEvent) => Said;
  const { phase, tone, lines } = format(event);
  const lead = `${event.time.slice(11, 19)}Z ${pad(phase ?? '', 'connect'.length)} `;
  return lines.map(line => paint('quiet', lead) + paint(tone, makeSafe(line)));
}

/** The end of a run: what failed and what to do, who stands where, the skew, and one sentence on the fleet's state. */
export function formatEnd(result: Result, paint: Paint = createPaint(false)): readonly string[] {
  const { skewMs, errorMs } = result.flip;
  const error = errorMs === null ? '' : ` (+/- ${errorMs.toFixed(1)} ms)`;
  const skew = skewMs === null ? [] : [`The links moved within ${skewMs.toFixed(1)} ms${error}.`];
  const failures = result.hosts.flatMap(({ name, error }): Failure[] =>
    error === undefined ? [] : [{ kind: 'failed', host: name, ...error }],
  );
  return [
    ...describeFailures([...result.errors, ...failures]).map(line => paint('bad', line)),
    ...(result.exitCode >= 3 ? groupHosts(result) : []).map(makeSafe),
    ...skew,
    paint(toneOfExit(result.exitCode), makeSafe(lastSentence(result))),
  ];
}

function groupHosts({ hosts }: Result): readonly string[] {
  const groups = new Map<HostOutcome, string[]>();
  for (const { name, outcome } of hosts) groups.set(outcome, [...(groups.get(outcome) ?? []), name]);
  return [...groups].map(([outcome, names]) => `${outcome}: ${names.join(', ')}`);
}

function describeRecovery(event: Extract<FleetEvent, { kind: 'recovery' }>): readonly string[] {
  const { deployment, decider, decision, hosts, unseen } = event;
  const states = hosts.map(({ name, state }) => `${name} ${state}`).join(', ');
  const missing = unseen.length === 0 ? '' : `; not read: ${unseen.join(', ')}`;
  const verdict = {
    commit: 'it was committed, so every host goes to its release',
    revert: 'it was not committed, so every host goes back',
    none: `nothing can be decided without its decider ${decider}`,
  };
  return [`deployment ${deployment} was interrupted: ${states}${missing}`, verdict[decision ?? 'none']];
}

function describePart(event: Extract<FleetEvent, { kind: 'host-planned' }>): string {
  const { slot, overwrites, send, sendSize, pullSize, copy, copySize, remove } = event;
  if (send + pullSize + copy + remove === 0) return `to ${slot}, which holds it already`;
  const over = overwrites === null ? '' : `, over ${nameRelease(overwrites.release, overwrites.label)}`;
  const brought = pullSize > 0 ? `pull ${formatBytes(pullSize)}` : `send ${send} (${formatBytes(sendSize)})`;
  return `into ${slot}${over}: ${brought}, copy ${copy} (${formatBytes(copySize)}), remove ${remove}`;
}

function say(phase: Phase | null, line: string, tone: Tone = 'plain'): Said {
  return { phase, tone, lines: [line] };
}

/** The end of it, where the reason stands; all of it is in the log. */
function boundOutput(output: string): readonly string[] {
  if (output === '') return [];
  const lines = output.split('\n');
  const before = lines.length - OUTPUT_LINES;
  const shown = lines.slice(-OUTPUT_LINES).map(line => cut(line, OUTPUT_COLUMNS));
  return before > 0 ? [`(${before} lines before)`, ...shown] : shown;
}

const OUTPUT_LINES = 20;
const OUTPUT_COLUMNS = 400;
