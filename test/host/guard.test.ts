import { existsSync, readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { deploy, history, recover, status } from '../../src/index.ts';
import type { Connector } from '../../src/ports.ts';
import { createLocalConnector } from '../../src/transport/local.ts';
import {
  type Agents,
  createAgents,
  guardPid,
  isRunning,
  LOCK,
  readRuns,
  recordOf,
  stageAndLock,
} from '../support/agent.ts';
import { type LocalFleet, makeLocalFleet } from '../support/local-fleet.ts';
import { findUserlands } from '../support/userlands.ts';

const PATIENT = { timeout: 20_000 };

describe.each(findUserlands())('the guard under $name', ({ path }) => {
  let local: LocalFleet;
  let agents: Agents;
  beforeEach(async () => {
    local = await makeLocalFleet(1, path);
    agents = createAgents(local);
  });
  afterEach(async () => {
    agents.close();
    await local.remove();
  });

  it('puts a link back to the letter when nobody renews it, and tells whoever comes later', async () => {
    await mkdir(join(local.root('web1'), 'foo_r'));
    await writeFile(join(local.root('web1'), 'foo_r', 'a'), 'by hand');
    await symlink('./foo_r/', join(local.root('web1'), 'foo'));
    const session = await agents.open();
    await session.arm({ ...(await stageAndLock(local, session)), window: 500 });
    await session.flip('d');
    expect(await local.link('web1')).toBe('foo_l');
    await vi.waitFor(async () => expect(await local.link('web1')).toBe('./foo_r/'), PATIENT);
    await vi.waitFor(() => expect(readRuns(local)).toEqual(['d.reverted']), PATIENT);
    await expect(session.confirm('d')).rejects.toThrow(/REVERTED/);
    await session.revert('d', true);
    expect((await session.probe('none')).slots[0]).toMatchObject({ slot: 'foo_l', role: 'rejected' });
    const { hosts } = await history(local.fleet, { connector: local.connector });
    expect(hosts[0]?.runs.map(run => run.outcome)).toEqual(['reverted']);
  });

  it('that has fired makes a later flip impossible, and the release stays staged', async () => {
    const session = await agents.open();
    await session.arm({ ...(await stageAndLock(local, session)), window: 300 });
    await vi.waitFor(() => expect(readRuns(local)).toEqual(['d.reverted']), PATIENT);
    await expect(session.flip('d')).rejects.toThrow(/NOT_ARMED/);
    expect(await local.link('web1')).toBe(null);
    expect((await session.probe('none')).slots[0]).toMatchObject({ slot: 'foo_l', role: 'staged' });
  });

  it('waits while it is renewed, and ends when the deployment is confirmed', async () => {
    const session = await agents.open();
    await session.arm({ ...(await stageAndLock(local, session)), window: 4_000 });
    await session.flip('d');
    const pid = guardPid(local);
    const began = Date.now();
    while (Date.now() - began < 6_000) await session.beat();
    expect(await local.link('web1')).toBe('foo_l');
    await session.confirm('d');
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), PATIENT);
    expect([await local.link('web1'), readRuns(local)]).toEqual(['foo_l', ['d.confirmed']]);
  });

  it('outlives the session that started it, and holds none of its descriptors', async () => {
    const session = await agents.open();
    await session.arm({ ...(await stageAndLock(local, session)), window: 3_000 });
    await session.flip('d');
    const descriptors = `/proc/${guardPid(local)}/fd`;
    // Between two substitutions of its own it has nothing open but its script.
    if (existsSync(descriptors)) await vi.waitFor(() => expect(readForeign(descriptors)).toEqual([]), PATIENT);
    session.close();
    await vi.waitFor(async () => expect(await local.link('web1')).toBe(null), PATIENT);
  });

  it('counts on the monotonic clock, whatever the wall clock says', async () => {
    await local.fake('web1', 'date', 'echo 99999999999');
    const session = await agents.open();
    await session.arm({ ...(await stageAndLock(local, session)), window: 60_000 });
    await session.flip('d');
    await local.fake('web1', 'date', 'echo 1');
    const { deployment } = await session.probe('none');
    expect(deployment?.guard).toMatchObject({ alive: true });
    expect(deployment?.guard?.remaining).toBeGreaterThan(30_000);
    await session.confirm('d');
    expect(await local.link('web1')).toBe('foo_l');
  });

  it('needs no space on the disk, and neither does a revert or a confirm', async () => {
    const session = await agents.open();
    await session.arm({ ...(await stageAndLock(local, session)), window: 60_000 });
    const full = await agents.open(await fillDisk(local, path));
    await session.flip('d');
    await full.revert('d', true);
    expect([await local.link('web1'), readRuns(local)]).toEqual([null, ['d.reverted']]);
    expect((await session.probe('none')).slots[0]).toMatchObject({ role: 'rejected' });
  });

  it('that was killed between its decision and its deed is finished by whoever locks next', async () => {
    const session = await agents.open();
    await session.arm(await stageAndLock(local, session));
    await session.flip('d');
    process.kill(guardPid(local), 'SIGKILL');
    await session.unlock();
    const [run = ''] = readdirSync(recordOf(local)).filter(name => name.startsWith('run.'));
    renameSync(recordOf(local, run), recordOf(local, run.replace(/armed$/, 'reverting')));
    expect(await local.link('web1')).toBe('foo_l');
    await (await agents.open()).lock({ deployment: 'e', ...LOCK });
    expect([await local.link('web1'), readRuns(local)]).toEqual([null, ['d.reverted']]);
  });

  it('that is gone is seen by status, and recover settles the host', async () => {
    const session = await agents.open();
    await session.arm(await stageAndLock(local, session));
    await session.flip('d');
    process.kill(guardPid(local), 'SIGKILL');
    session.close();
    const seen = await status(local.fleet, { connector: local.connector });
    expect(seen).toMatchObject({
      settled: false,
      hosts: [{ deployment: { id: 'd', state: 'flipped', guard: { alive: false } } }],
    });
    expect(await recover(local.fleet, { connector: local.connector })).toMatchObject({ outcome: 'settled' });
    expect(await local.link('web1')).toBe(null);
  });

  it('races a confirm with one winner, and the other learns it', async () => {
    const session = await agents.open();
    const other = await agents.open();
    const request = await stageAndLock(local, session);
    for (let turn = 0; turn < 12; turn++) {
      const deployment = `d${turn}`;
      await session.arm({ ...request, deployment });
      await session.flip(deployment);
      const answers = await Promise.allSettled([session.confirm(deployment), other.revert(deployment, false)]);
      const committed = answers[0].status === 'fulfilled';
      expect(answers[1].status).toBe(committed ? 'rejected' : 'fulfilled');
      expect(readRuns(local).filter(run => run.startsWith(`${deployment}.`))).toEqual([
        `${deployment}.${committed ? 'confirmed' : 'reverted'}`,
      ]);
      if (committed) return;
    }
  });

  it('never lets a flip through that was ordered before a revert', async () => {
    const session = await agents.open();
    const other = await agents.open();
    const request = await stageAndLock(local, session);
    for (let turn = 0; turn < 12; turn++) {
      const deployment = `d${turn}`;
      await session.arm({ ...request, deployment });
      await Promise.allSettled([session.flip(deployment), other.revert(deployment, false)]);
      expect(await local.link('web1')).toBe(null);
    }
  });

  it('is not believed where the record was cut, and nothing is staged over it', async () => {
    const session = await agents.open();
    await session.arm(await stageAndLock(local, session));
    await session.flip('d');
    await session.unlock();
    const [run = ''] = readdirSync(recordOf(local)).filter(name => name.startsWith('run.'));
    await truncate(recordOf(local, run), readFileSync(recordOf(local, run)).length - 20);
    const options = { connector: local.connector };
    expect((await status(local.fleet, options)).hosts[0]?.deployment).toMatchObject({ state: 'torn' });
    const source = await local.release('2', { a: '2' });
    expect(await deploy(local.fleet, source, options)).toMatchObject({ outcome: 'unknown', exitCode: 4 });
    expect(await recover(local.fleet, options)).toMatchObject({ outcome: 'unknown', exitCode: 4 });
    expect(await local.link('web1')).toBe('foo_l');
  });
});

describe('a host whose mv is another one', () => {
  it('flips by a rename into the parent where mv parses -T and then refuses, as toybox does', async () => {
    const local = await makeLocalFleet(1);
    const agents = createAgents(local);
    await local.fake('web1', 'mv', 'case $1 in -*T*) exit 1 ;; esac\nexec /bin/mv "$@"');
    const session = await agents.open();
    expect((await session.probe('none')).rename).toBe('mv-into');
    await session.arm(await stageAndLock(local, session));
    await session.flip('d');
    expect(await local.link('web1')).toBe('foo_l');
    await session.revert('d', true);
    expect(await local.link('web1')).toBe(null);
    agents.close();
    await local.remove();
  });
});

/** What a process has open beside its script and what this one was started with. */
function readForeign(descriptors: string): readonly string[] {
  const inherited = readTargets('/proc/self/fd');
  return readTargets(descriptors).filter(file => !inherited.includes(file) && !file.includes('/agent-'));
}

function readTargets(descriptors: string): readonly string[] {
  return readdirSync(descriptors).flatMap(fd => {
    try {
      return [readlinkSync(join(descriptors, fd))];
    } catch {
      return [];
    }
  });
}

/** Hosts whose commands can write no byte more into any file. */
async function fillDisk(local: LocalFleet, path: string): Promise<Connector> {
  const shell = join(local.directory, 'full.sh');
  writeFileSync(shell, '#!/bin/sh\ntrap "" XFSZ\nulimit -f 0\nexec /bin/sh "$@"\n');
  await chmod(shell, 0o755);
  return createLocalConnector({ shell, env: { ...process.env, PATH: path } });
}
