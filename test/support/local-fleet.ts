/** A fleet of directories on this machine: every host is a root of its own, reached through the local shell. */

import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { FleetEvent } from '../../src/domain/event.ts';
import type { Fleet, Host } from '../../src/domain/fleet.ts';
import type { Connector } from '../../src/ports.ts';
import { createLocalConnector } from '../../src/transport/local.ts';
import { AIMERS, UNFIT } from './aimers.ts';

export interface LocalFleet {
  readonly directory: string;
  readonly fleet: Fleet;
  readonly connector: Connector;
  readonly events: FleetEvent[];
  root(host: string): string;
  /** What the live link says; null when there is none. */
  link(host: string): Promise<string | null>;
  /** Puts a directory with fake programs in front of a host's PATH. With a fake `mv`, flips are made by it. */
  fake(host: string, program: string, script: string): Promise<void>;
  unfake(host: string): Promise<void>;
  release(name: string, files: Readonly<Record<string, string>>): Promise<string>;
  remove(): Promise<void>;
}

/** @param path the hosts' PATH; default: this process's */
export async function makeLocalFleet(count: number, path = process.env.PATH ?? ''): Promise<LocalFleet> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
  const names = Array.from({ length: count }, (_, at) => `web${at + 1}`);
  const root = (name: string): string => join(directory, name, 'www');
  for (const name of names) await mkdir(root(name), { recursive: true });
  const hosts = names.map((name): Host => {
    const app = { name: 'foo', root: root(name), slots: ['foo_l', 'foo_r'] };
    const ssh = { port: 22, identity: [], knownHosts: '/dev/null', hostKeys: 'strict' as const, jump: [] };
    return { name, address: '127.0.0.1', tags: [], app, ssh };
  });
  const [first] = hosts;
  if (first === undefined) throw new Error('a fleet has hosts');
  const strategy = {
    parallel: 8,
    stageWithin: 60_000,
    confirmWithin: 60_000,
    maxSkew: 60_000,
    compress: 'auto',
  } as const;
  const fleet: Fleet = { app: first.app, hosts, strategy, checks: { idle: [] } };
  const bin = (name: string): string => join(directory, name, 'bin');
  const connector: Connector = {
    connect: (host, options) =>
      createLocalConnector({ env: { ...process.env, PATH: `${bin(host.name)}:${path}` } }).connect(host, options),
    close: async () => undefined,
  };
  return {
    directory,
    fleet,
    connector,
    events: [],
    root,
    link: name => readlink(join(root(name), 'foo')).catch(() => null),
    async fake(name, program, script) {
      await mkdir(bin(name), { recursive: true });
      const put = async (file: string, text: string): Promise<void> => {
        await writeFile(join(bin(name), file), `#!/bin/sh\n${text}\n`);
        await chmod(join(bin(name), file), 0o755);
      };
      await put(program, script);
      if (program === 'mv') for (const aimer of AIMERS) await put(aimer, UNFIT);
    },
    unfake: name => rm(bin(name), { recursive: true, force: true }),
    async release(name, files) {
      const path = join(directory, 'releases', name);
      for (const [file, text] of Object.entries(files)) {
        await mkdir(dirname(join(path, file)), { recursive: true });
        if (text.startsWith('-> ')) await symlink(text.slice(3), join(path, file));
        else await writeFile(join(path, file), text);
      }
      return path;
    },
    remove: () => rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
  };
}

/** Every file below a directory with its text. */
export async function readTree(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const item of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(item.parentPath, item.name);
    if (item.isFile()) found[path.slice(directory.length + 1)] = await readFile(path, 'utf8');
    if (item.isSymbolicLink()) found[path.slice(directory.length + 1)] = `-> ${await readlink(path)}`;
  }
  return found;
}
