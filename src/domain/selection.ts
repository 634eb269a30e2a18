/** `--only`: names, globs, ranges and tags; `!` excludes. */

import type { Failure } from './error.ts';
import type { Host } from './fleet.ts';
import { expandRange } from './ranges.ts';
import { nearest } from './suggest.ts';

export type Selection = { readonly hosts: readonly Host[]; readonly error?: undefined } | { readonly error: Failure };

/** Terms are parted by commas or blanks. Only exclusions: all other hosts. */
export function select(hosts: readonly Host[], pattern: string): Selection {
  const terms = pattern.split(/[\s,]+/).filter(term => term !== '');
  const wanted = terms.filter(term => !term.startsWith('!'));
  const excluded = terms.filter(term => term.startsWith('!')).map(term => term.slice(1));
  // An empty variable of a script must not mean the whole fleet.
  if (terms.length === 0) return { error: refuse('--only names no host', 'Name a host, glob or tag, or leave it out') };
  const chosen = new Set(wanted.length === 0 ? hosts : []);
  for (const term of [...wanted, ...excluded]) {
    const matching = hosts.filter(host => matchesTerm(host, term));
    if (matching.length === 0) return { error: nothing(term, hosts) };
    for (const host of matching) {
      if (excluded.includes(term)) chosen.delete(host);
      else chosen.add(host);
    }
  }
  if (chosen.size === 0)
    return { error: refuse(`--only '${pattern}' leaves no host`, 'Name at least one host, glob or tag') };
  return { hosts: hosts.filter(host => chosen.has(host)) };
}

function matchesTerm(host: Host, term: string): boolean {
  if (term.startsWith('tag:')) return host.tags.includes(term.slice(4));
  return host.tags.includes(term) || patterns(term).some(pattern => pattern.test(host.name));
}

function patterns(term: string): readonly RegExp[] {
  let names: readonly string[];
  try {
    names = expandRange(term);
  } catch {
    names = [term];
  }
  return names.map(
    name =>
      new RegExp(
        `^${name
          .replace(/[.+^${}()|[\]\\]/g, '\\$&')
          .replaceAll('*', '.*')
          .replaceAll('?', '.')}$`,
        's',
      ),
  );
}

function nothing(term: string, hosts: readonly Host[]): Failure {
  const known = [...hosts.map(host => host.name), ...hosts.flatMap(host => host.tags)];
  const near = nearest(term, known);
  return refuse(
    `--only: no host or tag matches '${term}'`,
    near === null ? 'See the hosts with fleetflip status' : `Did you mean '${near}'?`,
  );
}

function refuse(what: string, hint: string): Failure {
  return { kind: 'refused', code: 'ONLY_MATCHES_NOTHING', phase: 'prepare', what, hint };
}
