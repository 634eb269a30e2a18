import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { FleetflipError } from '../../src/domain/error.ts';
import { inventoryTemplate, jsonSchema, loadInventory } from '../../src/inventory/index.ts';
import { knownKeys } from '../../src/inventory/json-schema.ts';
import { LATER_KEYS } from '../../src/inventory/schema.ts';

const EXAMPLE = join(import.meta.dirname, '../../inventory.example.yaml');
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function load(text: string) {
  const file = join(directory, 'inventory.yaml');
  await writeFile(file, text);
  return loadInventory(file, { env: { STAGE: 'prod', PORT: '2222' }, home: '/home/ann' });
}

/** `PLACE: KEY: WHAT | HINT` of each. */
async function problems(text: string): Promise<string[]> {
  const thrown = await load(text).then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof FleetflipError)) throw new Error('nothing was refused');
  return thrown.failures.map(failure => `${failure.what.replace(`${directory}/`, '')} | ${failure.hint}`);
}

async function codes(text: string): Promise<string[]> {
  const thrown = await load(text).catch((error: unknown) => error);
  return thrown instanceof FleetflipError ? thrown.failures.map(failure => failure.code) : [];
}

const APP = 'app: {name: foo, root: /var/www}\n';

describe('an inventory', () => {
  it('gives every host its defaults and its own values', async () => {
    const fleet = await load(
      `${APP}ssh: {user: deploy, identity: keys/id, jump: ['ops@bastion:2222', '[::1]:22']}\nhosts:\n  - web[08:10].\${STAGE}.example.com\n  - {name: eu1, address: 10.0.0.5, port: 2200, tags: [eu], root: /srv/, slots: [a, b, c], knownHosts: ~/kh, jump: []}\n`,
    );
    expect(fleet.hosts.map(host => host.name)).toEqual([
      'web08.prod.example.com',
      'web09.prod.example.com',
      'web10.prod.example.com',
      'eu1',
    ]);
    expect(fleet.hosts[0]).toMatchObject({
      address: 'web08.prod.example.com',
      app: { name: 'foo', root: '/var/www', slots: ['foo_l', 'foo_r'] },
      ssh: {
        user: 'deploy',
        port: 22,
        identity: [join(directory, 'keys/id')],
        knownHosts: '/home/ann/.ssh/known_hosts',
        hostKeys: 'strict',
      },
    });
    expect(fleet.hosts[0]?.ssh.jump).toEqual([
      { user: 'ops', address: 'bastion', port: 2222 },
      { address: '::1', port: 22 },
    ]);
    expect(fleet.hosts[3]).toMatchObject({
      address: '10.0.0.5',
      tags: ['eu'],
      app: { root: '/srv', slots: ['a', 'b', 'c'] },
      ssh: { port: 2200, knownHosts: '/home/ann/kh', jump: [] },
    });
    expect(fleet.strategy).toEqual({
      parallel: 32,
      stageWithin: 900_000,
      confirmWithin: 60_000,
      maxSkew: 100,
      compress: 'auto',
    });
  });

  it('pairs ranges of names and addresses, or gives them one address on many ports', async () => {
    const fleet = await load(
      `${APP}hosts: [{name: 'web[1:2]', address: '10.0.0.[8:9]'}, {name: six, address: '::1'}]\n`,
    );
    expect(fleet.hosts.map(({ name, address }) => [name, address])).toEqual([
      ['web1', '10.0.0.8'],
      ['web2', '10.0.0.9'],
      ['six', '::1'],
    ]);
  });

  it('takes numbers and paths from variables, and leaves those of checks to the hosts', async () => {
    const fleet = await load(
      `app: {name: foo, root: "/srv/\${STAGE}"}\nssh: {port: "\${PORT}", knownHosts: "\${STAGE}/kh"}\nchecks: {idle: ['echo \${HOME}']}\nhosts: [a]\n`,
    );
    expect(fleet.hosts[0]).toMatchObject({
      app: { root: '/srv/prod' },
      ssh: { port: 2222, knownHosts: join(directory, 'prod/kh') },
    });
    expect(fleet.checks.idle).toEqual([{ run: `echo \${HOME}`, within: 60_000 }]);
  });

  it('knows where its release is, and which one it is', async () => {
    const id = `sha256:${'a'.repeat(64)}`;
    const of = async (source: string) =>
      (
        await load(`${APP}source: {url: '${source}
hosts: [a]
`)
      ).source;
    const url = 'https://ann:p@files.example.com/prod.tgz?a=%5Cb';
    expect(await of(`https://ann:p@files.example.com/\${STAGE}.tgz?a=\\b'}`)).toEqual({ url, release: null });
    expect(await of(`http://x/y#${id}'}`)).toEqual({ url: 'http://x/y', release: id });
    expect(await of(`http://x/y', release: '${id}'}`)).toEqual({ url: 'http://x/y', release: id });
    expect(
      (
        await load(`${APP}hosts: [a]
`)
      ).source,
    ).toBeUndefined();
  });

  it('repeats nothing of a URL that is wrong', async () => {
    const found = await problems(`${APP}source: {url: 'ftp://ann:hush@x/y?hush#hush', release: hush}
hosts: [a]
`);
    expect(found).toHaveLength(2);
    expect(found.join()).not.toContain('hush');
  });

  it('shows every problem at once in the order of the file, with its place and a suggestion', async () => {
    const found = await problems(
      'app: {name: ../foo, root: www}\nssh:\n  knownhosts: x\n  port: "22"\nstrategy: {waves: [1], parallel: 0}\nhosts:\n  - {nam: a}\n  - b\n  - b\n  - {name: c, address: b}\n',
    );
    expect(found).toEqual([
      expect.stringMatching(/^inventory.yaml:1:13: app\.name: must be letters, digits/),
      expect.stringMatching(/^inventory.yaml:1:27: app\.root: must be an absolute path \| .*such as \/var\/www/),
      expect.stringMatching(/^inventory.yaml:3:3: ssh\.knownhosts: unknown key \| Did you mean `knownHosts`\?/),
      expect.stringMatching(/^inventory.yaml:4:9: ssh\.port: must be a whole number \| .*without quotes/),
      expect.stringMatching(/^inventory.yaml:5:12: strategy\.waves: not supported yet/),
      expect.stringMatching(/^inventory.yaml:5:34: strategy\.parallel: must be 1 to 10000/),
      expect.stringMatching(/^inventory.yaml:7:5: hosts\[0\]\.name: is missing \| Add it/),
      expect.stringMatching(/^inventory.yaml:7:6: hosts\[0\]\.nam: unknown key \| Did you mean `name`\?/),
      expect.stringMatching(/^inventory.yaml:9:5: hosts\[2\]: the host b stands here twice, first in hosts\[1\]/),
      expect.stringMatching(/^inventory.yaml:10:5: hosts\[3\]: c and b share one root on one server/),
    ]);
  });

  it('names every key of a later version as one that it does not act on', async () => {
    for (const dotted of LATER_KEYS) {
      const [first = '', second] = dotted.split('.');
      const own = second === undefined ? `${first}: {}\n` : '';
      const app = `app: {name: foo, root: /x${first === 'app' ? `, ${second}: 1` : ''}}\n`;
      const hosts = `hosts: [{name: a${first === 'hosts' ? `, ${second}: 1` : ''}}]\n`;
      const part = second !== undefined && !['app', 'hosts'].includes(first) ? `${first}: {${second}: 1}\n` : '';
      expect(await codes(`${app}${own}${part}${hosts}`), dotted).toEqual(['INVENTORY_LATER_KEY']);
    }
  });

  it.each([
    ['a host twice', `${APP}hosts: [a, 'a']\n`, /stands here twice/],
    ['a host twice by ranges', `${APP}hosts: ['a[1:3]', a2]\n`, /the host a2 stands here twice/],
    ['two hosts with one root', `${APP}hosts: [{name: a, address: x}, {name: b, address: X}]\n`, /share one root/],
    [
      'two hosts with one root that is written in two ways',
      `${APP}hosts: [{name: a, address: x}, {name: b, address: x, root: //var/www/}]\n`,
      /share one root/,
    ],
    ['a backwards range', `${APP}hosts: ['a[3:1]']\n`, /backwards/],
    ['a range that is none', `${APP}hosts: ['a[1-3]']\n`, /is no range/],
    ['a range that is too long', `${APP}hosts: ['a[1:99999]']\n`, /more than 10000 hosts/],
    ['ranges of unequal lengths', `${APP}hosts: [{name: 'a[1:3]', address: 'b[1:2]'}]\n`, /different lengths/],
    ['a name with a user', `${APP}hosts: [deploy@web01]\n`, /names a user \| .*user: NAME/],
    ['an address with a port', `${APP}hosts: [{name: a, address: '10.0.0.1:22'}]\n`, /names a port \| .*port: NUMBER/],
    ['a name like an option', `${APP}hosts: [-oProxyCommand=x]\n`, /"-oProxyCommand=x" is no host name/],
    ['an address like an option', `${APP}hosts: [{name: a, address: -x}]\n`, /"-x" is no address/],
    ['a name that is a pattern', `${APP}hosts: ['web*']\n`, /is no host name/],
    ['an empty name', `${APP}hosts: ['']\n`, /^[^\n]*hosts\[0\]: must not be empty[^\n]*$/],
    ['a number as a host', `${APP}hosts: [5]\n`, /hosts\[0\]: must be the name of a host/],
    ['hosts that are no list', `${APP}hosts: web01\n`, /hosts: must be a list/],
    ['no host', `${APP}hosts: []\n`, /at least one host/],
    ['an unset variable', `${APP}hosts: ['\${NOPE}']\n`, /^inventory.yaml:2:9: hosts\[0\]: .*NOPE is not set[^\n]*$/],
    ['a variable without an end', `${APP}hosts: ['\${STAGE']\n`, /has no } behind it/],
    ['a variable without a name', `${APP}hosts: ['\${}']\n`, /names no variable/],
    ['a key twice', `${APP}app: 1\nhosts: [a]\n`, /this key stands here twice/],
    ['a slot that is the link', 'app: {name: foo, root: /x, slots: [foo, bar]}\nhosts: [a]\n', /foo is the live link/],
    ["a host's slot that is the link", `${APP}hosts: [{name: a, slots: [b, foo]}]\n`, /foo is the live link/],
    ['a slot twice', 'app: {name: foo, root: /x, slots: [a, a]}\nhosts: [a]\n', /app\.slots: a is named twice/],
    ['one slot', 'app: {name: foo, root: /x, slots: [a]}\nhosts: [a]\n', /two or more slots/],
    [
      'a slot with a slash',
      'app: {name: foo, root: /x, slots: [a/b, c]}\nhosts: [a]\n',
      /slots\[0\]: must be letters.* \| .*one part of a path/,
    ],
    ['a name with a slash', 'app: {name: foo/bar, root: /x}\nhosts: [a]\n', /app\.name: must be letters/],
    ['a name that is a parent', 'app: {name: .., root: /x}\nhosts: [a]\n', /app\.name: must be letters/],
    ['a very long name', `app: {name: ${'x'.repeat(101)}, root: /x}\nhosts: [a]\n`, /at most 100 characters/],
    ['a root below a home', 'app: {name: foo, root: ~/www}\nhosts: [a]\n', /absolute path \| ~ is a home here/],
    ['a root with ..', 'app: {name: foo, root: /var/../etc}\nhosts: [a]\n', /must have no \. or \.\. in it/],
    ["another user's home", `${APP}ssh: {knownHosts: ~bob/kh}\nhosts: [a]\n`, /home of another user/],
    ['an empty path', `${APP}ssh: {knownHosts: ''}\nhosts: [a]\n`, /ssh\.knownHosts: must not be empty/],
    ['another policy', `${APP}ssh: {hostKeys: no}\nhosts: [a]\n`, /must be strict or accept-new/],
    ['a port that is none', `${APP}ssh: {port: 65536}\nhosts: [a]\n`, /ssh\.port: must be 1 to 65535/],
    ['a bastion that is none', `${APP}ssh: {jump: [a b]}\nhosts: [a]\n`, /jump\[0\]: must be \[USER@\]ADDRESS/],
    ['a bastion with a port that is none', `${APP}ssh: {jump: ['b:70000']}\nhosts: [a]\n`, /must be \[USER@\]ADDRESS/],
    ['a tag with a space', `${APP}hosts: [{name: a, tags: [x y]}]\n`, /tags\[0\]: must be letters/],
    ['no duration', `${APP}strategy: {stageWithin: 15 m}\nhosts: [a]\n`, /must be a time such as 100ms/],
    ['a number as a duration', `${APP}strategy: {stageWithin: 15}\nhosts: [a]\n`, /stageWithin: must be text/],
    ['no patience at all', `${APP}strategy: {confirmWithin: 0s}\nhosts: [a]\n`, /must be 1s to 24h/],
    ['more patience than a timer has', `${APP}strategy: {stageWithin: 9999h}\nhosts: [a]\n`, /must be 1s to 24h/],
    [
      'a check that never runs',
      `${APP}checks: {idle: [{run: x, within: 0s}]}\nhosts: [a]\n`,
      /idle\[0\]\.within: must/,
    ],
    ['a URL that is none', `${APP}source: {url: files/x.tgz}\nhosts: [a]\n`, /source\.url: is no http or https URL/],
    ['a fragment that is no id', `${APP}source: {url: 'http://x/y#v1'}\nhosts: [a]\n`, /something else than the id/],
    ['an id that is none', `${APP}source: {url: 'http://x', release: v1}\nhosts: [a]\n`, /must be the id of a release/],
    [
      'two ids',
      `${APP}source: {url: 'http://x#sha256:${'a'.repeat(64)}', release: 'sha256:${'b'.repeat(64)}'}\nhosts: [a]\n`,
      /source\.release: is another one than behind the #/,
    ],
    ['a misspelt key of a check', `${APP}checks: {idle: [{run: x, witin: 1s}]}\nhosts: [a]\n`, /Did you mean `within`/],
  ])('refuses %s', async (_, text, pattern) => {
    expect((await problems(text)).join('\n')).toMatch(pattern);
  });
});

describe('a file that is no inventory', () => {
  it('is refused as empty, also when it has only comments', async () => {
    expect(await codes('')).toEqual(['INVENTORY_EMPTY']);
    expect(await codes('# nothing\n')).toEqual(['INVENTORY_EMPTY']);
  });

  it('is refused with the place of its first wrong token, and how to write a variable there', async () => {
    expect(await problems(`app: {name: \${STAGE}, root: /x}\nhosts: [a]\n`)).toEqual([
      expect.stringMatching(/^inventory.yaml:1:14: .* \| Put \$\{\.\.\.\} in quotes/),
    ]);
  });

  it.each([
    ['an alias without its anchor', `${APP}hosts: *web\n`, /^inventory.yaml:2:8: .*alias.*web/],
    ['a tab', 'app:\n\tname: foo\n', /^inventory.yaml:2:1: Tabs/],
    ['two documents', `${APP}---\nhosts: [a]\n`, /^inventory.yaml:2:1: holds more than one document/],
    ['a list', '- a\n', /^inventory.yaml:1:1: must be an object with keys/],
  ])('is refused for %s', async (_, text, pattern) => {
    expect((await problems(text)).join('\n')).toMatch(pattern);
  });

  it('is refused when it is not there, and when it is a directory', async () => {
    await expect(loadInventory(join(directory, 'nope.yaml'))).rejects.toThrow(/there is no inventory .*fleetflip init/);
    await expect(loadInventory(directory)).rejects.toThrow(/it is a directory \(INVENTORY_NOT_FOUND\)/);
  });
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** Every key of a schema with its place: `app.name`, `hosts[].tags`. */
function listKeys({ properties = {}, items, anyOf = [] }: Schema, place = ''): string[] {
  return [
    ...Object.entries(properties).flatMap(([key, inner]) => {
      const path = place === '' ? key : `${place}.${key}`;
      return [path, ...listKeys(inner, path)];
    }),
    ...(items === undefined ? [] : listKeys(items, `${place}[]`)),
    ...anyOf.flatMap(inner => listKeys(inner, place)),
  ];
}

/** The same of values. */
function listUsed(value: unknown, place = ''): string[] {
  if (Array.isArray(value)) return value.flatMap(item => listUsed(item, `${place}[]`));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const path = place === '' ? key : `${place}.${key}`;
    return [path, ...listUsed(inner, path)];
  });
}

describe('the example', () => {
  it('loads, and shows every key that there is at its place', async () => {
    await loadInventory(EXAMPLE, { env: {}, home: '/home/ann' });
    const text = await readFile(EXAMPLE, 'utf8');
    const keys = [...new Set(listKeys(jsonSchema()))].sort();
    expect(keys).toContain('hosts[].tags');
    expect([...new Set(listUsed(parse(text)))].sort()).toEqual(keys);
  });

  it('explains every key on its line', async () => {
    const lines = (await readFile(EXAMPLE, 'utf8')).split('\n').filter(line => /^\s*(- )?\w+:/.test(line));
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.filter(line => !/ # \S/.test(line))).toEqual([]);
  });

  it('and the inventory that init writes load', async () => {
    expect((await load(inventoryTemplate())).hosts).toHaveLength(3);
  });
});

describe('the JSON Schema', () => {
  it('says something of every key at the top and of every value that a host may have', () => {
    const { properties = {} } = jsonSchema() as Schema & { properties: Record<string, Schema> };
    expect(Object.keys(properties)).toEqual([...knownKeys('')]);
    expect(knownKeys('hosts')).toContain('address');
    expect(knownKeys('checks.idle')).toEqual(['run', 'within']);
    expect(knownKeys('nowhere')).toEqual([]);
  });

  it('lets a variable stand where a number or a path is wanted', () => {
    const text = JSON.stringify(jsonSchema());
    expect(text).toContain('{"description":"Default: 22","anyOf":[{"type":"integer","minimum":1,"maximum":65535},');
    expect(text).toContain('"pattern":"\\\\$\\\\{[^}]+\\\\}"');
  });
});
