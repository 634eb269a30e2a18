/** A fleet of embedded hosts in a temporary directory, with an inventory like anybody's. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { HostOptions, HostReady } from './host-server.ts';
import { makeKeys } from './keys.ts';

export interface DemoHost {
  readonly name: string;
  readonly port: number;
  /** The app's root. */
  readonly root: string;
  /** In front of the host's PATH: what is put here fakes a program. */
  readonly bin: string;
  /** The host's home: root and bin are in it. */
  readonly directory: string;
  /** Ends the host's process, and with it every connection. Resolves when it has ended; once more does nothing. */
  stop(): Promise<void>;
}

export interface DemoFleet {
  readonly hosts: readonly DemoHost[];
  /** The inventory's file. The app's name is `site`. */
  readonly inventory: string;
  stop(): Promise<void>;
}

export interface DemoFleetOptions {
  /** An existing directory; everything is written into it. */
  readonly directory: string;
  readonly count: number;
  /** The program of a host, a JavaScript file. Default: the one beside this file. */
  readonly program?: string;
}

/**
 * Starts hosts demo1 to demoN and writes keys (`id_ed25519`), `known_hosts` and `inventory.yaml` into the directory.
 * Throws when a host does not start; those that did are ended.
 */
export async function startDemoFleet(options: DemoFleetOptions): Promise<DemoFleet> {
  const { directory, count } = options;
  const program = options.program ?? fileURLToPath(new URL('./host-process.js', import.meta.url));
  const client = makeKeys();
  await writeFile(join(directory, 'id_ed25519'), client.private, { mode: 0o600 });
  const names = Array.from({ length: count }, (_, at) => `demo${at + 1}`);
  const started = await startAll(
    names.map(name => ({ name, program, directory: join(directory, name), clientKey: client.public })),
  );
  const known = started.map(({ host, key }) => `[127.0.0.1]:${host.port} ${key}\n`).join('');
  await writeFile(join(directory, 'known_hosts'), known);
  const hosts = started.map(({ host }) => host);
  const inventory = join(directory, 'inventory.yaml');
  await writeFile(inventory, describeInventory(hosts));
  return { hosts, inventory, stop: () => stopAll(hosts) };
}

interface Wanted {
  readonly name: string;
  readonly program: string;
  readonly directory: string;
  readonly clientKey: string;
}

interface Started {
  readonly host: DemoHost;
  readonly key: string;
}

async function startAll(wanted: readonly Wanted[]): Promise<readonly Started[]> {
  const settled = await Promise.allSettled(wanted.map(startHost));
  const started = settled.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = settled.find(one => one.status === 'rejected');
  if (failed === undefined) return started;
  await stopAll(started.map(({ host }) => host));
  throw failed.reason;
}

async function startHost({ name, program, directory, clientKey }: Wanted): Promise<Started> {
  const root = join(directory, 'www');
  const bin = join(directory, 'bin');
  await mkdir(root, { recursive: true });
  await mkdir(bin, { recursive: true });
  const options: HostOptions = { directory, clientKey, bin };
  // Detached: a Ctrl-C in the terminal is for the coordinator, not for the hosts. They end with their input.
  const child = spawn(process.execPath, [program, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const ready = await readReady(child);
  const host = { name, port: ready.port, root, bin, directory, stop: () => stop(child) };
  return { host, key: ready.hostKey };
}

function readReady(child: ChildProcess): Promise<HostReady> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) throw new Error('the host has no standard output');
    createInterface({ input: child.stdout }).once('line', line => resolve(JSON.parse(line) as HostReady));
    child.once('error', reject);
    child.once('exit', code => reject(new Error(`an embedded host ended with ${code}`)));
  });
}

async function stopAll(hosts: readonly DemoHost[]): Promise<void> {
  await Promise.all(hosts.map(host => host.stop()));
}

function stop(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.stdin?.end();
  });
}

function describeInventory(hosts: readonly DemoHost[]): string {
  const items = hosts.map(
    ({ name, port, root }) =>
      `  - name: ${name}\n    address: 127.0.0.1\n    port: ${port}\n    root: ${JSON.stringify(root)}\n`,
  );
  return `app:
  name: site
  root: /srv/www      # every host of the demo has its own instead
ssh:
  user: demo
  identity: id_ed25519
  knownHosts: known_hosts
strategy:
  maxSkew: 10s        # these hosts share the cores of one machine, which may be busy
hosts:
${items.join('')}`;
}
