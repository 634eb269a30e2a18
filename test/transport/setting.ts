/** What a connection needs around it: a home with keys and known_hosts, a connector with short patience, a host. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Host, SshSettings } from '../../src/domain/fleet.ts';
import type { Connection, Connector } from '../../src/ports.ts';
import { createSsh2Connector, type Ssh2Options } from '../../src/transport/index.ts';
import { lookupName } from '../../src/transport/known-hosts.ts';
import { type Keys, makeKeys, type TestServer } from './server.ts';

export interface Setting {
  readonly home: string;
  readonly knownHosts: string;
  /** The key in `.ssh/id_ed25519`. */
  readonly keys: Keys;
  /** Closed by `end`. */
  connector(options?: Partial<Ssh2Options>): Connector;
  /** Writes known_hosts: the servers' own keys. */
  know(...servers: readonly TestServer[]): Promise<void>;
  host(server: { address: string; port: number }, more?: Partial<SshSettings & { name: string }>): Host;
  end(): Promise<void>;
}

export async function makeSetting(): Promise<Setting> {
  const home = await mkdtemp(join(tmpdir(), 'fleetflip-home-'));
  await mkdir(join(home, '.ssh'));
  const keys = makeKeys();
  await writeFile(join(home, '.ssh', 'id_ed25519'), keys.private);
  const knownHosts = join(home, '.ssh', 'known_hosts');
  const connectors: Connector[] = [];
  return {
    home,
    knownHosts,
    keys,
    connector(options = {}) {
      const made = createSsh2Connector({ env: {}, home, username: 'ann', ...options });
      connectors.push(made);
      return made;
    },
    know: (...servers) =>
      writeFile(knownHosts, servers.map(({ address, port, key }) => `${lookupName(address, port)} ${key}\n`).join('')),
    host({ address, port }, { name = 'web1', ...ssh } = {}) {
      const app = { name: 'foo', root: '/var/www', slots: ['foo_l', 'foo_r'] };
      const settings: SshSettings = { port, identity: [], knownHosts, hostKeys: 'strict', jump: [], ...ssh };
      return { name, address, tags: [], app, ssh: settings };
    },
    async end() {
      for (const one of connectors) await one.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}

export function connect(connector: Connector, host: Host, control = new AbortController()): Promise<Connection> {
  return connector.connect(host, { signal: control.signal });
}

/** What a command prints, and how it ended. */
export async function run(connection: Connection, command: string): Promise<{ printed: string; code: number | null }> {
  const channel = await connection.exec(command);
  let printed = '';
  channel.stderr.resume();
  for await (const chunk of channel.stdout) printed += String(chunk);
  return { printed, code: (await channel.exit).code };
}
