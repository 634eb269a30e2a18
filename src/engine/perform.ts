/** Carries out one order of the machine on one host. */

import { show } from '../domain/bytes.ts';
import { type Failure, FleetflipError, type Phase } from '../domain/error.ts';
import type { CommandCheck, Host } from '../domain/fleet.ts';
import type { HostPart } from '../domain/plan.ts';
import { diffManifests } from '../domain/release.ts';
import { describeDrift, type Observation } from '../domain/slot.ts';
import type { Instant, Order } from '../domain/transaction/state.ts';
import { planTransfer } from '../domain/transfer.ts';
import type { HostSession, Proof } from '../ports.ts';
import type { Release } from '../release/index.ts';
import type { Archives } from './archives.ts';
import { bring, type Working } from './bring.ts';
import type { Context } from './context.ts';
import type { Flight } from './flight.ts';
import { hold } from './hold.ts';
import { pauseBefore } from './pause.ts';
import { pull } from './pull.ts';
import { hasteOf, type Pulse } from './pulse.ts';
import type { Sessions } from './sessions.ts';

/** What an order gives beside having been done. */
export interface Performed {
  readonly observation?: Observation;
  readonly at?: Instant | null;
  readonly moved?: boolean | null;
}

/** What the orders of one run share. */
export interface Stagehands {
  readonly context: Context;
  readonly sessions: Sessions;
  readonly pulse: Pulse;
  /** Null when nothing is staged. */
  readonly release: Release | null;
  readonly archives: Archives | null;
  /** Unix seconds: the mtime of changed files. */
  readonly instant: () => number;
  readonly parts: () => ReadonlyMap<string, HostPart>;
  readonly flight: Flight;
  readonly bytesSent: Map<string, number>;
  readonly bytesPulled: Map<string, number>;
}

/** @throws FleetflipError with the host's answer. */
export async function perform(order: Order, host: Host, hands: Stagehands): Promise<Performed> {
  const { context, sessions } = hands;
  const { deployment } = context;
  if (order.kind === 'unlock') {
    hands.pulse.remove(host);
    // A session that is gone has released its lock itself.
    await (await sessions.peek(host))?.unlock(haste(hands));
    return {};
  }
  await pause(order, context);
  const session = await sessions.open(host, isStoppable(order) ? context.signal : undefined);
  switch (order.kind) {
    case 'connect':
      return {};
    case 'lock':
      await hold(session, context, hands.pulse);
      return {};
    case 'probe':
      return {
        observation: await session.probe(
          hands.release === null ? 'quick' : { trust: hands.release.id },
          deadline(hands),
        ),
      };
    case 'stage':
      await stage(order.part, session, hands);
      return {};
    case 'verify':
      await verify(order.part, session, hands);
      return {};
    case 'arm':
      await arm(session, hands);
      return {};
    case 'schedule':
      await hands.flight.schedule(session, order.attempt, haste(hands));
      return {};
    case 'cancel':
      await session.cancel(haste(hands));
      return {};
    case 'flip':
      return { at: await hands.flight.flip(session, haste(hands)) };
    case 'renew':
      await session.beat(haste(hands));
      return {};
    case 'confirm':
      await session.confirm(deployment, haste(hands));
      return {};
    case 'forward':
      if (!session.locked) await hold(session, context, hands.pulse);
      await session.forward(deployment, haste(hands));
      return {};
    case 'revert':
      return { moved: await session.revert(deployment, order.reject, haste(hands)) };
  }
}

/** Before an order is given again. Another instant has its time before it. */
async function pause(order: Order, { clock, signal, jitter }: Context): Promise<void> {
  if (!('attempt' in order) || order.attempt === 1 || order.kind === 'schedule') return;
  const time = pauseBefore(order.attempt, order.kind === 'lock' ? 5_000 : 2_000, jitter);
  await clock.sleep(time, order.kind === 'lock' ? signal : undefined);
}

function haste({ context }: Stagehands): AbortSignal {
  return context.clock.timeout(hasteOf(context.fleet.strategy));
}

/** Up to the barrier a run that is interrupted leaves everything; after it, what was begun is brought to its end. */
function isStoppable({ kind }: Order): boolean {
  return kind === 'connect' || kind === 'lock' || kind === 'probe' || kind === 'stage' || kind === 'verify';
}

function deadline(hands: Stagehands): AbortSignal {
  const { signal, fleet, clock } = hands.context;
  return AbortSignal.any([signal, clock.timeout(fleet.strategy.stageWithin)]);
}

async function stage(part: HostPart, session: HostSession, hands: Stagehands): Promise<void> {
  const { transfer } = part;
  if (transfer === null) throw new Error('nothing to stage');
  const signal = deadline(hands);
  if (part.recordLive && part.live !== null) await session.record(part.live, signal);
  const working = { part, session, hands, signal };
  if (!(await pull(working))) await bring(transfer, working);
}

async function verify(part: HostPart, session: HostSession, hands: Stagehands): Promise<void> {
  const signal = deadline(hands);
  if (part.transfer === null && part.recordLive && part.live !== null) await session.record(part.live, signal);
  const working = { part, session, hands, signal };
  const proof = await prove(working);
  if (!proof.proven) throw new FleetflipError(unproven(part, proof, hands));
  for (const check of hands.context.fleet.checks.idle) await runCheck(check, working);
}

/** What was taken for granted of the host's slots, and was not so, is sent once more. */
async function prove(working: Working): Promise<Proof> {
  const { part, session, hands, signal } = working;
  const { slot, expected, release, label } = part;
  const ask = (): Promise<Proof> => session.prove({ slot, expected, release, label }, signal);
  const first = await ask();
  if (first.proven || part.transfer === null || hands.release === null) return first;
  await bring(planTransfer(hands.release.manifest, first.scan, null), working);
  return ask();
}

function unproven(part: HostPart, proof: Extract<Proof, { proven: false }>, hands: Stagehands): Failure {
  const manifest = hands.release?.manifest;
  const drift = manifest === undefined ? null : describeDrift(diffManifests(manifest, proof.scan.manifest));
  const detail =
    drift === null
      ? ''
      : `: ${drift.changed} changed, ${drift.missing} missing, ${drift.extra} left over (${drift.paths.slice(0, 5).join(', ')})`;
  return fail(
    part.host,
    'VERIFY_FAILED',
    `${part.slot} does not hold the release${detail}`,
    'Look at the disk of this host, then deploy again',
  );
}

async function runCheck(check: CommandCheck, { part, session, hands, signal }: Working): Promise<void> {
  const { exitCode, output } = await session.run(part.slot, check, signal);
  const shown = output.split('\n').map(show).join('\n').trimEnd();
  hands.context.emit({ kind: 'check-output', host: part.host, run: check.run, exitCode, output: shown });
  if (exitCode === 0) return;
  const how = exitCode === null ? `was stopped after ${check.within} ms` : `ended with ${exitCode}`;
  throw new FleetflipError(
    fail(
      part.host,
      'CHECK_FAILED',
      `the check '${check.run}' ${how}${shown === '' ? '' : `: ${shown.split('\n').at(-1)}`}`,
      'Mend the release, then deploy again',
    ),
  );
}

async function arm(session: HostSession, hands: Stagehands): Promise<void> {
  const { context } = hands;
  const { name } = session.host;
  const moving = [...hands.parts().values()]
    .filter(part => !part.current)
    .sort((one, other) => (one.host < other.host ? -1 : 1));
  const part = hands.parts().get(name);
  const [decider] = moving;
  if (part === undefined || decider === undefined) throw new Error(`${name} takes no part`);
  const { slot, release, label } = part;
  const { deployment, command, owner, fleet } = context;
  const participants = moving.map(one => one.host);
  const window = fleet.strategy.confirmWithin;
  await session.arm({ slot, release, label, deployment, command, owner, participants, decider: decider.host, window });
  await hands.flight.aim(session);
}

function fail(host: string, code: string, what: string, hint: string, phase: Phase = 'verify'): Failure {
  return { kind: 'failed', code, phase, host, what, hint };
}
