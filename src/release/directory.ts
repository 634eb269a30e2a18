/** A directory as a source. Names are read as bytes. */

import type { Stats } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import pMap from 'p-map';
import { type ByteString, fromBytes, fromText, toBytes } from '../domain/bytes.ts';
import { type Failure, FleetflipError } from '../domain/error.ts';
import { createIgnore, IGNORE_FILE, type Ignore } from './ignore.ts';
import { errorCode, explainRead, REFUSALS } from './problems.ts';
import type { Found, Source } from './source.ts';

export interface ReadDirectoryOptions {
  /** What is left out is not even looked at. */
  readonly ignored: Ignore;
  readonly signal?: AbortSignal | undefined;
}

/** @throws FleetflipError `RELEASE_UNREADABLE`, `RELEASE_CHANGED`, for everything that cannot be read */
export async function readDirectory(directory: string, { ignored, signal }: ReadDirectoryOptions): Promise<Source> {
  const root = Buffer.from(directory);
  const entries: Found[] = [];
  const problems: Failure[] = [];

  async function walk(path: ByteString): Promise<void> {
    const names = await readdir(absolute(root, path), { encoding: 'buffer', withFileTypes: true });
    const visit = async (item: (typeof names)[number]): Promise<void> => {
      const name = fromBytes(item.name);
      const inside = path === '' ? name : `${path}/${name}`;
      if (!ignored(inside, item.isDirectory())) await noting(inside, () => enter(inside));
    };
    await pMap(names, visit, { concurrency: 16, ...(signal && { signal }) });
  }

  async function enter(path: ByteString): Promise<void> {
    const entry = await look(root, path);
    entries.push(entry);
    if (entry.kind === 'directory') await walk(path);
  }

  async function noting(path: ByteString, attempt: () => Promise<void>): Promise<void> {
    try {
      await attempt();
    } catch (thrown) {
      const failure = explainRead(path, thrown);
      if (failure === null) throw thrown;
      problems.push(failure);
    }
  }

  await noting('', () => walk(''));
  if (problems.length > 0) throw new FleetflipError(problems);
  return { entries, close: async () => undefined };
}

/** @throws FleetflipError `RELEASE_IGNORE_FILE`, `RELEASE_UNREADABLE` */
export async function readDirectoryRules(directory: string): Promise<Ignore> {
  const file = join(directory, IGNORE_FILE);
  try {
    if (!(await lstat(file)).isFile()) throw new FleetflipError(REFUSALS.ignoreFile());
    return createIgnore(await readFile(file));
  } catch (thrown) {
    const code = errorCode(thrown);
    if (code === 'ENOENT') return createIgnore(null);
    throw code === null ? thrown : new FleetflipError(REFUSALS.unreadable(fromText(IGNORE_FILE), code));
  }
}

async function look(root: Buffer, path: ByteString): Promise<Found> {
  const file = absolute(root, path);
  const stat = await lstat(file);
  if (stat.isDirectory()) return { kind: 'directory', path };
  if (stat.isSymbolicLink())
    return { kind: 'link', path, target: fromBytes(await readlink(file, { encoding: 'buffer' })) };
  if (stat.isFile())
    return { kind: 'file', path, mode: stat.mode & 0o7777, content: { file, start: 0, size: stat.size } };
  return { kind: 'special', path, what: nameKind(stat) };
}

function nameKind(stat: Stats): string {
  if (stat.isFIFO()) return 'fifo';
  return stat.isSocket() ? 'socket' : 'device';
}

function absolute(root: Buffer, path: ByteString): Buffer {
  return path === '' ? root : Buffer.concat([root, Buffer.from('/'), toBytes(path)]);
}
