/**
 * Reads known_hosts as sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT", describes it: plain and hashed names, `[host]:port`,
 * wildcards, negation and markers. No kept library does.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';

export interface KnownHost {
  /** Counted from 1. */
  readonly line: number;
  readonly marker: 'revoked' | 'cert-authority' | null;
  readonly patterns: readonly string[];
  readonly type: string;
  /** The key, base64. */
  readonly key: string;
}

/** Lines that are no entries are passed over, as OpenSSH does. */
export function parseKnownHosts(text: string): readonly KnownHost[] {
  return text.split('\n').flatMap((line, at) => parseLine(line.trim(), at + 1));
}

/** The name under which OpenSSH looks a host up. */
export function lookupName(address: string, port: number): string {
  const name = address.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/** The entries that speak of the host, in the file's order. */
export function findEntries(entries: readonly KnownHost[], name: string): readonly KnownHost[] {
  return entries.filter(entry => matches(entry.patterns, name));
}

/** A line's name part for a new entry, hashed with the salt. */
export function hashName(name: string, salt: Buffer): string {
  const hash = createHmac('sha1', salt).update(name).digest('base64');
  return `|1|${salt.toString('base64')}|${hash}`;
}

function parseLine(line: string, number: number): readonly KnownHost[] {
  if (line === '' || line.startsWith('#')) return [];
  const fields = line.split(/[ \t]+/);
  const marked = fields[0]?.startsWith('@') ? fields.shift() : undefined;
  const [names, type, key] = fields;
  if (names === undefined || type === undefined || key === undefined || !/^[A-Za-z0-9+/]+=*$/.test(key)) return [];
  if (marked !== undefined && marked !== '@revoked' && marked !== '@cert-authority') return [];
  const marker = marked === '@revoked' ? 'revoked' : marked === '@cert-authority' ? 'cert-authority' : null;
  // A hash stands alone: what follows a comma would be part of it.
  const patterns = names.startsWith('|') ? [names] : names.split(',');
  return [{ line: number, marker, patterns, type, key }];
}

function matches(patterns: readonly string[], name: string): boolean {
  if (patterns[0]?.startsWith('|')) return matchesHash(patterns[0], name);
  let found = false;
  for (const pattern of patterns) {
    const negated = pattern.startsWith('!');
    if (!matchesOne(negated ? pattern.slice(1) : pattern, name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

/** `*` stands for any characters, `?` for one. Only the last star is ever tried again, so that no pattern takes long. */
function matchesOne(pattern: string, name: string): boolean {
  const wanted = pattern.toLowerCase();
  let at = 0;
  let seen = 0;
  let star = -1;
  let from = 0;
  while (seen < name.length) {
    const one = wanted[at];
    if (one === '*') {
      star = at++;
      from = seen;
    } else if (one === '?' || one === name[seen]) {
      at += 1;
      seen += 1;
    } else if (star >= 0) {
      at = star + 1;
      seen = ++from;
    } else return false;
  }
  return /^\**$/.test(wanted.slice(at));
}

function matchesHash(pattern: string, name: string): boolean {
  const [, salt, hash] = /^\|1\|([A-Za-z0-9+/]+=*)\|([A-Za-z0-9+/]+=*)$/.exec(pattern) ?? [];
  if (salt === undefined || hash === undefined) return false;
  const expected = Buffer.from(hash, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}
