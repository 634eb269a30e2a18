import { readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { stage, status, unlock } from '../../src/index.ts';
import type { StageRequest } from '../../src/ports.ts';
import { type Agents, createAgents, holderPid, isRunning, LOCK, recordOf, stageAndLock } from '../support/agent.ts';
import { type LocalFleet, makeLocalFleet } from '../support/local-fleet.ts';
import { findUserlands } from '../support/userlands.ts';

const PATIENT = { timeout: 20_000 };

const STAGING: StageRequest = {
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

describe.each(findUserlands())('the lock under $name', ({ path }) => {
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

  it('is taken over when its holder does not beat, who can then neither beat nor stage nor arm nor flip', async () => {
    const [one, other] = [await agents.open(), await agents.open()];
    const arming = await stageAndLock(local, one);
    await one.unlock();
    await one.lock({ deployment: 'd', ...LOCK, lease: 200 });
    await vi.waitFor(() => other.lock({ deployment: 'e', ...LOCK }), PATIENT);
    await expect(one.beat()).rejects.toThrow(/NOT_LOCKED/);
    const third = await agents.open();
    await expect(third.stage(STAGING)).rejects.toThrow(/NOT_LOCKED/);
    await expect(third.arm(arming)).rejects.toThrow(/NOT_LOCKED/);
    expect((await other.probe('none')).lock).toMatchObject({ deployment: 'e', alive: true });
  });

  it('stays with a holder that beats, however long', async () => {
    const [one, other] = [await agents.open(), await agents.open()];
    await one.lock({ deployment: 'd', ...LOCK, lease: 400 });
    for (const end = Date.now() + 1_200; Date.now() < end; ) {
      await one.beat();
      await expect(other.lock({ deployment: 'e', ...LOCK })).rejects.toThrow(/LOCKED/);
    }
  });

  it('is free at once when its holder was killed, and when the host has booted since', async () => {
    const [one, other] = [await agents.open(), await agents.open()];
    await one.lock({ deployment: 'd', ...LOCK });
    const pid = holderPid(local);
    process.kill(pid, 'SIGKILL');
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), PATIENT);
    await other.lock({ deployment: 'e', ...LOCK });
    const newest = recordOf(local, 'locks/g.2');
    const [pidText, start, , ...rest] = readlinkSync(newest).split(' ');
    rmSync(newest);
    symlinkSync([pidText, start, 'another-boot', ...rest].join(' '), newest);
    expect((await status(local.fleet, { connector: local.connector })).hosts[0]?.lock).toBe(null);
    await (await agents.open()).lock({ deployment: 'f', ...LOCK });
  });

  it('goes to one of several that ask at once, again and again', async () => {
    const sessions = await Promise.all([1, 2, 3, 4].map(() => agents.open()));
    for (let turn = 0; turn < 5; turn++) {
      const asked = sessions.map((session, at) => session.lock({ deployment: `d${turn}-${at}`, ...LOCK }));
      const won = (await Promise.allSettled(asked)).map(answer => answer.status === 'fulfilled');
      expect(won.filter(Boolean).length).toBe(1);
      await sessions[won.indexOf(true)]?.unlock();
    }
  });

  it('ends what an earlier holder left writing before it is given, orphans included', async () => {
    const one = await agents.open();
    await one.lock({ deployment: 'd', ...LOCK, lease: 200 });
    const endless = Readable.from(neverEnding());
    const staging = one.stage({ ...STAGING, archive: () => endless });
    staging.catch(() => undefined);
    const writer = await vi.waitFor(() => findWriter(local, 'tar'), PATIENT);
    process.kill(writer.shell, 'SIGKILL');
    const other = await agents.open();
    await vi.waitFor(() => other.lock({ deployment: 'e', ...LOCK }), PATIENT);
    expect(isRunning(writer.child)).toBe(false);
    endless.destroy();
    await expect(staging).rejects.toThrow();
    expect(readdirSync(recordOf(local, 'locks')).filter(name => name === `w.${writer.shell}`)).toEqual([]);
  });

  it('ends a check that has outlived its session before it is given', async () => {
    const one = await agents.open();
    await stageAndLock(local, one);
    await one.unlock();
    await one.lock({ deployment: 'd', ...LOCK, lease: 200 });
    const noted = join(local.directory, 'check');
    const check = one.run('foo_l', {
      run: `echo $$ >'${noted}.new'; mv '${noted}.new' '${noted}'; sleep 600`,
      within: 600_000,
    });
    check.catch(() => undefined);
    const pid = await vi.waitFor(() => Number(readFileSync(noted, 'utf8')), PATIENT);
    process.kill(Number(readProcess(String(pid))[1]), 'SIGKILL');
    const other = await agents.open();
    await vi.waitFor(() => other.lock({ deployment: 'e', ...LOCK }), PATIENT);
    expect(isRunning(pid)).toBe(false);
    await expect(check).rejects.toThrow();
    expect(readdirSync(recordOf(local, 'locks')).filter(name => name === `w.${pid}`)).toEqual([]);
  });

  it('that was broken by force leaves its holder unable to stage', async () => {
    const one = await agents.open();
    await one.lock({ deployment: 'd', ...LOCK });
    const options = { connector: local.connector };
    expect(await unlock(local.fleet, { ...options, confirm: async () => true })).toMatchObject({ outcome: 'done' });
    await expect(one.stage(STAGING)).rejects.toThrow();
    const source = await local.release('2', { a: '2' });
    expect(await stage(local.fleet, source, options)).toMatchObject({ outcome: 'staged' });
  });

  it('is not broken while a deployment is open', async () => {
    const one = await agents.open();
    await one.arm(await stageAndLock(local, one));
    const result = await unlock(local.fleet, { connector: local.connector, confirm: async () => true });
    expect(result).toMatchObject({ exitCode: 1, hosts: [{ error: { code: 'UNSETTLED' } }] });
    await one.flip('d');
    await one.confirm('d');
  });
});

async function* neverEnding(): AsyncGenerator<Buffer> {
  yield Buffer.alloc(512);
  await new Promise(() => undefined);
}

interface Writer {
  readonly shell: number;
  readonly child: number;
}

/** A shell that noted itself as a writer, and a program of that name below it. */
function findWriter(local: LocalFleet, program: string): Writer {
  const processes = readdirSync('/proc').filter(name => /^\d+$/.test(name));
  for (const name of readdirSync(recordOf(local, 'locks')).filter(one => one.startsWith('w.'))) {
    const shell = Number(name.slice(2));
    for (const pid of processes) {
      const [command = '', parent] = readProcess(pid);
      if (command === program && leadsTo(Number(parent), shell)) return { shell, child: Number(pid) };
    }
  }
  throw new Error(`no ${program} writes yet`);
}

function leadsTo(pid: number, ancestor: number): boolean {
  if (pid === ancestor) return true;
  return pid > 1 && leadsTo(Number(readProcess(String(pid))[1]), ancestor);
}

/** Its name and its parent's number. */
function readProcess(pid: string): readonly (string | undefined)[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return [/\((.*)\)/s.exec(stat)?.[1], stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]];
  } catch {
    return [];
  }
}
