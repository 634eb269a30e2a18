/** How far the clock of a waiting host is from ours, and how long its answers take. */

import type { Clock, HostClock } from '../ports.ts';
import type { Conversation } from './conversation.ts';

const SAMPLES = 5;

/** Milliseconds after which it is measured no more: far hosts take long for each answer. */
const TIME = 600;

/**
 * The answer that came fastest counts: the host's clock was read within its round trip, so that half of it bounds the error
 * (Cristian, "Probabilistic clock synchronization", 1989).
 */
export async function measureClock(talk: Conversation, clock: Clock): Promise<HostClock> {
  const began = clock.now();
  let best: Omit<HostClock, 'longestTrip'> = { offset: null, roundTrip: Number.POSITIVE_INFINITY };
  let longestTrip = 0;
  for (let sample = 0; sample < SAMPLES; sample++) {
    const sent = clock.now();
    const reply = await talk.ask({ phase: 'arm', verb: 'now' });
    const back = clock.now();
    const there = reply.lines.find(line => line.key === 'now')?.words[0] ?? '';
    const roundTrip = back - sent;
    const offset = there === '' ? null : Number(there) * 1000 - (sent + back) / 2;
    longestTrip = Math.max(longestTrip, roundTrip);
    if (roundTrip < best.roundTrip) best = { offset, roundTrip };
    if (sample > 0 && back - began > TIME) break;
  }
  return { ...best, longestTrip };
}
