import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type EmbeddedFleet, FAKES, startEmbeddedFleet } from '../support/embedded.ts';
import { type Ran, run, start } from './running.ts';

// Processes start slowly on a machine that is busy with other tests.
vi.setConfig({ testTimeout: 120_000 });

const LIMIT = { timeout: 60_000 };
let fleet: EmbeddedFleet;
let releases: readonly [string, string];
beforeAll(async () => {
  fleet = await startEmbeddedFleet(2);
  const one = await fleet.makeRelease('one', { 'index.html': 'one' });
  releases = [one, await fleet.makeRelease('two', { 'index.html': 'two' })];
  expect((await ff('deploy', one, '--label', 'v1')).code).toBe(0);
});
afterAll(() => fleet.stop());
afterEach(async () => {
  for (const host of fleet.hosts) await rm(join(host.bin, 'tar'), { force: true });
});

function ff(...args: readonly string[]): Promise<Ran> {
  return run(fleet.directory, ...args);
}

function links(): Promise<(string | null)[]> {
  return Promise.all(fleet.hosts.map(host => host.readLink()));
}

async function texts(): Promise<(string | undefined)[]> {
  const all = await Promise.all(fleet.hosts.map(host => host.readSlot('site')));
  return all.map(files => files['index.html']);
}

/** The release that is not live. */
async function otherRelease(): Promise<string> {
  const [live] = await texts();
  return live === 'one' ? releases[1] : releases[0];
}

describe('every command', () => {
  test.each([
    ['check', [], 'done'],
    ['recover', [], 'current'],
    ['unlock', ['--force'], 'done'],
    ['adopt', [], 'done'],
  ])('%s prints nothing but JSON lines, the result last', async (command, more, outcome) => {
    const ran = await ff(command, ...more, '--output', 'json');
    const lines = ran.json();
    for (const line of lines) expect(line).toMatchObject({ v: 1, time: expect.any(String), kind: expect.any(String) });
    expect(lines.at(-1)).toMatchObject({ kind: 'result', command, outcome, exitCode: 0, fleetSplit: false });
    expect(lines.filter(({ kind }) => kind === 'result')).toHaveLength(1);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
  });

  test.each(['status', 'history'])('%s prints one object', async command => {
    const ran = await ff(command, '--output', 'json', '--log', 'reading.log');
    expect(ran.json()).toMatchObject([{ v: 1, kind: command, hosts: [{ name: 'demo1' }, { name: 'demo2' }] }]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
  });

  test('that reads is for people too, without an event', async () => {
    const status = await ff('status');
    expect(status.stdout).toMatch(/^HOST {3}SLOT {4}STATE[\s\S]*\nThe fleet is on one release and settled\.\n$/);
    const planned = await ff('plan', await otherRelease(), '--label', 'next');
    expect(planned.stdout).toMatch(/^HOST[\s\S]*\ndeploy would bring next \(sha256:\w{12}\) to 2 hosts\.\n$/);
    const history = await ff('history', '--only', 'demo2');
    expect(history.stdout).toMatch(/demo2 .* deploy +committed +site_l +v1 [\s\S]*\nThe history of 1 host\.\n$/);
  });

  test('ends with 2 before any contact, in JSON and in words, whatever is wrong', async () => {
    const release = releases[0];
    for (const [code, ...args] of [
      ['ONLY_MATCHES_NOTHING', 'deploy', release, '--only', 'nobody'],
      ['ONLY_MATCHES_NOTHING', 'rollback', '--only', ''],
      ['RELEASE_NOT_FOUND', 'deploy', 'nowhere'],
      ['RELEASE_NOT_FOUND', 'stage', ''],
      ['INVENTORY_NOT_FOUND', 'status', '-i', 'nope.yaml'],
      ['LOG_NOT_WRITABLE', 'check', '--log', join('nowhere', 'run.log')],
      ['USAGE', 'plan'],
      ['USAGE', 'flip', '--wait', 'long'],
      ['USAGE', 'rollback', '--wait', '999h'],
      ['USAGE', 'flip', '--bogus'],
    ] as const) {
      const json = await ff(...args, '--output', 'json');
      expect(json.code, code).toBe(2);
      expect(json.json(), code).toMatchObject([{ kind: 'result', outcome: 'invalid', errors: [{ code }] }]);
    }
    const words = await ff('deploy', release, '--only', 'demo3');
    expect(words).toMatchObject({ code: 2, stdout: '' });
    expect(words.stderr).toMatch(/Did you mean 'demo[12]'\?\nNo host was contacted\.\n$/);
  });
});

test('unlock without a terminal and without --force leaves the lock', async () => {
  await fleet.host('demo1').fake('tar', FAKES.stuck);
  const { child, stdout, ended } = await start(fleet.directory, 'deploy', await otherRelease(), '--output', 'json');
  await vi.waitFor(() => expect(stdout()).toContain('"phase":"stage"'), LIMIT);
  const unlock = await ff('unlock', '--output', 'json', '--only', 'demo1');
  expect(unlock).toMatchObject({ code: 1, stderr: expect.stringMatching(/demo1: locked by .* runs deploy/) });
  expect(unlock.json().at(-1)).toMatchObject({ outcome: 'unchanged' });
  expect(unlock.stderr).toContain('no terminal to ask');
  expect((await ff('deploy', releases[0])).code).toBe(5);
  child.kill('SIGTERM');
  expect((await ended).code).toBe(1);
});

describe('a run whose reader goes away', () => {
  test('goes on to its end', async () => {
    const release = await otherRelease();
    const before = await links();
    const { child, ended } = await start(fleet.directory, 'deploy', release);
    child.stdout.once('data', () => child.stdout.destroy());
    child.stderr.once('data', () => child.stderr.destroy());
    expect((await ended).code).toBe(0);
    const after = await links();
    expect(after.map((link, at) => link !== before[at])).toEqual([true, true]);
    expect((await ff('status')).code).toBe(0);
  });

  test.each(['SIGHUP', 'SIGINT', 'SIGTERM'] as const)('ends orderly at %s', async signal => {
    const before = await links();
    await fleet.host('demo2').fake('tar', FAKES.stuck);
    const { child, stdout, ended } = await start(fleet.directory, 'deploy', await otherRelease(), '--output', 'json');
    await vi.waitFor(() => expect(stdout()).toContain('"phase":"stage"'), LIMIT);
    child.kill(signal);
    const ran = await ended;
    expect(ran.code).toBe(1);
    expect(ran.json().map(({ kind }) => kind)).toContain('interrupted');
    expect(ran.json().at(-1)).toMatchObject({ kind: 'result', outcome: 'unchanged', exitCode: 1 });
    expect(await links()).toEqual(before);
    const status = await ff('status', '--output', 'json');
    expect(status.json()).toMatchObject([{ split: false, settled: true, hosts: [{ lock: null }, { lock: null }] }]);
  });
});
