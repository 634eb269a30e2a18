/**
 * Reads files through live links, over and over, until its standard input ends. Every link must resolve at every
 * instant to a release in which all files are of one version. Told in its first argument: links, and files of a release.
 */

import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** What the parent hands over as the first argument, as JSON. */
export interface Watched {
  readonly links: readonly string[];
  /** Paths in a release whose text is its version. */
  readonly files: readonly string[];
}

/** What it tells at its end. */
export interface Seen {
  readonly reads: number;
  readonly violations: readonly string[];
}

const { links, files } = JSON.parse(process.argv[2] ?? '{}') as Watched;
const violations: string[] = [];
let reads = 0;

function look(link: string): void {
  reads += 1;
  try {
    const before = readlinkSync(link);
    const versions = files.map(file => readFileSync(join(link, file), 'utf8'));
    // Between the files it may have flipped.
    if (readlinkSync(link) === before && new Set(versions).size !== 1) complain(`${link} mixes ${versions.join(', ')}`);
  } catch (thrown) {
    complain(`${link}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

function complain(what: string): void {
  if (violations.length < 20) violations.push(`${new Date().toISOString()} ${what}`);
}

function lookAround(): void {
  for (const link of links) look(link);
  setTimeout(lookAround, 3);
}

lookAround();
process.stdout.write('watching\n');
process.stdin
  .on('end', () => {
    const seen: Seen = { reads, violations };
    process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
  })
  .resume();
