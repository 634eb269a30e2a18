/** A fleet that is killed and cut off all the time, with a watcher on its links and new releases at hand. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Connector,
  deploy,
  type Fleet,
  loadInventory,
  type Result,
  type RunOptions,
  recover,
} from '../../src/index.ts';
import { createSsh2Connector } from '../../src/transport/index.ts';
import { type Alterations, buildSources } from '../support/built.ts';
import { type Child, startChild } from '../support/child.ts';
import type { Task, Told } from '../support/coordinator.ts';
import { startEmbeddedFleet } from '../support/embedded.ts';
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

/** What is asked of a host, embedded or real. */
export interface Server {
  readonly name: string;
  readonly port: number;
  readonly root: string;
  readLink(): Promise<string | null>;
  fake(program: string, script: string): Promise<void>;
}

export interface Servers<S extends Server = Server> {
  readonly inventory: string;
  readonly hosts: readonly S[];
  makeRelease(name: string, files: Readonly<Record<string, string>>): Promise<string>;
  stop(): Promise<void>;
}

export interface Arena<S extends Server = Server> {
  readonly hosts: readonly S[];
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
  /** Default: embedded hosts. */
  readonly start?: (count: number) => Promise<Servers>;
  /** Altered sources of the coordinators in processes of their own. */
  readonly alterations?: Alterations;
}

/** Starts the hosts, deploys a first release, and sets the watcher on its links. */
export async function startArena({
  hosts: count,
  start = startEmbeddedFleet,
  alterations,
}: ArenaOptions): Promise<Arena> {
  return setUp(await start(count), alterations);
}

/** Whatever strategy the inventory has is replaced by a hasty one. */
async function setStrategy(inventory: string): Promise<void> {
  const text = (await readFile(inventory, 'utf8')).replace(/^strategy:\n(?: .*\n)+/m, '');
  await writeFile(inventory, `${text}strategy: {confirmWithin: ${WINDOW}ms, maxSkew: 10s}\n`);
}

/** The same with hosts that can do more. */
export async function setUp<S extends Server>(servers: Servers<S>, alterations?: Alterations): Promise<Arena<S>> {
  const built = await buildSources(alterations);
  await setStrategy(servers.inventory);
  // Only a power cut could lose what is not flushed, and flushing is most of the time.
  for (const host of servers.hosts) await host.fake('sync', 'exit 0');
  const hasty = await loadInventory(servers.inventory);
  const patient = { ...hasty, strategy: { ...hasty.strategy, confirmWithin: 60_000 } };
  const makeRelease = createReleases(servers);
  const options = (): RunOptions => ({ connector: connect(), owner: 'parent@test' });
  const first = await deploy(patient, (await makeRelease()).path, options());
  if (first.exitCode !== 0) throw new Error(`the first deployment failed: ${JSON.stringify(first)}`);
  const watcher = startWatcher(built, servers);
  await watcher.ready;
  return {
    hosts: servers.hosts,
    inventory: servers.inventory,
    hasty,
    patient,
    makeRelease,
    prepare: task =>
      startChild(join(built, 'test/support/coordinator.js'), { ...task, inventory: servers.inventory } satisfies Task),
    deploy: (release, more) => deploy(patient, release.path, { ...options(), ...more }),
    recover: more => recover(patient, { ...options(), ...more }),
    readDisks: () => readDisks(servers),
    async stopWatching() {
      watcher.endInput();
      return JSON.parse((await watcher.end).line) as Seen;
    },
    async stop() {
      watcher.endInput();
      await watcher.end;
      await servers.stop();
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

function connect(): Connector {
  return createSsh2Connector({ env: {}, home: '/', username: 'demo' });
}

function createReleases(servers: Servers): () => Promise<Release> {
  let made = 0;
  return async () => {
    made += 1;
    const version = `version ${made}`;
    // Two files tell the version; one stays the same, so that a release is partly copied on the host.
    const files = { 'index.html': version, 'lib/version.txt': version, 'lib/same.txt': 'same' };
    return { path: await servers.makeRelease(`v${made}`, files), files };
  };
}

function startWatcher(built: string, servers: Servers): Child {
  const task: Watched = {
    links: servers.hosts.map(host => join(host.root, APP)),
    files: ['index.html', 'lib/version.txt'],
  };
  return startChild(join(built, 'test/support/watcher.js'), task);
}

async function readDisks(servers: Servers): Promise<ReadonlyMap<string, Disk>> {
  const disks = servers.hosts.map(async ({ name, root }) => [name, await readDisk(root, APP)] as const);
  return new Map(await Promise.all(disks));
}
