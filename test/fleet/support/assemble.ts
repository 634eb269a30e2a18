/** Hosts that answer to a fleet with its inventory. */

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { APP, type Inventory, type TestFleet, type TestHost } from './fleet.ts';

export interface Member {
  readonly host: TestHost;
  /** As known_hosts has it. */
  readonly key: string;
  readonly address: string;
  readonly port: number;
  /** The port of the bastion that leads there. */
  readonly bastion?: number;
}

export interface Parts {
  readonly directory: string;
  readonly members: readonly Member[];
  readonly user: string;
  readonly colleague: string;
  /** Ends the hosts. */
  readonly stop: () => Promise<unknown>;
}

/** The private key of the logins is `id` in the directory. */
export async function assemble({ directory, members, user, colleague, stop }: Parts): Promise<TestFleet> {
  const known = members.map(({ address, port, key }) => `${port === 22 ? address : `[${address}]:${port}`} ${key}\n`);
  await writeFile(join(directory, 'known_hosts'), known.join(''));
  const hosts = members.map(member => member.host);
  const inventory: Inventory = {
    app: { name: APP, root: '/srv/www' },
    ssh: { user, identity: 'id', knownHosts: 'known_hosts' },
    // Many hosts share the processors of one machine.
    strategy: { maxSkew: '10s' },
    hosts: members.map(({ host, address, port, bastion }) => ({
      name: host.name,
      address,
      port,
      root: host.root,
      ...(bastion === undefined ? {} : { jump: [`${user}@127.0.0.1:${bastion}`] }),
    })),
  };
  let written = 0;
  return {
    directory,
    hosts,
    inventory,
    colleague,
    host(name) {
      const found = hosts.find(host => host.name === name);
      if (found === undefined) throw new Error(`there is no host ${name}`);
      return found;
    },
    async write(changed = inventory) {
      written += 1;
      const file = join(directory, `inventory-${written}.yaml`);
      // JSON is YAML.
      await writeFile(file, JSON.stringify(changed, null, 2));
      return file;
    },
    async stop() {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** web01, web02, ... */
export function nameHosts(count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `web${String(at + 1).padStart(2, '0')}`);
}
