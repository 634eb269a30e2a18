/** A valid file to a fleet: defaults, overrides, ranges and paths. */

import { dirname, join, resolve } from 'node:path';
import { type ArtifactSource, readUrl } from '../domain/artifact.ts';
import type { App, CommandCheck, Fleet, Host, JumpHost, SshSettings } from '../domain/fleet.ts';
import { expandRange } from '../domain/ranges.ts';
import type { Problem } from './problems.ts';
import type { HostItem, InventoryFile } from './schema.ts';
import { parseDuration } from './values.ts';

export interface Place {
  /** The inventory file. */
  readonly file: string;
  readonly home: string;
}

/** An inventory file, or what is right of one; undefined stands for a host that is not. */
export type Parts = Pick<InventoryFile, 'app' | 'ssh' | 'strategy' | 'checks' | 'source'> & {
  readonly hosts: readonly (HostItem | undefined)[];
};

export function resolveFleet(
  data: Parts,
  place: Place,
): { readonly fleet: Fleet; readonly problems: readonly Problem[] } {
  const { name, root, slots } = data.app;
  const app: App = { name, root: trimRoot(root), slots: slots ?? [`${name}_l`, `${name}_r`] };
  const problems: Problem[] = [...checkSlots(app, ['app', 'slots'])];
  const hosts = data.hosts.flatMap((item, at) => {
    if (item === undefined) return [];
    const made = resolveHosts({ item, at, app, ssh: data.ssh, place });
    problems.push(...made.problems);
    return made.hosts.map(host => ({ host, at }));
  });
  problems.push(...findDuplicates(hosts));
  const source = resolveSource(data.source, problems);
  const {
    parallel = 32,
    stageWithin = '15m',
    confirmWithin = '60s',
    maxSkew = '100ms',
    compress = 'auto',
  } = data.strategy ?? {};
  const strategy = {
    parallel,
    stageWithin: milliseconds(stageWithin),
    confirmWithin: milliseconds(confirmWithin),
    maxSkew: milliseconds(maxSkew),
    compress,
  };
  return {
    fleet: {
      app,
      hosts: hosts.map(({ host }) => host),
      strategy,
      checks: { idle: (data.checks?.idle ?? []).map(readCheck) },
      ...(source === null ? {} : { source }),
    },
    problems,
  };
}

/** The id may stand behind the URL and beside it. */
function resolveSource(given: Parts['source'], problems: Problem[]): ArtifactSource | null {
  const reading = given === undefined ? null : readUrl(given.url);
  if (given === undefined || reading === null || !('source' in reading)) return null;
  const { url, release } = reading.source;
  if (given.release !== undefined && release !== null && release !== given.release)
    problems.push({
      code: 'INVENTORY_VALUE',
      path: ['source', 'release'],
      what: 'is another one than behind the # of the URL',
      hint: 'Name the release once',
    });
  return { url, release: given.release ?? release };
}

interface Item {
  readonly item: HostItem;
  readonly at: number;
  readonly app: App;
  readonly ssh: InventoryFile['ssh'];
  readonly place: Place;
}

function resolveHosts({ item, at, app, ssh, place }: Item): { hosts: readonly Host[]; problems: readonly Problem[] } {
  const own = typeof item === 'string' ? { name: item } : item;
  const hostApp: App = { name: app.name, root: trimRoot(own.root ?? app.root), slots: own.slots ?? app.slots };
  const names = expandRange(own.name);
  const addresses = own.address === undefined ? names : expandRange(own.address);
  const shared = {
    tags: own.tags ?? [],
    app: hostApp,
    ssh: resolveSsh({ ...ssh, ...dropUndefined(own) }, place),
  };
  const hosts = names.map((name, index) => ({
    ...shared,
    name,
    address: addresses[index] ?? addresses[0] ?? name,
  }));
  return {
    hosts,
    problems: [
      ...(own.slots === undefined ? [] : checkSlots(hostApp, ['hosts', at, 'slots'])),
      ...(addresses.length === 1 || addresses.length === names.length ? [] : [unequalRanges(at)]),
    ],
  };
}

function unequalRanges(at: number): Problem {
  const what = 'name and address are ranges of different lengths';
  return { code: 'INVENTORY_VALUE', path: ['hosts', at, 'address'], what, hint: 'Give each name one address' };
}

function dropUndefined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Partial<T>;
}

function resolveSsh(ssh: NonNullable<InventoryFile['ssh']>, place: Place): SshSettings {
  const files = ssh.identity === undefined ? [] : [ssh.identity].flat();
  return {
    ...(ssh.user === undefined ? {} : { user: ssh.user }),
    port: ssh.port ?? 22,
    identity: files.map(file => resolvePath(file, place)),
    knownHosts: resolvePath(ssh.knownHosts ?? '~/.ssh/known_hosts', place),
    hostKeys: ssh.hostKeys ?? 'strict',
    jump: (ssh.jump ?? []).map(readJump),
  };
}

function readJump(text: string): JumpHost {
  const [, user, bracketed, plain, port] = /^(?:([^@]+)@)?(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  return { ...(user === undefined ? {} : { user }), address: bracketed ?? plain ?? text, port: Number(port ?? 22) };
}

function readCheck(check: string | { run: string; within?: string | undefined }): CommandCheck {
  return typeof check === 'string'
    ? { run: check, within: 60_000 }
    : { run: check.run, within: milliseconds(check.within ?? '60s') };
}

function checkSlots({ name, slots }: App, path: readonly (string | number)[]): readonly Problem[] {
  if (!slots.includes(name)) return [];
  const hint = 'A slot needs another name than app.name';
  return [{ code: 'INVENTORY_VALUE', path, what: `${name} is the live link`, hint }];
}

interface Placed {
  readonly host: Host;
  /** Which item of the file it comes from. */
  readonly at: number;
}

function findDuplicates(hosts: readonly Placed[]): readonly Problem[] {
  const names = new Map<string, Placed>();
  const roots = new Map<string, Placed>();
  return hosts.flatMap(placed => {
    const { name, address, ssh, app } = placed.host;
    const root = JSON.stringify([address.toLowerCase(), ssh.port, ssh.jump, app.root]);
    const twin = names.get(name);
    const same = twin ?? roots.get(root);
    if (!names.has(name)) names.set(name, placed);
    if (!roots.has(root)) roots.set(root, placed);
    if (same === undefined) return [];
    const what =
      twin === undefined
        ? `${name} and ${same.host.name} share one root on one server`
        : `the host ${name} stands here twice, first in hosts[${twin.at}]`;
    return [{ code: 'INVENTORY_DUPLICATE_HOST', path: ['hosts', placed.at], what, hint: 'Name each server once' }];
  });
}

function resolvePath(path: string, { file, home }: Place): string {
  const expanded = path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : path;
  return resolve(dirname(resolve(file)), expanded);
}

function trimRoot(root: string): string {
  return root.replace(/\/+/g, '/').replace(/\/$/, '') || '/';
}

/** The schema lets nothing else pass. */
function milliseconds(duration: string): number {
  return parseDuration(duration) ?? 0;
}
