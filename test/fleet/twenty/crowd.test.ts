import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSshdFleet } from '../sshd/fleet.ts';
import { fleetflip, summarize } from '../support/command.ts';
import type { InventoryHost, TestFleet } from '../support/fleet.ts';
import { readLinks } from '../support/inspect.ts';
import { makeSmallRelease } from '../support/scenario.ts';

/** sshd's own limit, which no fleet here raises: from ten logins under way on, it closes some connections unread. */
const MAX_STARTUPS = 10;

let fleet: TestFleet;
let door: InventoryHost;
let release: string;

beforeAll(async () => {
  fleet = await startSshdFleet({ count: 20 });
  [door] = fleet.inventory.hosts as [InventoryHost];
  release = await makeSmallRelease(fleet.directory, 'release');
});
afterAll(() => fleet?.stop());

/** Twenty sites of one server: as many connections to the same sshd at once. */
async function writeOneServer(app: string): Promise<string> {
  const { run, root } = fleet.host(door.name);
  const hosts = fleet.hosts.map(({ name }) => ({ ...door, name, root: `${root}/${app}/${name}` }));
  const roots = hosts.map(host => `'${host.root}'`).join(' ');
  await run(
    `mkdir -p ${roots}; chmod -R 2775 '${root}/${app}'; [ "$(id -u)" -ne 0 ] || chown -R deploy:www '${root}/${app}'`,
  );
  return fleet.write({ ...fleet.inventory, hosts });
}

/** Connections that never log in, and so count as logins under way. */
async function crowd(count: number): Promise<readonly Socket[]> {
  const connecting = Array.from(
    { length: count },
    () =>
      new Promise<Socket>((resolve, reject) => {
        const socket = connect(door.port, door.address);
        socket.once('error', reject);
        // The server has counted it when it greets.
        socket.once('data', () => resolve(socket));
      }),
  );
  return Promise.all(connecting);
}

describe('an sshd that closes connections when many log in at once', () => {
  it('serves twenty sites', async () => {
    const inventory = await writeOneServer('sites');
    expect(summarize(await fleetflip(inventory, 'deploy', release))).toEqual({
      code: 0,
      outcome: 'committed',
      failed: {},
    });
    const { run, root } = fleet.host(door.name);
    expect((await run(`readlink '${root}'/sites/*/foo`)).trim().split('\n')).toEqual(fleet.hosts.map(() => 'foo_l'));
  });

  it('serves twenty sites while others are at the door', async () => {
    const inventory = await writeOneServer('crowded');
    const others = await crowd(MAX_STARTUPS - 1);
    const end = summarize(await fleetflip(inventory, 'deploy', release));
    for (const other of others) other.destroy();
    expect(end).toEqual({ code: 0, outcome: 'committed', failed: {} });
    const { run, root } = fleet.host(door.name);
    expect((await run(`readlink '${root}'/crowded/*/foo`)).trim().split('\n')).toEqual(fleet.hosts.map(() => 'foo_l'));
  });

  it('is the bastion of nineteen others', async () => {
    const jump = [`${fleet.inventory.ssh.user}@${door.address}:${door.port}`];
    const hosts = fleet.inventory.hosts.map(host => (host.name === door.name ? host : { ...host, jump }));
    const inventory = await fleet.write({ ...fleet.inventory, hosts });
    expect(summarize(await fleetflip(inventory, 'deploy', release))).toEqual({
      code: 0,
      outcome: 'committed',
      failed: {},
    });
    expect(new Set(Object.values(await readLinks(fleet)))).toEqual(new Set(['foo_l']));
  });
});
