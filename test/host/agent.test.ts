import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/engine/prepare.ts';
import { loadAgent, openSession } from '../../src/host/index.ts';
import { adopt, check, deploy, history, recover, stage, status, unlock } from '../../src/index.ts';
import type { HostSession } from '../../src/ports.ts';
import { type LocalFleet, makeLocalFleet, readTree } from '../support/local-fleet.ts';
import { findUserlands } from '../support/userlands.ts';

const AGENT = join(import.meta.dirname, '../../src/host/agent.sh');

/** Names as bytes, latin1 here: spaces, quotes, newlines, dashes, backslashes, UTF-8 and what is no text at all. */
const ODD = [
  'a b',
  "it's",
  'say "hi"',
  'two\nlines',
  '-rf',
  '--',
  'back\\slash',
  '\\n',
  '*',
  '$HOME',
  '`id`',
  'gr\xc3\xbc\xc3\x9fe',
  '\xff\xfe',
  'x'.repeat(200),
];

describe.each(findUserlands())('the agent under $name', ({ path }) => {
  let local: LocalFleet;
  const sessions: HostSession[] = [];
  beforeEach(async () => {
    local = await makeLocalFleet(1, path);
  });
  afterEach(async () => {
    for (const session of sessions.splice(0)) session.close();
    await local.remove();
  });
  const options = () => ({ connector: local.connector });
  const record = (file: string) => join(local.root('web1'), '.foo.fleetflip', file);

  async function open(): Promise<HostSession> {
    const [host] = local.fleet.hosts;
    if (host === undefined) throw new Error('no host');
    const connection = await local.connector.connect(host, { signal: new AbortController().signal });
    const random = (): string => Math.random().toString(36).slice(2);
    const session = await openSession({
      connection,
      host,
      agent: await loadAgent(),
      persist: true,
      random,
      clock: systemClock,
      manifests: new Map(),
      patience: 60_000,
    });
    sessions.push(session);
    return session;
  }

  async function oddRelease(): Promise<string> {
    const directory = Buffer.from(join(local.directory, 'odd'));
    await mkdir(directory);
    const at = (name: string): Buffer => Buffer.concat([directory, Buffer.from('/'), Buffer.from(name, 'latin1')]);
    for (const name of ODD) {
      await writeFile(at(name), `content of ${name}`);
      await mkdir(at(`dir ${name.slice(0, 100)}`));
      await writeFile(at(`dir ${name.slice(0, 100)}/deep`), name);
    }
    await mkdir(at('empty'));
    await symlink(Buffer.from('two\nlines', 'latin1'), at('link'));
    await symlink('nowhere', at('dangling'));
    return directory.toString();
  }

  it('takes every name as it is, proves it, and copies it on the host in the next release', async () => {
    const source = await oddRelease();
    expect(await deploy(local.fleet, source, options())).toMatchObject({ outcome: 'committed' });
    execFileSync('diff', ['-r', '--no-dereference', source, join(local.root('web1'), 'foo_l')]);
    await writeFile(join(source, 'new'), 'new');
    const second = await deploy(local.fleet, source, options());
    expect(second.hosts[0]?.error).toBe(undefined);
    execFileSync('diff', ['-r', '--no-dereference', source, join(local.root('web1'), 'foo_r')]);
  });

  it('takes more names than fit into one call, and copies and removes them on the host', async () => {
    const names = Array.from({ length: 900 }, (_, at) => `${'long'.repeat(20)}/${at}-${'name'.repeat(15)}`);
    const make = (kept: readonly string[], text: string): Record<string, string> =>
      Object.fromEntries(
        kept.flatMap((name, at) => [
          [name, `${text}${at}`],
          [`${name}.link`, '-> nowhere'],
        ]),
      );
    const releases = [
      await local.release('1', make(names, 'one')),
      await local.release('2', { ...make(names, 'one'), more: 'two' }),
      await local.release('3', make(names.slice(0, 3), 'three')),
    ];
    for (const source of releases) {
      const result = await deploy(local.fleet, source, options());
      expect(result.hosts[0]?.error).toBe(undefined);
      const live = join(local.root('web1'), (await local.link('web1')) ?? '');
      execFileSync('diff', ['-r', '--no-dereference', source, live]);
    }
  });

  it('never lets a reader miss the link while it flips back and forth', async () => {
    const sources = [await local.release('1', { a: '1' }), await local.release('2', { a: '2' })];
    for (const source of sources) await deploy(local.fleet, source, options());
    let reading = true;
    let misses = 0;
    const watcher = (async () => {
      while (reading) await readFile(join(local.root('web1'), 'foo', 'a')).catch(() => (misses += 1));
    })();
    for (const source of [...sources, ...sources])
      expect(await deploy(local.fleet, source, options())).toMatchObject({ outcome: 'committed' });
    reading = false;
    await watcher;
    expect(misses).toBe(0);
  });

  it('gives the lock to one session, frees it when that one ends, and counts a dead holder as gone', async () => {
    const [one, other] = [await open(), await open()];
    await one.lock({ deployment: 'd1', owner: "o'hara@büro", command: 'deploy', lease: 30_000 });
    await expect(other.lock({ deployment: 'd2', owner: 'x', command: 'deploy', lease: 30_000 })).rejects.toThrow(
      /LOCKED/,
    );
    await expect(other.lock({ deployment: 'd1', owner: 'x', command: 'deploy', lease: 30_000 })).rejects.toThrow(
      /SHARED_ROOT/,
    );
    const seen = await other.probe('none');
    expect(seen.lock).toMatchObject({ deployment: 'd1', command: 'deploy', alive: true });
    await one.unlock();
    await other.lock({ deployment: 'd2', owner: 'x', command: 'deploy', lease: 30_000 });
    expect((await one.probe('none')).lock?.deployment).toBe('d2');
  });

  it('refuses to stage or arm without the lock, to arm what is not proven, and to flip what is not armed', async () => {
    const session = await open();
    const staging = {
      slot: 'foo_l',
      release: 'sha256:x',
      label: '',
      deployment: 'd',
      from: null,
      remove: [],
      copy: [],
      archive: null,
      onSent: () => undefined,
    };
    const arming = {
      slot: 'foo_l',
      release: 'sha256:x',
      label: '',
      deployment: 'd',
      command: 'deploy',
      owner: 'o',
      participants: ['web1'],
      decider: 'web1',
      window: 60_000,
    };
    await expect(session.stage(staging)).rejects.toThrow(/NOT_LOCKED/);
    await session.lock({ deployment: 'd', owner: 'o', command: 'deploy', lease: 30_000 });
    await session.stage(staging);
    await expect(session.arm(arming)).rejects.toThrow(/UNPROVEN/);
    await expect(session.flip('d')).rejects.toThrow(/NOT_ARMED/);
    expect(existsSync(join(local.root('web1'), 'foo'))).toBe(false);
  });

  it('does not believe a record that was cut', async () => {
    await stage(local.fleet, await local.release('1', { a: '1' }), options());
    const size = (await readFile(record('slot.foo_l'))).length;
    await truncate(record('slot.foo_l'), size - 10);
    expect((await status(local.fleet, options())).hosts[0]?.idle[0]).toMatchObject({
      slot: 'foo_l',
      state: 'unproven',
      release: null,
    });
  });

  it('reverts to the letter, removes a link where none was, and marks the release rejected', async () => {
    const session = await open();
    const source = await local.release('1', { a: '1' });
    const { release } = await stage(local.fleet, source, options());
    await session.lock({ deployment: 'd', owner: 'o', command: 'flip', lease: 30_000 });
    await session.arm({
      slot: 'foo_l',
      release: release ?? '',
      label: '',
      deployment: 'd',
      command: 'flip',
      owner: 'o',
      participants: ['web1'],
      decider: 'web1',
      window: 60_000,
    });
    await session.flip('d');
    expect(await local.link('web1')).toBe('foo_l');
    await session.revert('d', true);
    await session.revert('d', true);
    expect(await local.link('web1')).toBe(null);
    expect((await session.probe('none')).slots[0]).toMatchObject({ slot: 'foo_l', role: 'rejected' });
    await expect(session.flip('d')).rejects.toThrow(/NOT_ARMED/);
  });

  it('refuses everything on a host that is not settled, until recover has settled it', async () => {
    const session = await open();
    const { release } = await stage(local.fleet, await local.release('1', { a: '1' }), options());
    await session.lock({ deployment: 'd', owner: 'o', command: 'flip', lease: 30_000 });
    await session.arm({
      slot: 'foo_l',
      release: release ?? '',
      label: '',
      deployment: 'd',
      command: 'flip',
      owner: 'o',
      participants: ['web1'],
      decider: 'web1',
      window: 60_000,
    });
    await session.flip('d');
    await session.unlock();
    const source = await local.release('2', { a: '2' });
    expect(await deploy(local.fleet, source, options())).toMatchObject({ outcome: 'unknown', exitCode: 4 });
    expect(await recover(local.fleet, options())).toMatchObject({ outcome: 'settled', exitCode: 0 });
    expect(await local.link('web1')).toBe(null);
    expect(await recover(local.fleet, options())).toMatchObject({ outcome: 'current', exitCode: 0 });
    expect(await deploy(local.fleet, source, options())).toMatchObject({ outcome: 'committed' });
  });

  it('stops a check after its time, bounds its output and gives it no input', async () => {
    const session = await open();
    await stage(local.fleet, await local.release('1', { a: '1' }), options());
    expect(await session.run('foo_l', { run: 'cat; cat a; exit 3', within: 5000 })).toEqual({
      exitCode: 3,
      output: '1',
    });
    expect((await session.run('foo_l', { run: 'yes | head -c 300000', within: 5000 })).output.length).toBe(65_536);
    expect((await session.run('foo_l', { run: 'exec sleep 30', within: 1000 })).exitCode).toBe(null);
  });

  it('adopts a plain directory with nothing lost', async () => {
    await mkdir(join(local.root('web1'), 'foo'));
    await writeFile(join(local.root('web1'), 'foo', 'a'), 'by hand');
    expect(await adopt(local.fleet, { ...options(), allowGap: async () => true })).toMatchObject({
      outcome: 'done',
      exitCode: 0,
    });
    expect(await readlink(join(local.root('web1'), 'foo'))).toBe('foo_l');
    expect(await readFile(join(local.root('web1'), 'foo', 'a'), 'utf8')).toBe('by hand');
  });

  it('leaves nothing behind after check, status and history', async () => {
    await rm(local.root('web1'), { recursive: true });
    await mkdir(local.root('web1'));
    expect(await check(local.fleet, options())).toMatchObject({ outcome: 'done', exitCode: 0 });
    await status(local.fleet, options());
    await history(local.fleet, options());
    expect(await readdir(local.root('web1'))).toEqual([]);
  });

  it('writes who released what into its history', async () => {
    await deploy(local.fleet, await local.release('1', { a: '1' }), {
      ...options(),
      label: 'v 1',
      owner: 'ann@laptop',
    });
    const { hosts } = await history(local.fleet, options());
    expect(hosts[0]?.runs).toMatchObject([
      { command: 'deploy', outcome: 'committed', label: 'v 1', owner: 'ann@laptop', slot: 'foo_l' },
    ]);
  });

  it('gives a lock up by force, and shows whose it was', async () => {
    const session = await open();
    await session.lock({ deployment: 'd1', owner: 'ann', command: 'deploy', lease: 30_000 });
    const asked: string[] = [];
    const result = await unlock(local.fleet, {
      ...options(),
      confirm: async holders => asked.push(...holders.map(holder => holder.owner)) > 0,
    });
    expect(result).toMatchObject({ outcome: 'done' });
    expect(asked).toEqual(['ann']);
    expect((await status(local.fleet, options())).hosts[0]?.lock).toBe(null);
  });

  it('shows its status by hand', async () => {
    await deploy(local.fleet, await local.release('1', { a: '1' }), options());
    const text = execFileSync('sh', [AGENT, 'status', local.root('web1'), 'foo'], {
      env: { PATH: path },
      encoding: 'utf8',
    });
    expect(text).toContain('foo -> foo_l');
    expect(Object.keys(await readTree(join(local.root('web1'), 'foo')))).toEqual(['a']);
  });
});

describe('the agent as a text', () => {
  it('has nothing that shellcheck complains of', () => {
    const found = ['/usr/bin/shellcheck', '/usr/local/bin/shellcheck', '/opt/homebrew/bin/shellcheck'].find(existsSync);
    if (found === undefined) expect(process.env.FLEETFLIP_REQUIRE_SHELLS).toBe(undefined);
    else execFileSync(found, ['-s', 'sh', AGENT]);
  });
});
