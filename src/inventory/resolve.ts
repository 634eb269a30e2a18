/** A valid file to a fleet: defaults, overrides, ranges and paths. */

import { dirname, join, resolve } from 'node:path';
import type { App, CommandCheck, Fleet, Host, JumpHost, SshSettings } from '../domain/fleet.ts';
import { expandRange } from '../domain/ranges.ts';
import type { Problem } from './problems.ts';
import type { HostItem, InventoryFile } from './schema.ts';

export interface Place {
  /** The inventory file. */
  readonly file: string;
  readonly home: string;
}

export function resolveFleet(
  data: InventoryFile,
  place: Place,
): { readonly fleet: Fleet; readonly problems: readonly Problem[] } {
  const { name, root, slots } = data.app;
  const app: App = { name, root: trimRoot(root), slots: slots ?? [`${name}_l`, `${name}_r`] };
  const problems: Problem[] = [...checkSlots(app, ['app', 'slots'])];
  const hosts = data.hosts.flatMap((item, at) => {
    const made = resolveHosts({ item, at, app, data, place });
    problems.push(...made.problems);
    return made.hosts.map(host => ({ host, at }));
  });
  problems.push(...findDuplicates(hosts));
  const { parallel = 32, stageWithin = '15m', confirmWithin = '60s', maxSkew = '100ms' } = data.strategy ?? {};
  const strategy = {
    parallel,
    stageWithin: milliseconds(stageWithin),
    confirmWithin: milliseconds(confirmWithin),
    maxSkew: milliseconds(maxSkew),
  };
  return {
    fleet: {
      app,
      hosts: hosts.map(({ host }) => host),
      strategy,
      checks: { idle: (data.checks?.idle ?? []).map(readCheck) },
    },
    problems,
  };
}

interface Item {
  readonly item: HostItem;
  readonly at: number;
  readonly app: App;
  readonly data: InventoryFile;
  readonly place: Place;
}

function resolveHosts({ item, at, app, data, place }: Item): { hosts: readonly Host[]; problems: readonly Problem[] } {
  const own = typeof item === 'string' ? { name: item } : item;
  const hostApp: App = { name: app.name, root: trimRoot(own.root ?? app.root), slots: own.slots ?? app.slots };
  const problems = own.slots === undefined ? [] : [...checkSlots(hostApp, ['hosts', at, 'slots'])];
  try {
    const names = expandRange(own.name);
    const addresses = own.address === undefined ? names : expandRange(own.address);
    const bad = names.find(name => !/^[^\s\p{C}!,*?[\]]+$/u.test(name) || name.startsWith('-'));
    if (bad !== undefined) throw new Error(`${JSON.stringify(bad)} is no host name`);
    if (addresses.length !== 1 && addresses.length !== names.length)
      throw new Error('name and address are ranges of different lengths');
    const ssh = resolveSsh({ ...data.ssh, ...dropUndefined(own) }, place);
    const tags = own.tags ?? [];
    const hosts = names.map((name, index) => ({
      name,
      address: addresses[index] ?? addresses[0] ?? name,
      tags,
      app: hostApp,
      ssh,
    }));
    return { hosts, problems };
  } catch (thrown) {
    const what = thrown instanceof Error ? thrown.message : String(thrown);
    return {
      hosts: [],
      problems: [...problems, { code: 'INVENTORY_VALUE', path: ['hosts', at], what, hint: 'Correct the host' }],
    };
  }
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
  const twice = slots.find((slot, at) => slots.indexOf(slot) !== at);
  if (twice !== undefined)
    return [
      { code: 'INVENTORY_VALUE', path, what: `${twice} is named twice`, hint: 'Give each slot a name of its own' },
    ];
  if (slots.includes(name))
    return [
      {
        code: 'INVENTORY_VALUE',
        path,
        what: `${name} is the live link`,
        hint: 'A slot needs another name than app.name',
      },
    ];
  return [];
}

function findDuplicates(hosts: readonly { host: Host; at: number }[]): readonly Problem[] {
  const names = new Set<string>();
  const roots = new Map<string, string>();
  return hosts.flatMap(({ host, at }) => {
    const root = JSON.stringify([host.address, host.ssh.port, host.ssh.jump, host.app.root]);
    const same = names.has(host.name) ? host.name : roots.get(root);
    names.add(host.name);
    roots.set(root, host.name);
    if (same === undefined) return [];
    const what =
      same === host.name
        ? `the host ${same} stands here twice`
        : `${host.name} and ${same} share one root on one server`;
    return [{ code: 'INVENTORY_DUPLICATE_HOST', path: ['hosts', at], what, hint: 'Name each server once' }];
  });
}

function resolvePath(path: string, { file, home }: Place): string {
  const expanded = path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : path;
  return resolve(dirname(resolve(file)), expanded);
}

function trimRoot(root: string): string {
  return root.replace(/\/+$/, '') || '/';
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function milliseconds(duration: string): number {
  const [, count = '0', unit = 's'] = /^(\d+)(\D+)$/.exec(duration) ?? [];
  return Number(count) * (UNITS[unit] ?? 1);
}
