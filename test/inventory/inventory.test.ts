import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FleetflipError } from '../../src/domain/error.ts';
import { inventoryTemplate, jsonSchema, loadInventory } from '../../src/inventory/index.ts';
import { KNOWN_KEYS } from '../../src/inventory/schema.ts';

const EXAMPLE = join(import.meta.dirname, '../../inventory.example.yaml');
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function load(text: string) {
  const file = join(directory, 'inventory.yaml');
  await writeFile(file, text);
  return loadInventory(file, { env: { STAGE: 'prod' }, home: '/home/ann' });
}

async function problems(text: string): Promise<string[]> {
  const thrown = await load(text).then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof FleetflipError)) throw new Error('nothing was refused');
  return thrown.failures.map(failure => `${failure.what.slice(directory.length + 1)} | ${failure.hint}`);
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
    expect(fleet.strategy).toEqual({ parallel: 32, stageWithin: 900_000, confirmWithin: 60_000, maxSkew: 100 });
  });

  it('shows every problem at once, with its place and a suggestion', async () => {
    const found = await problems(
      'app: {name: ../foo, root: www}\nssh:\n  knownhosts: x\n  port: "22"\nstrategy: {waves: [1], parallel: 0}\nhosts:\n  - {nam: a}\n',
    );
    expect(found).toEqual([
      expect.stringMatching(/^inventory.yaml:1:13: app\.name: must be one part of a path/),
      expect.stringMatching(/^inventory.yaml:1:27: app\.root: must be an absolute path/),
      expect.stringMatching(/^inventory.yaml:4:9: ssh\.port: must be an? number/),
      expect.stringMatching(/^inventory.yaml:3:15: ssh\.knownhosts: unknown key \| Did you mean `knownHosts`\?/),
      expect.stringMatching(/^inventory.yaml:5:34: strategy\.parallel: /),
      expect.stringMatching(
        /^inventory.yaml:5:19: strategy\.waves: this version of fleetflip does not act on this key/,
      ),
      expect.stringMatching(/^inventory.yaml:7:5: hosts\[0\]\.name: is missing/),
      expect.stringMatching(/^inventory.yaml:7:11: hosts\[0\]\.nam: unknown key \| Did you mean `name`\?/),
    ]);
  });

  it.each([
    ['a host twice', `${APP}hosts: [a, 'a']\n`, /stands here twice/],
    ['two hosts with one root', `${APP}hosts: [{name: a, address: x}, {name: b, address: x}]\n`, /share one root/],
    ['a backwards range', `${APP}hosts: ['a[3:1]']\n`, /backwards/],
    ['an unset variable', `${APP}hosts: ['\${NOPE}']\n`, /NOPE is not set/],
    ['a key twice', `${APP}app: 1\nhosts: [a]\n`, /unique/],
    ['a slot that is the link', 'app: {name: foo, root: /x, slots: [foo, bar]}\nhosts: [a]\n', /is the live link/],
    ['no host', `${APP}hosts: []\n`, /at least one host/],
  ])('refuses %s', async (_, text, pattern) => {
    expect((await problems(text)).join('\n')).toMatch(pattern);
  });
});

describe('the example', () => {
  it('loads, and shows every key that there is', async () => {
    await loadInventory(EXAMPLE, { env: {}, home: '/home/ann' });
    const text = await readFile(EXAMPLE, 'utf8');
    const keys = Object.values(KNOWN_KEYS).flat();
    expect(keys.filter(key => !new RegExp(`\\b${key}:`).test(text))).toEqual([]);
    expect(Object.keys((jsonSchema() as { properties: object }).properties).sort()).toEqual(
      [...(KNOWN_KEYS[''] ?? [])].sort(),
    );
  });

  it('and the inventory that init writes load', async () => {
    expect((await load(inventoryTemplate())).hosts).toHaveLength(3);
  });
});
