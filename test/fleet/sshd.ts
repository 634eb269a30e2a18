/**
 * A fleet of real OpenSSH servers on loopback ports: plain sshd processes of the current user, each told by its own
 * environment where its home is. The last host is reached only through the first as a bastion.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, connect as dial } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';

export interface Server {
  readonly name: string;
  readonly port: number;
  readonly root: string;
  /** In front of the login's PATH: what is put here fakes a program. */
  readonly bin: string;
  readonly hostKey: string;
}

export interface SshdFleet {
  readonly servers: readonly Server[];
  readonly inventory: string;
  readonly knownHosts: string;
  stop(): Promise<void>;
}

/** @param path the PATH of every login, by host; default: this process's */
export async function startSshdFleet(
  directory: string,
  count: number,
  path: (index: number) => string = () => process.env.PATH ?? '',
): Promise<SshdFleet> {
  mkdirSync('/run/sshd', { recursive: true });
  keygen(join(directory, 'id'));
  const authorized = readFileSync(join(directory, 'id.pub'), 'utf8');
  writeFileSync(join(directory, 'authorized_keys'), authorized, { mode: 0o600 });
  const started = await Promise.all(
    Array.from({ length: count }, (_, index) => startServer({ directory, index, path: path(index) })),
  );
  const servers = started.map(({ server }) => server);
  const knownHosts = join(directory, 'known_hosts');
  writeFileSync(knownHosts, servers.map(server => `[127.0.0.1]:${server.port} ${server.hostKey}\n`).join(''));
  const inventory = join(directory, 'inventory.yaml');
  writeFileSync(inventory, describeFleet(servers));
  return {
    servers,
    inventory,
    knownHosts,
    stop: async () => void (await Promise.all(started.map(({ child }) => end(child)))),
  };
}

function keygen(file: string): void {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
}

async function startServer({
  directory,
  index,
  path,
}: {
  directory: string;
  index: number;
  path: string;
}): Promise<{ server: Server; child: ChildProcess }> {
  const name = `web${String(index + 1).padStart(2, '0')}`;
  const home = join(directory, name);
  const [root, bin] = [join(home, 'www'), join(home, 'bin')];
  mkdirSync(root, { recursive: true });
  mkdirSync(bin);
  keygen(join(home, 'host_key'));
  const port = await freePort();
  const options = [
    `Port=${port}`,
    'ListenAddress=127.0.0.1',
    `HostKey=${join(home, 'host_key')}`,
    'UsePAM=no',
    'PidFile=none',
    'StrictModes=no',
    `AuthorizedKeysFile=${join(directory, 'authorized_keys')}`,
    'PasswordAuthentication=no',
    'PermitRootLogin=yes',
    'MaxStartups=100',
    `SetEnv=PATH=${bin}:${path}`,
    'AllowTcpForwarding=yes',
    'LogLevel=ERROR',
  ];
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', '/dev/null', ...options.flatMap(option => ['-o', option])], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await untilOpen(port, child);
  const hostKey = readFileSync(join(home, 'host_key.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
  return { server: { name, port, root, bin, hostKey }, child };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Tries until the port answers; gives up when the server has ended. */
async function untilOpen(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const open = await new Promise<boolean>(resolve => {
      const socket = dial(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await new Promise(resolve => setImmediate(resolve));
  }
  throw new Error(`sshd ended with ${child.exitCode}`);
}

function end(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

function describeFleet(servers: readonly Server[]): string {
  const [bastion] = servers;
  const items = servers.map(({ name, port, root }, index) => {
    const jump = index > 0 && index === servers.length - 1 ? `\n    jump: ['127.0.0.1:${bastion?.port}']` : '';
    return `  - name: ${name}\n    address: 127.0.0.1\n    port: ${port}\n    root: ${root}${jump}\n`;
  });
  return `app: {name: foo, root: /srv/www}\nssh: {user: ${userInfo().username}, identity: id, knownHosts: known_hosts}\nstrategy: {maxSkew: 10s}\nhosts:\n${items.join('')}`;
}
