/** Waits on a condition, however busy the machine is. */

import { vi } from 'vitest';

/** Resolves with what `look` gives as soon as it does not throw. */
export function until<T>(look: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(look, { timeout: 25_000, interval: 10 });
}
