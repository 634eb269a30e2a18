/** Steps that several tests take. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fleetflip, type Summary, summarize } from './command.ts';
import { APP, type Flaws, type TestFleet, type TestHost } from './fleet.ts';

/** A release of one file. */
export async function makeSmallRelease(directory: string, name: string): Promise<string> {
  const release = join(directory, name);
  await mkdir(release);
  await writeFile(join(release, 'index.html'), name);
  return release;
}

/** Lets the live link say the same in another way. @param word what it is to say for a slot */
export async function rewordLink({ root, run, readLink }: TestHost, word: (slot: string) => string): Promise<void> {
  await run(`ln -sfn '${word(await readLink())}' '${root}/${APP}'`);
}

export interface Flawed {
  readonly fleet: TestFleet;
  readonly name: string;
  readonly flaw: keyof Flaws;
  readonly release: string;
}

/** Deploys to a fleet in which one host has its app where something is wrong. */
export async function deployOntoFlaw({ fleet, name, flaw, release }: Flawed): Promise<Summary> {
  const hosts = fleet.inventory.hosts.map(host =>
    host.name === name ? { ...host, root: fleet.host(name).flaws[flaw] } : host,
  );
  return summarize(await fleetflip(await fleet.write({ ...fleet.inventory, hosts }), 'deploy', release));
}
