/** A fleet of embedded hosts in a temporary directory, with an inventory like anybody's. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import ssh2 from 'ssh2';
import type { HostOptions, HostReady } from './host-process.ts';

export interface DemoHost {
  readonly name: string;
  readonly port: number;
  /** The app's root. */
  readonly root: string;
  /** In front of the host's PATH: what is put here fakes a program. */
  readonly bin: string;
}

export interface DemoFleet {
  readonly hosts: readonly DemoHost[];
  readonly inventory: string;
  stop(): Promise<void>;
}

export interface DemoFleetOptions {
  readonly directory: string;
  readonly count: number;
}

/** Starts hosts demo1 to demoN and writes keys, known_hosts and inventory into the directory. */
export async function startDemoFleet({ directory, count }: DemoFleetOptions): Promise<DemoFleet> {
  const client = ssh2.utils.generateKeyPairSync('ed25519');
  await writeFile(join(directory, 'id_ed25519'), client.private, { mode: 0o600 });
  const names = Array.from({ length: count }, (_, at) => `demo${at + 1}`);
  const started = await Promise.all(names.map(name => startHost(name, join(directory, name), client.public)));
  const known = started.map(({ host, key }) => `[127.0.0.1]:${host.port} ${key}\n`).join('');
  await writeFile(join(directory, 'known_hosts'), known);
  const hosts = started.map(({ host }) => host);
  const inventory = join(directory, 'inventory.yaml');
  await writeFile(inventory, describeInventory(hosts));
  return { hosts, inventory, stop: async () => void (await Promise.all(started.map(({ child }) => stop(child)))) };
}

interface Started {
  readonly host: DemoHost;
  readonly key: string;
  readonly child: ChildProcess;
}

async function startHost(name: string, directory: string, clientKey: string): Promise<Started> {
  const root = join(directory, 'www');
  const bin = join(directory, 'bin');
  await mkdir(root, { recursive: true });
  await mkdir(bin);
  const options: HostOptions = { directory, clientKey, bin };
  const file = fileURLToPath(new URL('./host-process.js', import.meta.url));
  const child = spawn(process.execPath, [file, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ready = await firstLine(child);
  return { host: { name, port: ready.port, root, bin }, key: ready.hostKey, child };
}

function firstLine(child: ChildProcess): Promise<HostReady> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) throw new Error('the host has no standard output');
    createInterface({ input: child.stdout }).once('line', line => resolve(JSON.parse(line) as HostReady));
    child.once('exit', code => reject(new Error(`an embedded host ended with ${code}`)));
  });
}

function stop(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.once('exit', () => resolve());
    child.stdin?.end();
  });
}

function describeInventory(hosts: readonly DemoHost[]): string {
  const items = hosts.map(
    ({ name, port, root }) => `  - name: ${name}\n    address: 127.0.0.1\n    port: ${port}\n    root: ${root}\n`,
  );
  return `app:
  name: site
  root: /srv/www      # every host of the demo has its own instead
ssh:
  user: demo
  identity: id_ed25519
  knownHosts: known_hosts
hosts:
${items.join('')}`;
}
