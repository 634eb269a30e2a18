/** The older versions of files that are to be sent, as a host has them in its live slot: what differences are made to. */

import { createHash } from 'node:crypto';
import type { ByteString } from '../domain/bytes.ts';
import type { SentEntry } from '../domain/transfer.ts';
import type { HostSession } from '../ports.ts';

export type Bases = ReadonlyMap<ByteString, Buffer>;

/** Bytes that bases take in memory; what is more travels whole. */
const MEMORY = 64 << 20;

/**
 * Reads from one host what all hosts with the same live files share. What a host gives that is not what its scan said is no
 * base, nor is what comes after it.
 * @throws FleetflipError when the host is lost
 */
export async function fetchBases(
  slot: string,
  { send, session, signal }: { send: readonly SentEntry[]; session: HostSession; signal: AbortSignal },
): Promise<Bases> {
  const wanted = choose(send);
  const bases = new Map<ByteString, Buffer>();
  if (wanted.length === 0) return bases;
  const paths = wanted.map(({ path }) => path);
  const size = wanted.reduce((sum, one) => sum + one.size, 0);
  const contents = await session.readContents({ slot, paths, size }, signal);
  let at = 0;
  for (const { path, size, sha256 } of wanted) {
    const content = contents.subarray(at, at + size);
    at += size;
    if (createHash('sha256').update(content).digest('hex') !== sha256) break;
    bases.set(path, content);
  }
  return bases;
}

function choose(send: readonly SentEntry[]) {
  let left = MEMORY;
  return send.flatMap(({ base }) => {
    if (base === null || base.size === 0 || base.size > left) return [];
    left -= base.size;
    return [base];
  });
}
