/** `.fleetflipignore`: gitignore's rules, for every source. `.git` and the file itself are always left out. */

import ignore from 'ignore';
import { type ByteString, fromBytes } from '../domain/bytes.ts';

export const IGNORE_FILE = '.fleetflipignore';

/** True when the entry is left out. What is in an ignored directory is left out too. */
export type Ignore = (path: ByteString, isDirectory: boolean) => boolean;

/** @param rules the bytes of the file; null when there is none */
export function createIgnore(rules: Uint8Array | null): Ignore {
  const matcher = ignore({ allowRelativePaths: true, ignorecase: false });
  if (rules !== null) matcher.add(disguise(fromBytes(rules).replace(/^\xef\xbb\xbf/, '')));
  return (path, isDirectory) => {
    if (path === IGNORE_FILE || path.split('/').includes('.git')) return true;
    return matcher.ignores(disguise(isDirectory ? `${path}/` : path));
  };
}

/** Bytes beyond ASCII as private characters: as latin1, some would count as spaces or as each other's upper case. */
function disguise(value: ByteString): string {
  return value.replace(/[\x80-\xff]/g, byte => String.fromCharCode(0xe000 + byte.charCodeAt(0)));
}
