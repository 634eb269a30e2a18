/** The small tars that a stage begins with: what is removed, and what is copied from the live slot. */

import { type ByteString, toBytes } from '../domain/bytes.ts';

export function buildLists(remove: readonly ByteString[], copy: readonly ByteString[]): Buffer {
  return Buffer.concat([member('remove', list(remove)), member('copy', list(copy)), Buffer.alloc(1024)]);
}

/** For a pull: what is copied, and an empty file that has the mtime of everything else. @param mtime Unix seconds */
export function buildPullLists(copy: readonly ByteString[], mtime: number): Buffer {
  return Buffer.concat([member('copy', list(copy)), member('mtime', Buffer.alloc(0), mtime), Buffer.alloc(1024)]);
}

function list(paths: readonly ByteString[]): Buffer {
  return Buffer.from(toBytes(paths.map(path => `./${path}\0`).join('')));
}

function member(name: string, content: Buffer, mtime = 0): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, 'latin1');
  header.write('0000600\0', 100, 'latin1');
  header.write('0000000\0', 108, 'latin1');
  header.write('0000000\0', 116, 'latin1');
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  header.write(`${mtime.toString(8).padStart(11, '0')}\0`, 136, 'latin1');
  header.write('        ', 148, 'latin1');
  header.write('0', 156, 'latin1');
  header.write('ustar  \0', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
  return Buffer.concat([header, content, padding]);
}
