/** How far a host's wall clock is from ours. */

import type { Clock } from '../ports.ts';
import type { Conversation } from './conversation.ts';

export interface ClockOffset {
  /** Milliseconds: the host's clock minus ours. */
  readonly offset: number;
  /** Milliseconds: half the least round trip, which bounds the error. */
  readonly error: number;
}

const SAMPLES = 5;

/** @returns null where the host has no clock finer than a second */
export async function measureClock(talk: Conversation, clock: Clock): Promise<ClockOffset | null> {
  let best: ClockOffset | null = null;
  for (let sample = 0; sample < SAMPLES; sample++) {
    const sent = clock.now();
    const reply = await talk.ask({ phase: 'flip', verb: 'clock' });
    const back = clock.now();
    const there = reply.lines.find(line => line.key === 'now')?.words[0] ?? '';
    if (there === '') return null;
    const error = (back - sent) / 2;
    if (best === null || error < best.error) best = { offset: Number(there) * 1000 - (sent + back) / 2, error };
  }
  return best;
}
