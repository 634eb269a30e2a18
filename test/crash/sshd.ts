/** A fleet of plain sshd processes on loopback ports, each with a root and a PATH of its own, like the embedded one. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Server, Servers } from './arena.ts';

interface Started {
  readonly server: Server;
  readonly child: ChildProcess;
  /** A line of known_hosts. */
  readonly key: string;
}

export async function startSshdFleet(count: number): Promise<Servers> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-sshd-'));
  await mkdir('/run/sshd', { recursive: true });
  makeKey(join(directory, 'id'));
  const names = Array.from({ length: count }, (_, at) => `web${String(at + 1).padStart(2, '0')}`);
  const started = await Promise.all(names.map(name => startServer(directory, name)));
  await writeFile(join(directory, 'known_hosts'), started.map(({ key }) => key).join(''));
  const servers = started.map(({ server }) => server);
  const inventory = join(directory, 'inventory.yaml');
  await writeFile(inventory, describeFleet(servers));
  return {
    inventory,
    hosts: servers,
    async makeRelease(name, files) {
      const path = join(directory, 'releases', name);
      for (const [file, text] of Object.entries(files)) {
        await mkdir(dirname(join(path, file)), { recursive: true });
        await writeFile(join(path, file), text);
      }
      return path;
    },
    async stop() {
      await Promise.all(started.map(({ child }) => end(child)));
      await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}

async function startServer(directory: string, name: string): Promise<Started> {
  const home = join(directory, name);
  const [root, bin, hostKey] = [join(home, 'www'), join(home, 'bin'), join(home, 'host_key')];
  await mkdir(root, { recursive: true });
  await mkdir(bin);
  makeKey(hostKey);
  const port = await findPort();
  const settings = [
    `Port=${port}`,
    'ListenAddress=127.0.0.1',
    `HostKey=${hostKey}`,
    'UsePAM=no',
    'PidFile=none',
    'StrictModes=no',
    `AuthorizedKeysFile=${join(directory, 'id.pub')}`,
    'PermitRootLogin=yes',
    'MaxStartups=100',
    `SetEnv=PATH=${bin}:${process.env.PATH}`,
    'LogLevel=ERROR',
  ];
  const options = settings.flatMap(setting => ['-o', setting]);
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', '/dev/null', ...options], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await answers(port, child);
  const [type, key] = (await readFile(`${hostKey}.pub`, 'utf8')).split(' ');
  const server: Server = {
    name,
    port,
    root,
    readLink: () => readlink(join(root, 'site')).catch(() => null),
    async fake(program, script) {
      await writeFile(join(bin, program), `#!/bin/sh\n${script}\n`);
      await chmod(join(bin, program), 0o755);
    },
  };
  return { server, child, key: `[127.0.0.1]:${port} ${type} ${key}\n` };
}

function makeKey(file: string): void {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
}

async function findPort(): Promise<number> {
  const probe = createServer();
  await once(probe.listen(0, '127.0.0.1'), 'listening');
  const address = probe.address();
  await new Promise(resolve => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Resolves when the server takes connections. */
async function answers(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const socket = connect(port, '127.0.0.1');
    const open = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    if (open) return;
    await pause(20);
  }
  throw new Error(`sshd ended with ${child.exitCode}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

function describeFleet(servers: readonly Server[]): string {
  const items = servers.map(
    ({ name, port, root }) => `  - {name: ${name}, address: 127.0.0.1, port: ${port}, root: ${root}}\n`,
  );
  return `app: {name: site, root: /srv/www}
ssh: {user: ${userInfo().username}, identity: id, knownHosts: known_hosts}
hosts:
${items.join('')}`;
}
