/** Numbers for people. */

/** `1.5 MB`; powers of 1000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** @param milliseconds shown as `12 ms`, `3.4 s` or `2m05s` */
export function formatTime(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, '0')}s`;
}

/** The same without milliseconds, for a time that goes on: it does not change its unit all the time. */
export function formatRunning(milliseconds: number): string {
  return milliseconds < 1000 ? `${(milliseconds / 1000).toFixed(1)} s` : formatTime(milliseconds);
}

/** `2026-01-02 03:04:05Z`. @param time Unix milliseconds, as a host may have them */
export function formatInstant(time: number): string {
  if (!(Math.abs(time) < 8.64e15)) return 'an unknown time';
  return `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}
