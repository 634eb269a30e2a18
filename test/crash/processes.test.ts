import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createSsh2Connector } from '../../src/transport/index.ts';
import { type EmbeddedHost, startEmbeddedFleet } from '../support/embedded.ts';
import { concludeByRecover } from './aftermath.ts';
import { APP, type Arena, findOthers, setUp } from './arena.ts';
import { readGuard } from './disk.ts';
import { leaveBehind } from './leftover.ts';
import { strikeAt } from './strike.ts';
import { awaitGuards, awaitLocks, judgeLinks } from './verdict.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let arena: Arena<EmbeddedHost>;
beforeAll(async () => {
  arena = await setUp(await startEmbeddedFleet(3));
});
afterAll(async () => {
  const { violations } = await arena.stopWatching();
  await arena.stop();
  expect(violations).toEqual([]);
});

const host = (name: string): EmbeddedHost => {
  const found = arena.hosts.find(one => one.name === name);
  if (found === undefined) throw new Error(`there is no host ${name}`);
  return found;
};

/** Processes of the agent on a host that run the verb under a lock. */
function findAgents(name: string, verb: 'serve' | 'receive'): readonly number[] {
  const locks = join(host(name).root, `.${APP}.fleetflip`, 'locks');
  const pids = readdirSync(locks).flatMap(file => /^w\.(\d+)$/.exec(file)?.[1] ?? []);
  return pids.map(Number).filter(pid => readCommand(pid).includes(` ${verb} `));
}

function readCommand(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/** The process that holds a host's lock. */
function findHolder(name: string): number {
  const locks = join(host(name).root, `.${APP}.fleetflip`, 'locks');
  const newest = Math.max(...readdirSync(locks).flatMap(file => Number(/^g\.(\d+)$/.exec(file)?.[1] ?? 0)));
  return Number(readlinkSync(join(locks, `g.${newest}`)).split(' ')[0]);
}

const kill = (pid: number): void => void process.kill(pid, 'SIGKILL');

describe('a run whose agent is killed on a host', () => {
  it.each([
    { who: 'the session', point: 'demo2 channel-1 asks flip', find: () => findAgents('demo2', 'serve') },
    { who: 'the session', point: 'demo2 channel-1 hears flip', find: () => findAgents('demo2', 'serve') },
    { who: 'the session', point: 'demo1 channel-1 asks confirm', find: () => findAgents('demo1', 'serve') },
    { who: 'the session', point: 'demo3 channel-1 asks confirm', find: () => findAgents('demo3', 'serve') },
    { who: 'the lock', point: 'demo2 channel-1 asks flip', find: () => [findHolder('demo2')] },
    { who: 'the lock', point: 'demo1 channel-2 asks beat', find: () => [findHolder('demo1')] },
    { who: 'the lock', point: 'demo3 channel-1 asks confirm', find: () => [findHolder('demo3')] },
  ])('tells the truth and settles: $who at $point', async ({ who, point, find }) => {
    const { violations, reached } = await strikeAt(arena, {
      name: `kill ${who}`,
      point,
      fleet: arena.hasty,
      connector: createSsh2Connector({ env: {}, home: '/', username: 'demo' }),
      strike() {
        for (const pid of find()) kill(pid);
      },
      heal: () => undefined,
    });
    expect(violations).toEqual([]);
    expect(reached).toBe(true);
  });
});

describe('what an old run left', () => {
  it('is ended before the next one stages: an orphaned tar writes nothing any more', async () => {
    const { root, directory, fake, unfake } = host('demo2');
    const [started, go] = [join(directory, 'started'), join(directory, 'go')];
    const slow = `case "$*" in *-xopf*) cat >/dev/null; : >'${started}'
while [ ! -e '${go}' ]; do sleep 0.02; done; echo late >late.txt; echo done >'${started}' ;;
*) PATH=\${PATH#*:}; exec tar "$@" ;; esac`;
    await fake('tar', slow);
    const release = await arena.makeRelease();
    const run = arena.prepare({ command: 'deploy', source: release.path, killAt: null });
    await run.ready;
    run.send('go\n');
    await vi.waitFor(() => readFile(started), { timeout: 30_000 });
    const [receiver] = findAgents('demo2', 'receive');
    if (receiver === undefined) throw new Error('nothing is received');
    const orphans = findSession(receiver).filter(pid => pid !== receiver);
    expect(orphans.length).toBeGreaterThan(0);
    kill(run.pid);
    kill(receiver);
    await run.end;
    await unfake('tar');
    await awaitLocks(arena);
    expect(await arena.deploy(release)).toMatchObject({ outcome: 'committed' });
    await writeFile(go, '');
    expect(findSession(receiver)).toEqual([]);
    expect(await findOthers(arena, release)).toEqual([]);
    expect(readdirSync(root)).not.toContain('late.txt');
  });

  it('is refused by deploy and settled by recover when the guards were killed', async () => {
    const release = await leaveBehind(arena, 'demo2 channel-1 hears flip');
    await awaitLocks(arena);
    for (const [name, { run }] of await arena.readDisks()) kill(await readGuard(host(name).root, APP, run?.id ?? ''));
    expect(await arena.deploy(release)).toMatchObject({ exitCode: 4 });
    expect(await concludeByRecover(arena, { before: new Map(), release })).toEqual([]);
  });

  it('is settled when two recover at once', async () => {
    for (const leftover of ['demo2 channel-1 hears flip', 'demo1 channel-1 hears confirm']) {
      const release = await leaveBehind(arena, leftover);
      await awaitLocks(arena);
      const both = await Promise.all([arena.recover(), arena.recover()]);
      expect(both.map(({ exitCode }) => exitCode).filter(code => code !== 0 && code !== 5)).toEqual([]);
      expect(await concludeByRecover(arena, { before: new Map(), release })).toEqual([]);
    }
  });
});

describe('two deployers at once', () => {
  it('one wins or both back off, and the fleet is on one release', async () => {
    const releases = [await arena.makeRelease(), await arena.makeRelease()];
    const results = await Promise.all(releases.map(release => arena.deploy(release)));
    expect(results.map(({ exitCode }) => exitCode).filter(code => code !== 0 && code !== 5)).toEqual([]);
    expect(results.filter(({ exitCode }) => exitCode === 0).length).toBeLessThanOrEqual(1);
    expect(judgeLinks(await awaitGuards(arena))).toEqual([]);
  });

  it('both get their turn when they wait', async () => {
    const releases = [await arena.makeRelease(), await arena.makeRelease()];
    const results = await Promise.all(releases.map(release => arena.deploy(release, { wait: 120_000 })));
    expect(results.map(({ outcome }) => outcome)).toEqual(['committed', 'committed']);
    expect(judgeLinks(await awaitGuards(arena))).toEqual([]);
    const served = await Promise.all(releases.map(release => findOthers(arena, release)));
    expect(served.map(others => others.length).sort()).toEqual([0, 3]);
  });
});

function findSession(leader: number): readonly number[] {
  const pids = readdirSync('/proc').filter(name => /^\d+$/.test(name));
  return pids.map(Number).filter(pid => readSession(pid) === leader);
}

/** Null for a process that has ended. */
function readSession(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? null : Number(fields[3]);
  } catch {
    return null;
  }
}
