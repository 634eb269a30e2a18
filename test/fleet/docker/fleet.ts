/** The fleet of docker-compose.test.yml. */

import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assemble, type Member, nameHosts } from '../support/assemble.ts';
import type { TestFleet } from '../support/fleet.ts';
import { equip } from '../support/host.ts';
import { changeKey, makeKey, readKey, untilShown } from '../support/keys.ts';
import { execute } from '../support/process.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');
const BASTION = 'web01';
const INNER = 'web04';

export async function startDockerFleet(): Promise<TestFleet> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-docker-'));
  const names = nameHosts(5);
  await makeKey(join(directory, 'id'));
  await copyFile(join(directory, 'id.pub'), join(directory, 'authorized_keys'));
  for (const name of names) {
    await mkdir(join(directory, name));
    await makeKey(join(directory, name, 'host_key'));
  }
  await execute('sh', [join(import.meta.dirname, 'make-base.sh')]);
  const compose = await findCompose(directory);
  const stop = (): Promise<string> => compose('down', '-t', '0');
  try {
    await compose('up', '-d', '--build');
    const members = await Promise.all(names.map(name => meet({ name, directory, compose })));
    return await assemble({ directory, members, user: 'deploy', colleague: 'colleague', stop });
  } catch (thrown) {
    console.error(await compose('logs', '--no-color'));
    await stop();
    await rm(directory, { recursive: true });
    throw thrown;
  }
}

type Compose = (...args: readonly string[]) => Promise<string>;

/** The plugin of docker, or the program that was before it. */
async function findCompose(directory: string): Promise<Compose> {
  const plugin = await execute('docker', ['compose', 'version']).catch(() => null);
  const [program, ...first] = plugin === null ? ['docker-compose'] : ['docker', 'compose'];
  const project = `fleetflip-test-${process.pid}`;
  const file = join(REPOSITORY, 'docker-compose.test.yml');
  const env = { ...process.env, FLEETFLIP_FLEET: directory };
  return (...args) => execute(program ?? '', [...first, '-p', project, '-f', file, ...args], { env });
}

interface Meeting {
  readonly name: string;
  readonly directory: string;
  readonly compose: Compose;
}

async function meet({ name, directory, compose }: Meeting): Promise<Member> {
  const [container, bastion] = (await Promise.all([name, BASTION].map(one => compose('ps', '-q', one)))).map(id =>
    id.trim(),
  );
  if (!container || !bastion) throw new Error(`compose started no ${name}`);
  const file = join(directory, name, 'host_key');
  const inside = (...command: readonly string[]): Promise<string> =>
    // Without /usr/local/bin, where the fakes are.
    execute('docker', ['exec', '-e', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', container, ...command]);
  const scan = (): Promise<string> => execute('docker', ['exec', bastion, 'ssh-keyscan', name], { accept: [1] });
  await untilShown(file, scan);
  const host = equip({
    name,
    root: '/srv/www',
    flaws: { full: '/srv/full', readonly: '/srv/readonly', foreign: '/srv/foreign' },
    bin: '/usr/local/bin',
    login: 'deploy',
    watched: ['/srv/www', '/home', '/tmp'],
    run: script => inside('sh', '-euc', script),
    show: path => copyOut({ container, path, into: join(directory, name) }),
    changeKey: () => changeKey({ file, scan, reload: () => inside('sh', '-c', 'kill "$(cat /run/server.pid)"') }),
  });
  const key = await readKey(file);
  if (name === INNER) return { host, key, address: name, port: 22, bastion: await portOf(compose, BASTION) };
  return { host, key, address: '127.0.0.1', port: await portOf(compose, name) };
}

async function portOf(compose: Compose, name: string): Promise<number> {
  return Number((await compose('port', name, '22')).trim().split(':').at(-1));
}

async function copyOut(from: { container: string; path: string; into: string }): Promise<string> {
  const copy = await mkdtemp(join(from.into, 'shown-'));
  await execute('docker', ['cp', `${from.container}:${from.path}/.`, copy]);
  return copy;
}
