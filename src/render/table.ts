/** Rows in columns. */

import { cut, makeSafe, measure, pad } from './text.ts';

/**
 * Lines of a table with its head; every cell is made safe.
 * @param columns rows are cut to this width, never wrapped; undefined leaves them whole
 */
export function drawTable(rows: readonly (readonly string[])[], columns?: number): readonly string[] {
  const safe = rows.map(row => row.map(makeSafe));
  const count = Math.max(0, ...safe.map(row => row.length));
  const widths = Array.from({ length: count }, (_, at) => Math.max(0, ...safe.map(row => measure(row[at] ?? ''))));
  return safe.map(row => {
    const line = row.map((cell, at) => pad(cell, widths[at] ?? 0)).join('  ');
    return columns === undefined ? line.trimEnd() : cut(line.trimEnd(), columns);
  });
}
