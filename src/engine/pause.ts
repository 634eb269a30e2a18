/** Pauses between attempts: longer each time, and never the same on all machines. */

/** Milliseconds before the attempt, which counts from 1, when one has failed. @param jitter from 0 to 1 */
export function pauseBefore(attempt: number, longest: number, jitter: () => number): number {
  return Math.min(longest, 100 * 2 ** Math.min(attempt, 10)) * (0.5 + jitter());
}
