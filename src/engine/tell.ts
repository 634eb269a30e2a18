/** The machine's steps to events. */

import type { Failure, Phase } from '../domain/error.ts';
import { countBringing } from '../domain/pull.ts';
import type { Drift } from '../domain/slot.ts';
import { isLate } from '../domain/transaction/instant.ts';
import { type HostState, type Input, movers, type State } from '../domain/transaction/state.ts';
import type { Context } from './context.ts';

/** @returns is told of each step: the state before (null at the start), after, and the input between them. */
export function createTeller(context: Context): (before: State | null, after: State, input: Input | null) => void {
  const { emit, clock } = context;
  let phaseBegan = clock.now();
  let failed = 0;
  /** By host: what is mended when another instant is chosen. */
  const late = new Map<string, Failure>();

  function changePhase(before: State | null, after: State): void {
    const now = clock.now();
    if (before !== null && before.phase !== 'ended')
      emit({ kind: 'phase-ended', phase: before.phase, took: now - phaseBegan, failed });
    phaseBegan = now;
    failed = 0;
    if (before?.phase === 'probe' && after.phase !== 'probe') tellPlan(after);
    if (before?.phase === 'verify')
      emit({ kind: 'barrier', yes: movers(after).filter(host => host.voted).length, of: movers(after).length });
    if (after.phase !== 'ended') emit({ kind: 'phase-started', phase: after.phase, hosts: after.waiting });
  }

  function tellPlan(state: State): void {
    for (const host of movers(state)) tellPart(host);
    for (const { name, failure } of state.hosts)
      if (failure?.phase === 'plan') emit({ kind: 'host-failed', phase: 'plan', host: name, failure });
  }

  function tellPart({ name, part }: HostState): void {
    if (part === null) return;
    const { slot, overwrites, drift } = part;
    emit({ kind: 'host-planned', host: name, slot, overwrites, ...countBringing(part) });
    if (drift !== null) tellDrift(name, slot, drift);
  }

  /** What is not refused is named: extra files, and everything else when the drift was accepted. */
  function tellDrift(host: string, slot: string, { changed, missing, extra, paths }: Drift): void {
    const accepted = changed + missing > 0;
    const more = changed + missing + extra > paths.length ? ', ...' : '';
    const named = `(${paths.join(', ')}${more})`;
    emit({
      kind: 'warning',
      host,
      code: accepted ? 'DRIFT_ACCEPTED' : 'EXTRA_FILES',
      what: accepted
        ? `${slot} is not what was proven: ${changed} changed, ${missing} missing, ${extra} extra ${named}`
        : `${slot} holds ${extra} more than the release ${named}`,
      hint: accepted ? 'It goes live as it is, as --accept-drift allows' : 'They stay where they are',
    });
  }

  /** Whether an acknowledgement that is late is mended is not known before every host has answered, and has answered the cancel. */
  function isOpen(state: State, { order, failure }: Extract<Input, { kind: 'failed' }>): boolean {
    return order === 'schedule' && isLate(failure) && state.phase === 'flip';
  }

  function tellLate(before: State, after: State): void {
    const mended = after.instants > before.instants;
    if (!mended && after.phase === before.phase) return;
    for (const [host, failure] of late) {
      if (mended) emit({ kind: 'host-retried', phase: 'flip', host, attempt: after.instants, failure });
      else tellFailed('flip', host, failure);
    }
    late.clear();
  }

  function tellFailed(phase: Phase, host: string, failure: Failure): void {
    failed += 1;
    emit({ kind: 'host-failed', phase, host, failure });
  }

  function tellFailure(state: State, input: Extract<Input, { kind: 'failed' }>, phase: Phase): void {
    const { host, failure, order } = input;
    const again = state.phase === phase && state.waiting.includes(host);
    const givesWay = failure.code === 'LOCKED' && state.settings.waiting;
    if (again || givesWay) {
      const attempt = state.hosts.find(one => one.name === host)?.tries ?? 1;
      emit({ kind: 'host-retried', phase, host, attempt: order === 'lock' ? state.lockings : attempt, failure });
      return;
    }
    tellFailed(phase, host, failure);
    const slot = state.hosts.find(one => one.name === host)?.part?.slot ?? '';
    if (order === 'stage' || order === 'verify') emit({ kind: 'vote', host, yes: false, slot });
  }

  function tellAnswer(state: State, input: Extract<Input, { kind: 'done' }>, phase: Phase): void {
    const { host } = input;
    const slot = state.hosts.find(one => one.name === host)?.part?.slot ?? '';
    const took = clock.now() - phaseBegan;
    if (input.order !== 'schedule' && input.order !== 'cancel') emit({ kind: 'host-done', phase, host, took });
    if (input.order === 'verify') emit({ kind: 'vote', host, yes: true, slot });
    if (input.order === 'flip') emit({ kind: 'flipped', host, slot, at: input.at?.at ?? null });
    if (input.order === 'revert') emit({ kind: 'reverted', host });
    if (input.order === 'confirm' || input.order === 'forward') emit({ kind: 'confirmed', host });
  }

  return (before, after, input) => {
    if (input?.kind === 'abort') emit({ kind: 'interrupted' });
    if (before !== null && before.phase !== 'ended') {
      if (input?.kind === 'failed') {
        if (isOpen(after, input)) late.set(input.host, input.failure);
        else if (!late.has(input.host)) tellFailure(after, input, before.phase);
      }
      if (input?.kind === 'done') tellAnswer(after, input, before.phase);
      tellLate(before, after);
    }
    if (before === null || before.phase !== after.phase) changePhase(before, after);
  };
}
