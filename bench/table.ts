/** Results as Markdown, printed and kept in RESULTS.md, one section a bench. */

import { readFile, writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { join } from 'node:path';

const FILE = join(import.meta.dirname, 'RESULTS.md');
const HEAD =
  '# Results\n\nThe last results of each bench, with the command that made them. Absolute times drift; ratios hold.\n';

export async function report(
  name: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): Promise<void> {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`;
  const table = line(head) + line(head.map(() => '---')) + rows.map(line).join('');
  const machine = `${cpus().length} cores (${cpus()[0]?.model.trim()}), Linux ${release()}, Node ${process.version}`;
  const section = `## ${name}\n\n\`npm run build && npx vitest run --project bench bench/${name}.bench.ts\` on ${machine}\n\n${table}`;
  console.log(`\n${table}`);
  if (process.env.FLEETFLIP_BENCH_KEEP === undefined) return;
  const before = await readFile(FILE, 'utf8').catch(() => HEAD);
  const sections = before.split(/^(?=## )/m);
  const [first = HEAD, ...others] = sections.filter(one => !one.startsWith(`## ${name}\n`));
  const kept = [first, ...others, section].map(one => one.trimEnd());
  await writeFile(FILE, `${kept.join('\n\n')}\n`);
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  return (low + high) / 2;
}
