/** Ways to bring a release to a fleet, each as its users have it. */

import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from '../test/fleet/support/process.ts';
import { type Cost, measure } from './cost.ts';
import type { BenchFleet } from './fleet.ts';
import { MAIN } from './fleetflip.ts';

export interface Contender {
  readonly name: string;
  /** Forgets what it knows of the hosts, which have been emptied. */
  reset(): Promise<unknown>;
  /** Brings the directory to every host. */
  release(directory: string): Promise<Cost>;
}

/** Everything: upload, proof, flip, confirm. */
export async function makeFleetflip(fleet: BenchFleet): Promise<Contender> {
  const inventory = await fleet.writeInventory();
  return {
    name: 'fleetflip deploy',
    reset: async () => undefined,
    release: directory => measure('node', [MAIN, 'deploy', directory, '-i', inventory, '--output', 'plain']),
  };
}

/** The upload alone. */
export function makeRsync(fleet: BenchFleet): Promise<Contender> {
  return rsync(fleet, ['-a', '--delete']);
}

/** The upload alone; it reads everything, as a proof does. */
export function makeCheckingRsync(fleet: BenchFleet): Promise<Contender> {
  return rsync(fleet, ['-a', '--delete', '-c']);
}

async function rsync(fleet: BenchFleet, options: readonly string[]): Promise<Contender> {
  const file = join(fleet.directory, 'addresses');
  await writeFile(file, fleet.hosts.map(({ address }) => `${address}\n`).join(''));
  const all = ['-a', file, `-P${fleet.hosts.length}`, '-I{}'];
  const shell = describeSsh(fleet).join(' ');
  return {
    name: `xargs -P${fleet.hosts.length} rsync ${options.join(' ')}`,
    reset: async () => undefined,
    release: directory =>
      measure('xargs', [...all, 'rsync', ...options, '-e', shell, `${directory}/`, 'deploy@{}:/var/www/foo_l/']),
  };
}

/** git clone from a path that the hosts see, as its documentation has it. */
export async function makeCapistrano(fleet: BenchFleet): Promise<Contender> {
  const place = join(fleet.directory, 'capistrano');
  const repository = join(fleet.directory, 'repository');
  await execute('git', ['init', '-q', '-b', 'main', repository]);
  await mkdir(join(place, 'config/deploy'), { recursive: true });
  await writeFile(join(place, 'Capfile'), CAPFILE);
  await writeFile(join(place, 'config/deploy.rb'), describeCapistrano(repository));
  const servers = fleet.hosts.map(
    ({ address }) => `server '${address}', user: 'deploy', port: ${fleet.port}, roles: %w{web}\n`,
  );
  const keys = `set :ssh_options, keys: ['${fleet.identity}'], user_known_hosts_file: '${fleet.knownHosts}'\n`;
  await writeFile(join(place, 'config/deploy/production.rb'), servers.join('') + keys);
  const commit = [
    '-c',
    'user.name=bench',
    '-c',
    'user.email=bench@localhost',
    'commit',
    '-q',
    '--allow-empty',
    '-m',
    'release',
  ];
  return {
    name: 'cap deploy',
    reset: async () => undefined,
    async release(directory) {
      await execute('rsync', ['-a', '--delete', '--exclude=/.git', `${directory}/`, `${repository}/`]);
      await execute('git', ['add', '-A'], { cwd: repository });
      await execute('git', commit, { cwd: repository });
      await execute('chmod', ['-R', 'a+rX', repository]);
      return measure('cap', ['production', 'deploy'], { cwd: place });
    },
  };
}

const CAPFILE = `require 'capistrano/setup'
require 'capistrano/deploy'
require 'capistrano/scm/git'
install_plugin Capistrano::SCM::Git
`;

function describeCapistrano(repository: string): string {
  return `set :application, 'foo'
set :repo_url, '${repository}'
set :branch, 'main'
set :deploy_to, '/var/www/capistrano'
set :log_level, :error
set :format, :pretty
`;
}

/** unarchive and a link, twenty or more hosts at a time. */
export async function makeAnsible(fleet: BenchFleet): Promise<Contender> {
  const place = join(fleet.directory, 'ansible');
  await mkdir(place);
  const [program, ...options] = describeSsh(fleet);
  const hosts = fleet.hosts
    .map(({ address }) => `${address} ansible_user=deploy ansible_port=${fleet.port}\n`)
    .join('');
  await writeFile(join(place, 'hosts'), `[web]\n${hosts}`);
  await writeFile(join(place, 'play.yaml'), PLAY);
  const env = {
    ...process.env,
    ANSIBLE_SSH_ARGS: `${options.join(' ')} -o ControlMaster=auto -o ControlPersist=60s`,
    ANSIBLE_SSH_EXECUTABLE: program,
    ANSIBLE_SSH_RETRIES: '3',
    // Other fleets have the same addresses.
    ANSIBLE_SSH_CONTROL_PATH_DIR: join(place, 'control'),
  };
  return {
    name: `ansible-playbook -f ${fleet.hosts.length}`,
    reset: () => rm(join(place, 'release.tar.gz'), { force: true }),
    async release(directory) {
      await execute('tar', ['-czf', join(place, 'release.tar.gz'), '-C', directory, '.']);
      const words = ['-i', 'hosts', '-f', String(fleet.hosts.length), 'play.yaml', '-e', `release=${Date.now()}`];
      return measure('ansible-playbook', words, { cwd: place, env });
    },
  };
}

const PLAY = `- hosts: web
  gather_facts: false
  tasks:
    - file: {path: "/var/www/releases/{{ release }}", state: directory}
    - unarchive: {src: release.tar.gz, dest: "/var/www/releases/{{ release }}"}
    - file: {src: "/var/www/releases/{{ release }}", dest: /var/www/foo, state: link, force: true}
`;

function describeSsh({ port, identity, knownHosts }: BenchFleet): readonly string[] {
  return ['ssh', '-p', String(port), '-i', identity, '-o', `UserKnownHostsFile=${knownHosts}`, '-o', 'LogLevel=ERROR'];
}
