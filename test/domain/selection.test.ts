import { describe, expect, it } from 'vitest';
import type { Host } from '../../src/domain/fleet.ts';
import { select } from '../../src/domain/selection.ts';

function host(name: string, ...tags: string[]): Host {
  const ssh = { port: 22, identity: [], knownHosts: '/kh', hostKeys: 'strict' as const, jump: [] };
  return { name, address: name, tags, app: { name: 'foo', root: '/x', slots: ['a', 'b'] }, ssh };
}

const HOSTS = [host('web01', 'eu'), host('web02', 'eu', 'canary'), host('web10'), host('db.internal', 'us')];

function choose(pattern: string): string[] | string {
  const selection = select(HOSTS, pattern);
  return selection.error === undefined ? selection.hosts.map(({ name }) => name) : selection.error.what;
}

describe('--only', () => {
  it.each([
    ['web01', ['web01']],
    ['web0*', ['web01', 'web02']],
    ['web?0', ['web10']],
    ['web[01:02]', ['web01', 'web02']],
    ['eu', ['web01', 'web02']],
    ['tag:us', ['db.internal']],
    ['web10,canary', ['web02', 'web10']],
    ['web10 canary', ['web02', 'web10']],
    ['!web*', ['db.internal']],
    ['eu,!canary', ['web01']],
    ['!canary,eu', ['web01']],
    ['*,!tag:eu', ['web10', 'db.internal']],
  ])('%s chooses in the order of the inventory', (pattern, names) => {
    expect(choose(pattern)).toEqual(names);
  });

  it.each([
    ['', /names no host/],
    [' , ', /names no host/],
    ['webb01', /no host or tag matches 'webb01'/],
    ['web01,nobody', /no host or tag matches 'nobody'/],
    ['*,!nobody', /no host or tag matches 'nobody'/],
    ['db?internal.', /no host or tag/],
    ['dbxinternal', /no host or tag/],
    ['*,!*', /leaves no host/],
    ['tag:web01', /no host or tag/],
  ])('%j is refused', (pattern, what) => {
    expect(choose(pattern)).toMatch(what);
  });

  it('suggests what is near', () => {
    expect(select(HOSTS, 'wbe01').error?.hint).toBe("Did you mean 'web01'?");
    expect(select(HOSTS, 'canari').error?.hint).toBe("Did you mean 'canary'?");
  });
});
