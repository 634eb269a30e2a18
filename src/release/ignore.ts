/** `.fleetflipignore`: gitignore's rules, for every source. `.git` and the file itself are always left out. */

import ignore from 'ignore';
import { type ByteString, fromText } from '../domain/bytes.ts';

export const IGNORE_FILE = '.fleetflipignore';

/** True when the entry is left out. What is in an ignored directory is asked too, or never reached. */
export type Ignore = (path: ByteString, isDirectory: boolean) => boolean;

/** @param rules the text of the file; null when there is none */
export function createIgnore(rules: string | null): Ignore {
  const matcher = ignore({ allowRelativePaths: true });
  // Rules are compared with names byte by byte, so they are read as byte strings too.
  if (rules !== null) matcher.add(fromText(rules));
  return (path, isDirectory) => {
    if (path === IGNORE_FILE || path.split('/').includes('.git')) return true;
    return rules !== null && matcher.ignores(isDirectory ? `${path}/` : path);
  };
}
