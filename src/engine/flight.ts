/**
 * One instant for all links: chosen when every host's clock is known, told to every host, and acknowledged before it comes.
 * After one that was cancelled comes another, with more time before it.
 */

import { FleetflipError } from '../domain/error.ts';
import type { Instant } from '../domain/transaction/state.ts';
import type { HostClock, HostSession } from '../ports.ts';
import type { Context } from './context.ts';
import { hasteOf } from './pulse.ts';

export interface Flight {
  /** Makes the host wait for an instant, and reads its clock. */
  aim(session: HostSession): Promise<void>;
  /**
   * Resolves when the host has acknowledged the instant in time. `signal` gives up the answer, which may come too late. A host
   * without a fine clock is told nothing: it flips on order.
   * @param attempt which instant, counted from 1
   * @throws FleetflipError `LATE` or `NOT_ACKNOWLEDGED`
   */
  schedule(session: HostSession, attempt: number, signal: AbortSignal): Promise<void>;
  /** Resolves with when the link moved, on our clock; null when the host cannot tell. */
  flip(session: HostSession, signal: AbortSignal): Promise<Instant | null>;
}

/** Milliseconds. */
interface Chosen {
  readonly attempt: number;
  readonly at: number;
  /** Later, a host may not hear before it flips that the instant is cancelled. */
  readonly acknowledgeBy: number;
}

/**
 * Milliseconds that telling all hosts something and hearing from them takes, beside the network. On machines too busy for it, a
 * host answers too late, and the next instant has more.
 */
const EACH = 3;
const AT_LEAST = 60;

export function createFlight({ clock, deployment, emit, fleet }: Context): Flight {
  const clocks = new Map<string, HostClock>();
  let chosen: Chosen | null = null;

  /** Far enough ahead to reach the slowest, to hear from it, and to tell it otherwise; four times as far at every attempt. */
  function choose(attempt: number): Chosen {
    const slowest = Math.max(...[...clocks.values()].map(({ longestTrip }) => longestTrip));
    const work = AT_LEAST + EACH * clocks.size;
    const lead = Math.min(2 * (slowest + work) * 4 ** (attempt - 1), hasteOf(fleet.strategy) / 2);
    const at = clock.now() + lead;
    return { attempt, at, acknowledgeBy: at - lead / 4 };
  }

  async function flipOnOrder(session: HostSession, roundTrip: number, signal: AbortSignal): Promise<null> {
    const at = chosen?.at ?? 0;
    await clock.sleep(Math.max(0, at - roundTrip / 2 - clock.now()));
    await session.flip(deployment, signal);
    return null;
  }

  return {
    async aim(session) {
      const measured = await session.aim(deployment);
      clocks.set(session.host.name, measured);
      if (measured.offset !== null) return;
      emit({
        kind: 'warning',
        host: session.host.name,
        code: 'NO_FINE_CLOCK',
        what: 'this host has no clock that is finer than a second',
        hint: 'It flips on order, and not at the instant of the others; perl or python3 there would mend that',
      });
    },
    async schedule(session, attempt, signal) {
      if (chosen?.attempt !== attempt) chosen = choose(attempt);
      const { at, acknowledgeBy } = chosen;
      const { offset } = clocks.get(session.host.name) ?? { offset: null };
      if (offset === null) return;
      const acknowledged = session.schedule(at + offset, signal).then(() => clock.now() <= acknowledgeBy);
      const late = clock.sleep(Math.max(0, acknowledgeBy - clock.now())).then(() => false);
      acknowledged.catch(() => undefined);
      if (!(await Promise.race([acknowledged, late]))) throw notAcknowledged(session.host.name);
    },
    async flip(session, signal) {
      const { offset, roundTrip } = clocks.get(session.host.name) ?? { offset: null, roundTrip: 0 };
      if (offset === null) return flipOnOrder(session, roundTrip, signal);
      const at = await session.flip(deployment, signal);
      return at === null ? null : { at: at - offset, error: roundTrip / 2 };
    },
  };
}

function notAcknowledged(host: string): FleetflipError {
  return new FleetflipError({
    kind: 'timed-out',
    code: 'NOT_ACKNOWLEDGED',
    phase: 'flip',
    host,
    what: 'the host did not acknowledge the instant of the flip in time',
    hint: 'Look at the load and the network of the host, then deploy again',
  });
}
