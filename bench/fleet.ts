/** Fleets of real OpenSSH servers on loopback, each with a mount namespace of its own, in memory. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { execute } from '../test/fleet/support/process.ts';

const HOST = join(import.meta.dirname, 'host.sh');
const PORT = 2222;

export interface BenchHost {
  readonly name: string;
  readonly address: string;
  /** What the host sees as /var/www. */
  readonly www: string;
}

export interface BenchFleet {
  readonly directory: string;
  readonly hosts: readonly BenchHost[];
  readonly port: number;
  /** The private key of the account `deploy`. */
  readonly identity: string;
  readonly knownHosts: string;
  /** Writes an inventory and resolves with its path. @param addresses replaces those of the hosts, by name, as ADDRESS:PORT */
  writeInventory(strategy?: object, addresses?: ReadonlyMap<string, string>): Promise<string>;
  /** Empties /var/www of every host. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

/** @param environment what is set for every login of a host, by its number: NAME=VALUE */
export async function startFleet(
  count: number,
  environment: (at: number) => readonly string[] = () => [],
): Promise<BenchFleet> {
  const directory = await mkdtemp('/dev/shm/fleetflip-bench-');
  const identity = join(directory, 'id');
  const knownHosts = join(directory, 'known_hosts');
  for (const key of [identity, join(directory, 'host_key')])
    await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key]);
  const hosts = Array.from({ length: count }, (_, at) => ({
    name: `web${String(at + 1).padStart(3, '0')}`,
    address: `127.0.${1 + Math.floor(at / 200)}.${10 + (at % 200)}`,
    www: join(directory, `web${String(at + 1).padStart(3, '0')}`, 'www'),
  }));
  const key = (await readFile(join(directory, 'host_key.pub'), 'utf8')).trim();
  await writeFile(knownHosts, hosts.map(({ address }) => `[${address}]:${PORT} ${key}\n`).join(''));
  const children: ChildProcess[] = [];
  for (const [at, host] of hosts.entries()) children.push(await startHost(directory, host, environment(at)));
  await Promise.all(hosts.map(awaitServer));
  let written = 0;
  return {
    directory,
    hosts,
    port: PORT,
    identity,
    knownHosts,
    async writeInventory(strategy = {}, addresses = new Map()) {
      const file = join(directory, `inventory-${++written}.yaml`);
      const inventory = {
        app: { name: 'foo', root: '/var/www' },
        ssh: { user: 'deploy', port: PORT, identity, knownHosts },
        strategy: { maxSkew: '10s', parallel: count, ...strategy },
        hosts: hosts.map(({ name, address }) => {
          const [host, port] = (addresses.get(name) ?? `${address}:${PORT}`).split(':');
          return { name, address: host, port: Number(port) };
        }),
      };
      // JSON is YAML.
      await writeFile(file, JSON.stringify(inventory));
      for (const address of addresses.values()) await appendFile(knownHosts, `[${address.replace(':', ']:')} ${key}\n`);
      return file;
    },
    async clear() {
      await Promise.all(hosts.map(({ www }) => execute('find', [www, '-mindepth', '1', '-delete'])));
    },
    async stop() {
      await Promise.all(children.map(end));
      await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}

async function startHost(
  directory: string,
  { name, address }: BenchHost,
  environment: readonly string[],
): Promise<ChildProcess> {
  const home = join(directory, name);
  await mkdir(home);
  await chmod(directory, 0o755);
  await copyFile(join(directory, 'host_key'), join(home, 'host_key'));
  await copyFile(join(directory, 'id.pub'), join(home, 'authorized_keys'));
  const words = ['-m', '--propagation', 'private', 'sh', HOST, home, address, String(PORT), ...environment];
  return spawn('unshare', words, { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function awaitServer({ name, address }: BenchHost): Promise<void> {
  const limit = AbortSignal.timeout(60_000);
  while (!(await answers(address))) {
    if (limit.aborted) throw new Error(`the server of ${name} does not answer`);
    await pause(20);
  }
}

async function answers(host: string): Promise<boolean> {
  const socket = connect({ host, port: PORT });
  const up = await Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)]).catch(
    () => false,
  );
  socket.destroy();
  return up;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
