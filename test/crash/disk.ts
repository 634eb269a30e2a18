/** What a host's record says, read from its disk without the agent. */

import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

export interface Disk {
  readonly link: string | null;
  /** The newest deployment; a link that has moved is not looked at, so that `armed` may be flipped. */
  readonly run: { readonly id: string; readonly state: string } | null;
  /** The newest lock's text when a process that lives holds it. */
  readonly lock: string | null;
  /** Processes that noted themselves as working under a lock, and live. */
  readonly writers: readonly number[];
}

export async function readDisk(root: string, name: string): Promise<Disk> {
  const record = join(root, `.${name}.fleetflip`);
  const files = await readdir(record).catch(() => []);
  const locks = await readdir(join(record, 'locks')).catch(() => []);
  const newest = greatest(locks.flatMap(file => /^g\.(\d+)$/.exec(file)?.[1] ?? []));
  const held = newest === null ? null : await readlink(join(record, 'locks', `g.${newest}`)).catch(() => null);
  return {
    link: await readlink(join(root, name)).catch(() => null),
    run: newestRun(files),
    lock: held !== null && (await isHolder(held)) ? held : null,
    writers: await findLiving(record, locks),
  };
}

/** The guard's process. */
export async function readGuard(root: string, name: string, id: string): Promise<number> {
  const said = await readlink(join(root, `.${name}.fleetflip`, `guard.${id}`));
  return Number(said.split(' ')[0]);
}

/** A process that has ended and that nobody has waited for is not alive. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return stat !== '' && !stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
}

async function findLiving(record: string, locks: readonly string[]): Promise<readonly number[]> {
  const notes = locks.flatMap(file => /^w\.(\d+)$/.exec(file)?.[1] ?? []);
  const alive = notes.map(async pid => {
    const said = await readlink(join(record, 'locks', `w.${pid}`)).catch(() => '');
    const started = await readStart(pid);
    return started !== null && started === said.split(' ')[0] ? [Number(pid)] : [];
  });
  return (await Promise.all(alive)).flat();
}

async function isHolder(text: string): Promise<boolean> {
  const [pid = '', start] = text.split(' ');
  return text !== 'free' && (await readStart(pid)) === start;
}

/** When a process began; null when there is none. */
async function readStart(pid: string): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

function newestRun(files: readonly string[]): Disk['run'] {
  const runs = files.flatMap(file => {
    const [, token, id, state] = /^run\.(\d+)\.([^.]+)\.([a-z]+)$/.exec(file) ?? [];
    return token === undefined || id === undefined || state === undefined ? [] : [{ token: Number(token), id, state }];
  });
  const [newest] = runs.sort((one, other) => other.token - one.token);
  return newest === undefined ? null : { id: newest.id, state: newest.state };
}

function greatest(numbers: readonly string[]): number | null {
  return numbers.length === 0 ? null : Math.max(...numbers.map(Number));
}
