/** A fleet that is killed and cut off all the time, with a watcher on its links and new releases at hand. */

import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deploy, type Fleet, loadInventory, type Result, type RunOptions, recover } from '../../src/index.ts';
import { createSsh2Connector } from '../../src/transport/index.ts';
import { type Alterations, buildSources } from '../support/built.ts';
import { type Child, startChild } from '../support/child.ts';
import type { Task, Told } from '../support/coordinator.ts';
import { type EmbeddedFleet, type EmbeddedHost, startEmbeddedFleet } from '../support/embedded.ts';
import { readTree } from '../support/local-fleet.ts';
import type { Seen, Watched } from '../support/watcher.ts';
import { type Disk, readDisk } from './disk.ts';

export const APP = 'site';

/** The guard's patience in runs that are disturbed: short, but longer than a busy machine's hiccups. */
export const WINDOW = 2_000;

export interface Release {
  readonly path: string;
  readonly files: Readonly<Record<string, string>>;
}

export interface Arena {
  readonly hosts: readonly EmbeddedHost[];
  readonly inventory: string;
  /** With the short window of disturbed runs. */
  readonly hasty: Fleet;
  /** With a window that no undisturbed run outlives. */
  readonly patient: Fleet;
  makeRelease(): Promise<Release>;
  /** A coordinator in a process of its own, waiting to be told to go. */
  prepare(task: Omit<Task, 'inventory'>): Child;
  deploy(release: Release, options?: RunOptions): Promise<Result>;
  recover(options?: RunOptions): Promise<Result>;
  readDisks(): Promise<ReadonlyMap<string, Disk>>;
  /** What the watcher saw since it began; it ends. */
  stopWatching(): Promise<Seen>;
  stop(): Promise<void>;
}

export interface ArenaOptions {
  readonly hosts: number;
  /** Altered sources of the coordinators in processes of their own. */
  readonly alterations?: Alterations;
}

/** Starts the hosts, deploys a first release, and sets the watcher on its links. */
export async function startArena({ hosts: count, alterations }: ArenaOptions): Promise<Arena> {
  const built = await buildSources(alterations);
  const embedded = await startEmbeddedFleet(count);
  await appendFile(embedded.inventory, `strategy: {confirmWithin: ${WINDOW}ms, maxSkew: 10s}\n`);
  // Only a power cut could lose what is not flushed, and flushing is most of the time.
  for (const host of embedded.hosts) await host.fake('sync', 'exit 0');
  const hasty = await loadInventory(embedded.inventory);
  const patient = { ...hasty, strategy: { ...hasty.strategy, confirmWithin: 60_000 } };
  const makeRelease = createReleases(embedded);
  const options = (): RunOptions => ({ connector: connectTo(embedded), owner: 'parent@test' });
  const first = await deploy(patient, (await makeRelease()).path, options());
  if (first.exitCode !== 0) throw new Error(`the first deployment failed: ${JSON.stringify(first)}`);
  const watcher = startWatcher(built, embedded);
  await watcher.ready;
  return {
    hosts: embedded.hosts,
    inventory: embedded.inventory,
    hasty,
    patient,
    makeRelease,
    prepare: task =>
      startChild(join(built, 'test/support/coordinator.js'), { ...task, inventory: embedded.inventory } satisfies Task),
    deploy: (release, more) => deploy(patient, release.path, { ...options(), ...more }),
    recover: more => recover(patient, { ...options(), ...more }),
    readDisks: () => readDisks(embedded),
    async stopWatching() {
      watcher.endInput();
      return JSON.parse((await watcher.end).line) as Seen;
    },
    async stop() {
      watcher.endInput();
      await watcher.end;
      await embedded.stop();
    },
  };
}

export function parseTold(line: string): Told {
  return JSON.parse(line) as Told;
}

/** Hosts whose live link does not show exactly the release. */
export async function findOthers(arena: Arena, release: Release): Promise<readonly string[]> {
  const wanted = JSON.stringify(Object.entries(release.files).sort());
  const trees = await Promise.all(
    arena.hosts.map(async host => {
      const slot = await host.readLink();
      const tree = slot === null ? {} : await readTree(join(host.root, slot));
      return JSON.stringify(Object.entries(tree).sort()) === wanted ? [] : [host.name];
    }),
  );
  return trees.flat();
}

function connectTo({ directory }: EmbeddedFleet) {
  return createSsh2Connector({ env: {}, home: directory, username: 'demo' });
}

function createReleases(embedded: EmbeddedFleet): () => Promise<Release> {
  let made = 0;
  return async () => {
    made += 1;
    const version = `version ${made}`;
    // Two files tell the version; one stays the same, so that a release is partly copied on the host.
    const files = { 'index.html': version, 'lib/version.txt': version, 'lib/same.txt': 'same' };
    return { path: await embedded.makeRelease(`v${made}`, files), files };
  };
}

function startWatcher(built: string, embedded: EmbeddedFleet): Child {
  const task: Watched = {
    links: embedded.hosts.map(host => join(host.root, APP)),
    files: ['index.html', 'lib/version.txt'],
  };
  return startChild(join(built, 'test/support/watcher.js'), task);
}

async function readDisks(embedded: EmbeddedFleet): Promise<ReadonlyMap<string, Disk>> {
  const disks = embedded.hosts.map(async ({ name, root }) => [name, await readDisk(root, APP)] as const);
  return new Map(await Promise.all(disks));
}
