/** Reading the content of a release's files, and finding out that one changed meanwhile. */

import { createHash } from 'node:crypto';
import { type BigIntStats, constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import type { ByteString } from '../domain/bytes.ts';
import type { Failure } from '../domain/error.ts';
import type { FileEntry } from '../domain/release.ts';
import { explainRead, REFUSALS } from './problems.ts';
import type { Content } from './source.ts';

const CHUNK = 1 << 17;

/** A file replaced by a link is not followed, and one replaced by a fifo does not block. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The bytes of a file; fewer than `size` when it is shorter now. */
export async function* readContent({ file, start, size }: Content): AsyncGenerator<Buffer> {
  if (size === 0) return;
  const handle = await open(file, FLAGS);
  try {
    for (let done = 0; done < size; ) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - done));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, start + done);
      if (bytesRead === 0) return;
      done += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

export type Hashed = { readonly entry: FileEntry } | { readonly failure: Failure };

/** A file as an entry, or why it cannot be one: it changes, cannot be read, or is a Git LFS pointer. */
export async function hashFile(path: ByteString, mode: number, content: Content): Promise<Hashed> {
  try {
    const before = await lstat(content.file, { bigint: true });
    const { size, sha256, head } = await digest(content);
    const after = await lstat(content.file, { bigint: true });
    if (size !== content.size || !isUntouched(before, after)) return { failure: REFUSALS.changed(path) };
    if (isLfsPointer(size, head)) return { failure: REFUSALS.lfs(path) };
    return { entry: { kind: 'file', path, mode: (mode & 0o111) === 0 ? '644' : '755', size, sha256 } };
  } catch (thrown) {
    const failure = explainRead(path, thrown);
    if (failure === null) throw thrown;
    return { failure };
  }
}

interface Digested {
  readonly size: number;
  readonly sha256: string;
  /** The first bytes. */
  readonly head: Buffer;
}

async function digest(content: Content): Promise<Digested> {
  const hash = createHash('sha256');
  let size = 0;
  let head: Buffer = Buffer.alloc(0);
  for await (const chunk of readContent(content)) {
    hash.update(chunk);
    if (size === 0) head = chunk.subarray(0, LFS.length);
    size += chunk.length;
  }
  return { size, sha256: hash.digest('hex'), head };
}

function isUntouched(before: BigIntStats, after: BigIntStats): boolean {
  return (
    before.ino === after.ino &&
    before.dev === after.dev &&
    before.size === after.size &&
    before.mtimeNs === after.mtimeNs &&
    before.ctimeNs === after.ctimeNs
  );
}

const LFS = 'version https://git-lfs.github.com/spec/';

/** The format's own rule: less than 1,024 bytes, and the version stands first. */
function isLfsPointer(size: number, head: Buffer): boolean {
  return size < 1024 && head.toString('latin1') === LFS;
}
