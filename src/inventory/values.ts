/** The values of an inventory that have a form of their own: what is wrong with one, and how to mend it. */

import { isReleaseId, readUrl } from '../domain/artifact.ts';
import { expandRange } from '../domain/ranges.ts';

/** Null: nothing is wrong. */
export type Mistake = readonly [what: string, hint: string] | null;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds; null when the text is no duration. */
export function parseDuration(text: string): number | null {
  const [, count, unit = ''] = /^(\d{1,12})(ms|s|m|h)$/.exec(text) ?? [];
  return count === undefined ? null : Number(count) * (UNITS[unit] ?? 1);
}

export interface Bounds {
  readonly least: string;
  readonly most: string;
}

export function explainDuration(value: string, { least, most }: Bounds): Mistake {
  const time = parseDuration(value);
  if (time === null) return ['must be a time such as 100ms, 60s, 15m or 2h', 'Write a whole number and its unit'];
  if (time >= (parseDuration(least) ?? 0) && time <= (parseDuration(most) ?? 0)) return null;
  return [`must be ${least} to ${most}`, 'Choose a time within these bounds'];
}

/** A name beside others in a directory. */
export function explainPart(value: string): Mistake {
  if (value.length > 100) return ['must have at most 100 characters', 'Shorten it'];
  if (/^(?!\.)(?!-)[A-Za-z0-9._+@=,-]+$/.test(value)) return null;
  const hint = 'Write one part of a path such as foo_l, not beginning with . or -';
  return ['must be letters, digits and . _ + @ = , -', hint];
}

/** A directory on the hosts. */
export function explainRoot(value: string): Mistake {
  if (value.startsWith('~')) return ['must be an absolute path', '~ is a home here; write the path on the servers'];
  if (!/^\/[^\0\n]*$/.test(value)) return ['must be an absolute path', 'Write it from / on, such as /var/www'];
  if (/\/\.\.?(\/|$)/.test(value)) return ['must have no . or .. in it', 'Write the path without them'];
  return null;
}

/** A file on this machine. */
export function explainLocalPath(value: string): Mistake {
  if (!/^~[^/]/.test(value)) return null;
  return ['begins with the home of another user, which is not expanded', 'Write the whole path, or ./ before the ~'];
}

/** The name of a host or of a range of hosts; where there is no address, it is connected to. */
export function explainHostName(value: string): Mistake {
  const names = expand(value);
  if (typeof names === 'string') return [names, 'Write a range such as web[01:12] or rack[a:c]'];
  const bad = names.find(name => !/^[^\s\p{C}!,*?[\]/]+$/u.test(name) || name.startsWith('-'));
  if (bad !== undefined) return [`${JSON.stringify(bad)} is no host name`, 'Name it as it is connected to'];
  return explainExtras(value);
}

export function explainAddress(value: string): Mistake {
  const addresses = expand(value);
  if (typeof addresses === 'string') return [addresses, 'Write a host name or an IP address'];
  const bad = addresses.find(address => !/^[^\s\p{C}[\]/]+$/u.test(address) || address.startsWith('-'));
  if (bad !== undefined) return [`${JSON.stringify(bad)} is no address`, 'Write a host name or an IP address'];
  return explainExtras(value);
}

export function explainJump(value: string): Mistake {
  const match = /^(?:[^@\s]+@)?(?:\[[0-9A-Fa-f:.%]+\]|[^@:\s[\]]+)(?::(\d{1,5}))?$/.exec(value);
  const port = Number(match?.[1] ?? 22);
  if (match !== null && port >= 1 && port <= 65535) return null;
  return ['must be [USER@]ADDRESS[:PORT]', 'Write it such as ops@bastion.example.com:22'];
}

/** Where an artifact is. */
export function explainUrl(value: string): Mistake {
  const reading = readUrl(value);
  return 'mistake' in reading ? reading.mistake : null;
}

export function explainReleaseId(value: string): Mistake {
  if (isReleaseId(value)) return null;
  return ['must be the id of a release', 'Write sha256: and 64 hex digits, as fleetflip pack prints it'];
}

/** `user@host` and `host:port` are what other programs take; an address with more colons is one of IPv6. */
function explainExtras(value: string): Mistake {
  if (value.includes('@')) return ['names a user', 'Write the user as a key of its own: user: NAME'];
  const colons = value.replace(/\[[^\]]*\]/g, '').split(':').length - 1;
  if (colons === 1) return ['names a port', 'Write the port as a key of its own: port: NUMBER'];
  return null;
}

function expand(value: string): readonly string[] | string {
  try {
    return expandRange(value);
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
