/** Relays in front of every host of an arena, and the fleet as it is reached through them. */

import { appendFile, readFile } from 'node:fs/promises';
import type { Connector, Fleet } from '../../src/index.ts';
import { createSsh2Connector } from '../../src/transport/index.ts';
import { type Relay, startRelay } from '../support/relay.ts';
import type { Arena } from './arena.ts';

export interface Network {
  readonly fleet: Fleet;
  relay(host: string): Relay;
  /** One run's: notices within seconds that nothing comes back any more. */
  connect(): Connector;
  mend(): void;
  close(): void;
}

export async function layNetwork(arena: Arena): Promise<Network> {
  const relays = new Map<string, Relay>();
  for (const { name, port } of arena.hosts) relays.set(name, await startRelay(port));
  const relay = (host: string): Relay => {
    const found = relays.get(host);
    if (found === undefined) throw new Error(`there is no relay to ${host}`);
    return found;
  };
  const hosts = arena.hasty.hosts.map(host => ({ ...host, ssh: { ...host.ssh, port: relay(host.name).port } }));
  await learnKeys(arena, relay);
  return {
    fleet: { ...arena.hasty, hosts },
    relay,
    connect: () =>
      createSsh2Connector({
        env: {},
        home: '/',
        username: 'demo',
        timeout: 5_000,
        keepalive: { interval: 500, count: 4 },
      }),
    mend: () => relays.forEach(one => void one.mend()),
    close: () => relays.forEach(one => void one.close()),
  };
}

/** A host has the same key at its relay's port. */
async function learnKeys(arena: Arena, relay: (host: string) => Relay): Promise<void> {
  for (const { name, ssh } of arena.hasty.hosts) {
    const line = (await readFile(ssh.knownHosts, 'utf8'))
      .split('\n')
      .find(one => one.startsWith(`[127.0.0.1]:${ssh.port} `));
    if (line === undefined) throw new Error(`the key of ${name} is not known`);
    await appendFile(ssh.knownHosts, `[127.0.0.1]:${relay(name).port} ${line.split(' ').slice(1).join(' ')}\n`);
  }
}
