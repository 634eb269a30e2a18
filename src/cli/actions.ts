/** What commands do with the library's answers: follow a run to its result, print a report, write an inventory. */

import { writeFile } from 'node:fs/promises';
import { basename, dirname, relative } from 'node:path';
import { FleetflipError } from '../domain/error.ts';
import type { Command, Result } from '../domain/event.ts';
import { type Fleet, inventoryTemplate, type PlanReport, pack, type RunOptions } from '../index.ts';
import { type Ask, announce, type CommonOptions, withFleet } from './surroundings.ts';
import { createWitness } from './witness.ts';

export interface Transacting {
  readonly command: Command;
  readonly options: CommonOptions;
  readonly work: (fleet: Fleet, run: RunOptions, ask: Ask) => Promise<Result>;
}

/** A run that is shown as it happens. */
export function transact(transacting: Transacting): Promise<number> {
  return withFleet({ ...transacting, end: result => result.exitCode });
}

export interface Reporting<Report> {
  readonly command: Command;
  readonly options: CommonOptions;
  readonly read: (fleet: Fleet, run: RunOptions) => Promise<Report>;
  readonly format: (report: Report) => string;
  /** The exit code. */
  readonly judge: (report: Report) => number;
}

/** A run whose output is its report alone. */
export function report<Report>({ command, options, read, format, judge }: Reporting<Report>): Promise<number> {
  return withFleet({
    command,
    options,
    work: read,
    end(found, kind) {
      process.stdout.write(`${kind === 'json' ? JSON.stringify(found) : format(found)}\n`);
      return judge(found);
    },
  });
}

/** What deploy would end with. */
export function judgePlan({ refusals }: PlanReport): number {
  if (refusals.some(failure => failure.code === 'UNSETTLED')) return 4;
  return refusals.length > 0 ? 1 : 0;
}

export function labelOf({ label }: { readonly label?: string | undefined }): { label?: string } {
  return label === undefined ? {} : { label };
}

/** Packs a release, and says its id and where it is. */
export async function writeArtifact(release: string, { to, label, output }: CommonOptions): Promise<number> {
  const kind = output === 'json' ? 'json' : 'plain';
  try {
    const result = await pack(release, { ...(to === undefined ? {} : { to }), ...labelOf({ label }) });
    const { file, size, sha256 } = result.artifact;
    const said =
      kind === 'json' ? JSON.stringify(result) : `${result.release}\n${file}: ${size} bytes, sha256 ${sha256}`;
    process.stdout.write(`${said}\n`);
    return result.exitCode;
  } catch (thrown) {
    if (!(thrown instanceof FleetflipError)) throw thrown;
    const refused = createWitness('pack').refuse(thrown.failures);
    announce(refused, kind);
    return refused.exitCode;
  }
}

/** Never writes over a file. */
export async function writeInventory(file: string): Promise<number> {
  try {
    await writeFile(file, inventoryTemplate(), { flag: 'wx' });
  } catch (thrown) {
    const exists = thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST';
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    process.stderr.write(
      exists
        ? `${file} exists already; it was not touched. Name another file.\n`
        : `${file} cannot be written: ${why}\n`,
    );
    return 2;
  }
  process.stdout.write(`Wrote ${file}. Name your servers in it, then: fleetflip check\n`);
  return 0;
}

/** What to type to call this program again: it may not be installed. */
export function nameSelf(script = process.argv[1] ?? '', cwd = process.cwd()): string {
  if (basename(script) !== 'fleetflip') return `node ${relative(cwd, script)}`;
  return basename(dirname(script)) === '.bin' ? 'npx fleetflip' : 'fleetflip';
}
