/** A fleet of plain sshd processes on loopback: OpenSSH is all that it needs, and what it can do without root is less. */

import { mkdtemp } from 'node:fs/promises';
import { createServer, type Server as Listener } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { assemble, nameHosts } from '../support/assemble.ts';
import type { TestFleet } from '../support/fleet.ts';
import { makeKey } from '../support/keys.ts';
import { IS_ROOT, type Server, startServer } from './server.ts';
import { findShells } from './userland.ts';

export interface SshdOptions {
  readonly count: number;
  /** A host that is reached through the first one. */
  readonly behindBastion?: string;
}

export async function startSshdFleet({ count, behindBastion }: SshdOptions): Promise<TestFleet> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-sshd-'));
  await makeKey(join(directory, 'id'));
  if (!IS_ROOT) console.info('without root: hosts share one account, and full disks are feigned by df and tar');
  const names = nameHosts(count);
  const ports = await findPorts(count);
  const shells = findShells();
  const portOf = (at: number): number => ports[at] ?? 0;
  const started = await Promise.allSettled(
    names.map((name, at) => {
      const shell = shells[at % shells.length];
      if (shell === undefined) throw new Error('no shell of this machine is known');
      return startServer({
        name,
        port: portOf(at),
        shell,
        directory: join(directory, name),
        // Only root's hosts have names that nobody else knows.
        hosts: `127.0.0.1 localhost ${names.join(' ')}\n`,
        authorizedKeys: join(directory, 'id.pub'),
      });
    }),
  );
  const servers = started.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []));
  const stop = (): Promise<unknown> => Promise.all(servers.map(server => server.stop()));
  const failed = started.find(one => one.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  const user = IS_ROOT ? 'deploy' : userInfo().username;
  const members = servers.map(({ host, key }: Server, at) => {
    const isInner = host.name === behindBastion;
    const address = isInner && IS_ROOT ? host.name : '127.0.0.1';
    return { host, key, address, port: portOf(at), ...(isInner ? { bastion: portOf(0) } : {}) };
  });
  return assemble({ directory, members, user, colleague: IS_ROOT ? 'colleague' : user, stop });
}

/** So many ports that are free, and different ones: all are held until the last is known. */
async function findPorts(count: number): Promise<readonly number[]> {
  const held = await Promise.all(Array.from({ length: count }, holdPort));
  const ports = held.map(listener => {
    const address = listener.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(held.map(listener => new Promise(resolve => listener.close(resolve))));
  return ports;
}

function holdPort(): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const listener = createServer();
    listener.once('error', reject);
    listener.listen(0, '127.0.0.1', () => resolve(listener));
  });
}
