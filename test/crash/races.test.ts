import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/engine/prepare.ts';
import { loadAgent, openSession } from '../../src/host/index.ts';
import { deploy, stage } from '../../src/index.ts';
import type { HostSession } from '../../src/ports.ts';
import { type LocalFleet, makeLocalFleet } from '../support/local-fleet.ts';
import { isAlive, readDisk, readGuard } from './disk.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/** Leases and windows, in milliseconds. */
const SHORT = 3_000;
const LONG = 600_000;

/** Of a wait for a condition. */
const PATIENTLY = { timeout: 60_000, interval: 50 };

let local: LocalFleet;
let sessions: HostSession[];
beforeEach(async () => {
  local = await makeLocalFleet(1);
  sessions = [];
  await local.fake('web1', 'mv', holdingMv());
  await local.fake('web1', 'sleep', holdingSleep());
});
afterEach(async () => {
  for (const session of sessions) session.close();
  await local.remove();
});

const gate = (file: string): string => join(local.directory, file);
const link = (): Promise<string | null> => local.link('web1');

async function open(): Promise<HostSession> {
  const [host] = local.fleet.hosts;
  if (host === undefined) throw new Error('no host');
  const connection = await local.connector.connect(host, { signal: new AbortController().signal });
  const random = (): string => Math.random().toString(16).slice(2);
  const start = { connection, host, agent: await loadAgent(), persist: true, random, clock: systemClock };
  const session = await openSession({ ...start, manifests: new Map(), patience: 60_000 });
  sessions.push(session);
  return session;
}

interface Flipped {
  readonly lease: number;
  readonly window: number;
  /** Whether a release was live before. */
  readonly first?: boolean;
}

/** A deployment d1 whose link has moved to the second release, or to the first one ever. */
async function flipped({ lease, window, first = false }: Flipped): Promise<HostSession> {
  if (!first) await deploy(local.fleet, await local.release('1', { a: '1' }), { connector: local.connector });
  const staged = await stage(local.fleet, await local.release('2', { a: '2' }), { connector: local.connector });
  if (staged.release === null) throw new Error('nothing was staged');
  const session = await open();
  await session.lock({ deployment: 'd1', owner: 'x', command: 'deploy', lease });
  const slot = first ? 'foo_l' : 'foo_r';
  const who = { command: 'deploy', owner: 'x', participants: ['web1'], decider: 'web1' };
  await session.arm({ slot, release: staged.release, label: '', deployment: 'd1', window, ...who });
  await session.flip('d1');
  expect(await link()).toBe(slot);
  return session;
}

/** A `mv` with which each process that cancels a flip waits at a gate of its own, 1, 2 and so on, once `hold` exists. */
function holdingMv(): string {
  return `for last; do :; done
case $last in
  */cancelled)
    n=1
    while [ -e '${gate('hold')}' ] && ! mkdir '${gate('held')}'.$n 2>/dev/null; do n=$((n + 1)); done
    while [ -e '${gate('hold')}' ] && [ ! -e '${gate('go')}'.$n ]; do sleep 0.02; done ;;
esac
exec /bin/mv "$@"`;
}

/** A `sleep` that keeps a guard from seeing its deployment armed for as long as `doze` exists. */
function holdingSleep(): string {
  return `[ "$1" != 0.25 ] || while [ -e '${gate('doze')}' ]; do /bin/sleep 0.02; done\nexec /bin/sleep "$@"`;
}

const holdCancels = (): Promise<void> => writeFile(gate('hold'), '');

async function isHeld(number: number): Promise<void> {
  await vi.waitFor(() => expect(existsSync(gate(`held.${number}`))).toBe(true), PATIENTLY);
}

const letGo = (number: number): Promise<void> => writeFile(gate(`go.${number}`), '');

describe('two that revert one host at once', () => {
  it.each([
    { name: 'puts the link back once, and never removes it', first: false, back: 'foo_l' },
    { name: 'removes the link of a first deployment', first: true, back: null },
  ])('$name', async ({ first, back }) => {
    const one = await flipped({ lease: LONG, window: LONG, first });
    const other = await open();
    await holdCancels();
    const slow = one.revert('d1', true);
    await isHeld(1);
    const fast = other.revert('d1', true);
    await isHeld(2);
    await letGo(2);
    await fast;
    await letGo(1);
    await slow;
    expect(await link()).toBe(back);
  });
});

describe('a guard', () => {
  it('ends when its deployment was decided before it looked, and leaves the next one alone', async () => {
    await writeFile(gate('doze'), '');
    const session = await flipped({ lease: LONG, window: SHORT });
    const guard = await readGuard(local.root('web1'), 'foo', 'd1');
    expect(await isAlive(guard)).toBe(true);
    await session.confirm('d1');
    await rm(gate('doze'));
    await vi.waitFor(async () => expect(await isAlive(guard)).toBe(false), PATIENTLY);
    expect(await link()).toBe('foo_r');
  });

  it('answers although the lock was taken from the coordinator that started it', async () => {
    await flipped({ lease: SHORT, window: 2 * SHORT });
    const thief = await open();
    await vi.waitFor(() => thief.lock({ deployment: 'd2', owner: 'y', command: 'deploy', lease: LONG }), PATIENTLY);
    await vi.waitFor(async () => expect(await link()).toBe('foo_l'), PATIENTLY);
    await vi.waitFor(
      async () =>
        expect(await readDisk(local.root('web1'), 'foo')).toMatchObject({ run: { id: 'd1', state: 'reverted' } }),
      PATIENTLY,
    );
  });

  it('and who takes the lock finish one revert together', async () => {
    const coordinator = await flipped({ lease: LONG, window: SHORT });
    await holdCancels();
    await isHeld(1);
    coordinator.close();
    const recoverer = await open();
    const request = { deployment: 'd2', owner: 'y', command: 'recover', lease: LONG };
    const locked = vi.waitFor(() => recoverer.lock(request), PATIENTLY);
    await isHeld(2);
    await letGo(1);
    await vi.waitFor(
      async () => expect((await readDisk(local.root('web1'), 'foo')).run?.state).toBe('reverted'),
      PATIENTLY,
    );
    await letGo(2);
    await locked;
    expect(await link()).toBe('foo_l');
  });
});
