/** A directory as a source. Names are read as bytes. */

import { lstat, readdir, readlink } from 'node:fs/promises';
import pMap from 'p-map';
import { type ByteString, fromBytes, toBytes } from '../domain/bytes.ts';
import type { Ignore } from './ignore.ts';
import type { Found, Source } from './source.ts';

/** @param ignored what is left out is not even looked at */
export async function readDirectory(directory: string, ignored: Ignore): Promise<Source> {
  const root = Buffer.from(directory);
  const entries: Found[] = [];

  async function walk(path: ByteString): Promise<void> {
    const names = await readdir(absolute(root, path), { encoding: 'buffer', withFileTypes: true });
    await pMap(
      names,
      async item => {
        const name = fromBytes(item.name);
        const inside = path === '' ? name : `${path}/${name}`;
        if (ignored(inside, item.isDirectory())) return;
        entries.push(await look(root, inside));
        if (item.isDirectory()) await walk(inside);
      },
      { concurrency: 16 },
    );
  }

  await walk('');
  return { entries, close: async () => undefined };
}

async function look(root: Buffer, path: ByteString): Promise<Found> {
  const file = absolute(root, path);
  const stat = await lstat(file);
  if (stat.isDirectory()) return { kind: 'directory', path };
  if (stat.isSymbolicLink())
    return { kind: 'link', path, target: fromBytes(await readlink(file, { encoding: 'buffer' })) };
  if (stat.isFile())
    return { kind: 'file', path, mode: stat.mode & 0o7777, content: { file, start: 0, size: stat.size } };
  const what = stat.isFIFO() ? 'fifo' : stat.isSocket() ? 'socket' : 'device';
  return { kind: 'special', path, what };
}

function absolute(root: Buffer, path: ByteString): Buffer {
  return path === '' ? root : Buffer.concat([root, Buffer.from('/'), toBytes(path)]);
}
