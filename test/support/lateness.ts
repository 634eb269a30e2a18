/** A host that acknowledges an instant only when another one has heard that it does not count. */

import { vi } from 'vitest';
import type { Meddler } from './meddler.ts';

const PATIENTLY = { timeout: 15_000, interval: 10 };

export interface Lateness {
  readonly host: string;
  /** How often. */
  readonly times: number;
  /** Seconds by which the same instants are put off on all hosts, so that there is time to cancel them. */
  readonly putOff: number;
}

export function makeLate({ host: late, times, putOff }: Lateness): Meddler {
  const scheduled = createCount();
  const calledOff = createCount();
  return {
    async onRequest(host, verb, words) {
      if (verb === 'cancel' || verb === 'revert' || verb === 'unlock') calledOff.add(host);
      if (verb !== 'at' || scheduled.add(host) > times) return words;
      return words.map(time => (Number(time) + putOff).toFixed(6));
    },
    async onAnswer(host, verb) {
      const instant = scheduled.get(host);
      if (host !== late || verb !== 'at' || instant > times) return;
      // A host that is not told otherwise, because everything is cut off, acknowledges in the end.
      await vi.waitFor(() => calledOff.most() >= instant || Promise.reject(), PATIENTLY).catch(() => undefined);
    },
  };
}

function createCount() {
  const counts = new Map<string, number>();
  return {
    add(host: string): number {
      const count = (counts.get(host) ?? 0) + 1;
      counts.set(host, count);
      return count;
    },
    get: (host: string): number => counts.get(host) ?? 0,
    most: (): number => Math.max(0, ...counts.values()),
  };
}
