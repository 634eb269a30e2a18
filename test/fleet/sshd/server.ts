/**
 * One host on this machine: an sshd on a loopback port. For root it is a host of its own, with a mount namespace and
 * accounts; for anybody else its places are below one directory, and its login is the user's own.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { TestHost } from '../support/fleet.ts';
import { equip } from '../support/host.ts';
import { changeKey, makeKey, readKey, untilShown } from '../support/keys.ts';
import { execute } from '../support/process.ts';
import { makeUserland, type Shell } from './userland.ts';

const ISOLATE = join(import.meta.dirname, 'isolate.sh');
export const IS_ROOT = userInfo().uid === 0;

export interface ServerPlan {
  readonly name: string;
  readonly port: number;
  readonly shell: Shell;
  /** Everything of the host is in here. */
  readonly directory: string;
  /** A file of /etc/hosts. */
  readonly hosts: string;
  readonly authorizedKeys: string;
}

export interface Server {
  readonly host: TestHost;
  /** As known_hosts has it. */
  readonly key: string;
  stop(): Promise<void>;
}

export async function startServer(plan: ServerPlan): Promise<Server> {
  const { name, port, directory } = plan;
  const seen = IS_ROOT ? '' : directory;
  const key = join(directory, 'srv/host_key');
  const userland = await furnish(plan, seen);
  const child = spawn(...commandOf({ plan, seen, ...userland }));
  const scan = (): Promise<string> => execute('ssh-keyscan', ['-p', String(port), '127.0.0.1'], { accept: [1] });
  await Promise.race([untilShown(key, scan), failWhenEnded(child, name)]);
  const enter = IS_ROOT ? ['nsenter', '--mount', `--target=${child.pid}`] : [];
  const host = equip({
    name,
    root: `${seen}/srv/www`,
    flaws: {
      full: `${seen}/srv/full`,
      readonly: `${seen}/srv/readonly`,
      foreign: IS_ROOT ? '/srv/foreign' : '/usr/lib',
    },
    bin: `${seen}/srv/bin`,
    login: IS_ROOT ? 'deploy' : null,
    watched: [`${seen}/srv/www`, `${seen}/home`, `${seen}/tmp`],
    run: script => execute('env', [...enter, 'env', `PATH=${userland.path}`, 'sh', '-euc', script]),
    show: async path => (IS_ROOT ? join(directory, path) : path),
    changeKey: () => changeKey({ file: key, scan, reload: async () => child.kill('SIGHUP') }),
  });
  if (!IS_ROOT) await feignFlaws(directory, host);
  return { host, key: await readKey(key), stop: () => end(child) };
}

/** Makes what the host has before it starts. */
async function furnish(
  { shell, directory, hosts, authorizedKeys }: ServerPlan,
  seen: string,
): Promise<{ path: string; loginShell: string }> {
  for (const place of ['srv/bin', 'srv/www', 'home', 'tmp']) await mkdir(join(directory, place), { recursive: true });
  await chmod(join(directory, 'srv/www'), 0o2775);
  await makeKey(join(directory, 'srv/host_key'));
  await copyFile(authorizedKeys, join(directory, 'authorized_keys'));
  await writeFile(join(directory, 'hosts'), hosts);
  const tools = IS_ROOT ? '/usr/bin:/bin' : (process.env.PATH ?? '');
  const place = { directory: join(directory, 'srv/userland'), seen: `${seen}/srv/userland` };
  return makeUserland({ shell, ...place, tools, withoutAsh: !IS_ROOT });
}

interface Starting {
  readonly plan: ServerPlan;
  readonly seen: string;
  readonly path: string;
  readonly loginShell: string;
}

function commandOf({
  plan,
  seen,
  path,
  loginShell,
}: Starting): [string, string[], { stdio: ['ignore', 'ignore', 'inherit'] }] {
  const { port, directory } = plan;
  const own = { PATH: `${seen}/srv/bin:${path}`, ...(IS_ROOT ? {} : { HOME: `${seen}/home`, TMPDIR: `${seen}/tmp` }) };
  const options = [
    `Port=${port}`,
    'ListenAddress=127.0.0.1',
    `HostKey=${seen}/srv/host_key`,
    'PidFile=none',
    'UsePAM=no',
    'PasswordAuthentication=no',
    `SetEnv=${Object.entries(own)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')}`,
    'LogLevel=FATAL',
    ...(IS_ROOT ? [] : ['StrictModes=no', `AuthorizedKeysFile=${directory}/authorized_keys`]),
  ];
  const sshd = ['/usr/sbin/sshd', '-D', '-e', '-f', '/dev/null', ...options.flatMap(option => ['-o', option])];
  const isolated = ['unshare', '--mount', '--propagation=private', 'sh', ISOLATE, directory, loginShell, ...sshd];
  const [program = '', ...args] = IS_ROOT ? isolated : sshd;
  return [program, args, { stdio: ['ignore', 'ignore', 'inherit'] }];
}

/** Without root no disk is full for real: df and tar say that it is, wherever the full place is meant. */
async function feignFlaws(directory: string, host: TestHost): Promise<void> {
  for (const place of ['full', 'readonly']) await mkdir(join(directory, 'srv', place));
  await chmod(join(directory, 'srv/readonly'), 0o555);
  await host.fake('df', 'case $* in -Pk*/srv/full) echo; echo "full 2048 2048 0 100% /" ;; *) exec $real "$@" ;; esac');
  await host.fake(
    'tar',
    'case $PWD in */srv/full*) cat >/dev/null; echo "tar: No space left on device" >&2; exit 2 ;; *) exec $real "$@" ;; esac',
  );
}

function failWhenEnded(child: ChildProcess, name: string): Promise<never> {
  return new Promise((_resolve, reject) => {
    child.once('exit', code => reject(new Error(`the sshd of ${name} ended with ${code}`)));
  });
}

function end(child: ChildProcess): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}
