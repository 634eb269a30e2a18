/** Runs the machine: its orders go to the hosts, their answers go back, and everything is told as events. */

import pMap from 'p-map';
import { type Failure, type Phase, toFailure } from '../domain/error.ts';
import type { Result } from '../domain/event.ts';
import type { Host } from '../domain/fleet.ts';
import { type Aim, type HostPart, makePlan } from '../domain/plan.ts';
import { next, start } from '../domain/transaction/machine.ts';
import { makeResult } from '../domain/transaction/result.ts';
import type { Input, Order, Planner, Settings, State, Step } from '../domain/transaction/state.ts';
import type { Release } from '../release/index.ts';
import { createArchives } from './archives.ts';
import type { Context } from './context.ts';
import { createFlight } from './flight.ts';
import { perform, type Stagehands } from './perform.ts';
import { guardedFor, startPulse } from './pulse.ts';
import { createSessions } from './sessions.ts';
import { createTeller } from './tell.ts';

export interface Run {
  readonly context: Context;
  readonly aim: Aim;
  /** Null when nothing is staged. */
  readonly release: Release | null;
}

/** From connect to unlock. Resolves with the result whatever happens on the hosts. */
export async function runTransaction({ context, aim, release }: Run): Promise<Omit<Result, 'v' | 'time'>> {
  const sessions = createSessions(context, true);
  const pulse = startPulse(context, sessions);
  const archives = release === null ? null : createArchives(release);
  const bytesSent = new Map<string, number>();
  const bytesPulled = new Map<string, number>();
  try {
    const state = await drive(context, aim, current => ({
      context,
      sessions,
      pulse,
      release,
      archives,
      bytesSent,
      bytesPulled,
      flight: createFlight(context),
      instant: () => current().instant,
      parts: () => partsOf(current()),
    }));
    const { command, deployment, partial } = context;
    return makeResult(state, {
      command,
      deployment,
      release: release?.id ?? null,
      label: release?.label ?? '',
      bytesSent,
      bytesPulled,
      partial,
    });
  } finally {
    await pulse.stop();
    await archives?.close();
    await sessions.close();
  }
}

function partsOf(state: State): ReadonlyMap<string, HostPart> {
  return new Map(state.hosts.flatMap(host => (host.part === null ? [] : [[host.name, host.part]])));
}

async function drive(context: Context, aim: Aim, equip: (state: () => State) => Stagehands): Promise<State> {
  const hosts = new Map(context.hosts.map(host => [host.name, host]));
  const tell = createTeller(context);
  const deadlines = createDeadlines(context, phase => void feed({ kind: 'late', phase }));
  const first = start({ hosts: [...hosts.keys()], settings: settingsOf(aim, context) });
  let step: Step = first;
  const hands = equip(() => step.state);
  const plan: Planner = observations =>
    makePlan(aim, { hosts: context.hosts, observations, now: Math.floor(context.clock.now() / 1000) });

  // A listener may interrupt the run while it is told: the orders are those of this very step.
  const feed = async (input: Input): Promise<void> => {
    const before = step.state;
    const { state, orders } = next(before, input, plan);
    step = { state, orders };
    tell(before, state, input);
    if (before.phase !== state.phase) deadlines.enter(state.phase);
    await carryOut(orders);
  };

  const carryOut = (orders: readonly Order[]): Promise<unknown> => {
    const bounded = orders[0]?.kind === 'stage' || orders[0]?.kind === 'verify';
    const concurrency = bounded ? context.fleet.strategy.parallel : Math.max(1, orders.length);
    return pMap(orders, async order => feed(await answer(order, hostOf(order), hands)), { concurrency });
  };

  const hostOf = (order: Order): Host => {
    const host = hosts.get(order.host);
    if (host === undefined) throw new Error(`the machine knows no host ${order.host}`);
    return host;
  };

  const abort = (): void => void feed({ kind: 'abort' });
  context.signal.addEventListener('abort', abort, { once: true });
  if (context.signal.aborted) abort();
  tell(null, step.state, null);
  try {
    await carryOut(first.orders);
  } finally {
    context.signal.removeEventListener('abort', abort);
    deadlines.end();
  }
  return step.state;
}

async function answer(order: Order, host: Host, hands: Stagehands): Promise<Input> {
  try {
    return { kind: 'done', order: order.kind, host: order.host, ...(await perform(order, host, hands)) };
  } catch (thrown) {
    const failure: Failure = toFailure(thrown, { phase: phaseOf(order), host: order.host });
    return { kind: 'failed', order: order.kind, host: order.host, failure };
  }
}

function phaseOf({ kind }: Order): Phase {
  if (kind === 'forward') return 'confirm';
  if (kind === 'schedule' || kind === 'cancel') return 'flip';
  return kind === 'renew' ? 'decide' : kind;
}

interface Deadlines {
  enter(phase: State['phase']): void;
  end(): void;
}

/** Tells the machine when the time of a phase is over. That of the locks counts over all attempts. */
function createDeadlines({ clock, fleet, wait }: Context, tellLate: (phase: Phase) => void): Deadlines {
  const whole = new AbortController();
  let phaseEnd = new AbortController();
  let locking = false;

  const start = async (phase: Phase, time: number, end: AbortSignal): Promise<void> => {
    await clock.sleep(time, end);
    if (!end.aborted) tellLate(phase);
  };

  return {
    enter(phase) {
      phaseEnd.abort();
      phaseEnd = new AbortController();
      if (phase === 'lock' && wait > 0 && !locking) {
        locking = true;
        void start(phase, wait, whole.signal);
      }
      if (phase === 'decide' || phase === 'confirm' || phase === 'revert')
        void start(phase, guardedFor(fleet.strategy), phaseEnd.signal);
    },
    end() {
      phaseEnd.abort();
      whole.abort();
    },
  };
}

/** More than fit into any phase's time. */
const TRIES = 1_000;

const INSTANTS = 3;

function settingsOf(aim: Aim, { fleet, wait }: Context): Settings {
  return {
    until: aim.kind === 'stage' ? 'barrier' : 'confirm',
    staging: aim.kind === 'deploy' || aim.kind === 'stage',
    waiting: wait > 0,
    maxSkew: fleet.strategy.maxSkew,
    tries: TRIES,
    instants: INSTANTS,
  };
}
