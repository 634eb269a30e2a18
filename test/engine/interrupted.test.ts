import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FleetEvent } from '../../src/domain/event.ts';
import type { Fleet, Host } from '../../src/domain/fleet.ts';
import { deploy, flip, recover, stage, status } from '../../src/index.ts';
import type { Connector } from '../../src/ports.ts';
import { createAgents, LOCK } from '../support/agent.ts';
import { type LocalFleet, makeLocalFleet } from '../support/local-fleet.ts';

const PATIENT = { timeout: 20_000 };

let local: LocalFleet;
beforeEach(async () => {
  local = await makeLocalFleet(3);
});
afterEach(() => local.remove());

/** As its guard would. */
async function revertByHand(host: Host, deployment: string): Promise<void> {
  const agents = createAgents({ ...local, fleet: { ...local.fleet, hosts: [host] } });
  await (await agents.open()).revert(deployment, false);
  agents.close();
}

const links = (): Promise<(string | null)[]> => Promise.all(local.fleet.hosts.map(host => local.link(host.name)));

/** A run that is interrupted by the operator as soon as an event of that kind comes. */
async function interruptedAt(kind: FleetEvent['kind'], run: (options: object) => Promise<unknown>): Promise<unknown> {
  const controller = new AbortController();
  const emit = (event: FleetEvent): void => {
    if (event.kind === kind) controller.abort();
  };
  return run({ connector: local.connector, signal: controller.signal, emit });
}

describe('a run that is interrupted', () => {
  it('leaves every link alone up to the barrier, and the locks are free', async () => {
    const source = await local.release('1', { a: '1' });
    expect(await interruptedAt('progress', options => deploy(local.fleet, source, options))).toMatchObject({
      outcome: 'unchanged',
      exitCode: 1,
    });
    expect(await links()).toEqual([null, null, null]);
    expect(await deploy(local.fleet, source, { connector: local.connector })).toMatchObject({ outcome: 'committed' });
  });

  it('changes nothing when it was interrupted before it began', async () => {
    const source = await local.release('1', { a: '1' });
    const result = await deploy(local.fleet, source, { connector: local.connector, signal: AbortSignal.abort() });
    expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    expect(await links()).toEqual([null, null, null]);
  });

  it('puts back what was flipped before it is decided', async () => {
    const source = await local.release('1', { a: '1' });
    expect(await interruptedAt('flipped', options => deploy(local.fleet, source, options))).toMatchObject({
      outcome: 'reverted',
      exitCode: 3,
    });
    expect(await links()).toEqual([null, null, null]);
    expect(await status(local.fleet, { connector: local.connector })).toMatchObject({ settled: true, split: false });
  });

  it('goes on to the end once the commit is decided', async () => {
    const source = await local.release('1', { a: '1' });
    expect(await interruptedAt('confirmed', options => deploy(local.fleet, source, options))).toMatchObject({
      outcome: 'committed',
      exitCode: 0,
    });
    expect(await links()).toEqual(['foo_l', 'foo_l', 'foo_l']);
  });
});

describe('a fleet whose coordinator has vanished', () => {
  const impatient = (): Fleet => ({ ...local.fleet, strategy: { ...local.fleet.strategy, confirmWithin: 2_000 } });

  /** Flips two of three hosts by hand, and goes away. */
  async function vanish(window: number): Promise<void> {
    const { release } = await stage(local.fleet, await local.release('1', { a: '1' }), { connector: local.connector });
    const names = local.fleet.hosts.map(host => host.name);
    for (const [at, host] of local.fleet.hosts.entries()) {
      const agents = createAgents({ ...local, fleet: { ...local.fleet, hosts: [host] } });
      const session = await agents.open();
      await session.lock({ deployment: 'd', ...LOCK });
      const run = { slot: 'foo_l', release: release ?? '', label: '', deployment: 'd', command: 'flip', owner: 'o' };
      await session.arm({ ...run, participants: names, decider: 'web1', window });
      if (at < 2) await session.flip('d');
      agents.close();
    }
  }

  it('goes back by itself, and the next deploy needs nobody', async () => {
    await vanish(1_000);
    await vi.waitFor(async () => expect(await links()).toEqual([null, null, null]), PATIENT);
    const options = { connector: local.connector };
    await vi.waitFor(async () => expect((await status(local.fleet, options)).settled).toBe(true), PATIENT);
    expect(await flip(local.fleet, options)).toMatchObject({ outcome: 'unchanged' });
    expect(await deploy(local.fleet, await local.release('2', { a: '2' }), options)).toMatchObject({
      outcome: 'committed',
    });
  });

  it('is refused to a new deploy that names recover, which settles it while the guards still tick', async () => {
    await vanish(60_000);
    const options = { connector: local.connector };
    const source = await local.release('2', { a: '2' });
    const refused = await deploy(local.fleet, source, options);
    expect(refused).toMatchObject({ outcome: 'unknown', exitCode: 4 });
    expect(refused.hosts[0]?.error).toMatchObject({ code: 'UNSETTLED', hint: expect.stringContaining('recover') });
    expect(await recover(local.fleet, options)).toMatchObject({ outcome: 'settled', exitCode: 0 });
    expect(await links()).toEqual([null, null, null]);
    expect(await recover(local.fleet, options)).toMatchObject({ outcome: 'current', exitCode: 0 });
    expect(await deploy(local.fleet, source, options)).toMatchObject({ outcome: 'committed' });
  });

  it('is flipped forward by recover where the decider had committed and guards won elsewhere', async () => {
    await vanish(60_000);
    const first = createAgents(local);
    await (await first.open()).confirm('d');
    first.close();
    for (const host of local.fleet.hosts.slice(1)) {
      const agents = createAgents({ ...local, fleet: { ...local.fleet, hosts: [host] } });
      await (await agents.open()).revert('d', false);
      agents.close();
    }
    expect(await links()).toEqual(['foo_l', null, null]);
    const options = { connector: local.connector };
    expect(await status(local.fleet, options)).toMatchObject({ split: true, settled: false });
    const source = await local.release('2', { a: '2' });
    expect(await deploy(local.fleet, source, options)).toMatchObject({ outcome: 'unknown', exitCode: 4 });
    expect(await recover(local.fleet, { ...options, only: 'web3' })).toMatchObject({ outcome: 'settled', exitCode: 0 });
    expect(await links()).toEqual(['foo_l', 'foo_l', 'foo_l']);
    expect(await deploy(local.fleet, source, options)).toMatchObject({ outcome: 'committed' });
  });

  it('is left alone by recover while the decider cannot be read', async () => {
    await vanish(60_000);
    const { connector } = local;
    const blind = {
      ...connector,
      connect: (...[host, options]: Parameters<typeof connector.connect>) =>
        host.name === 'web1' ? Promise.reject(new Error('no route')) : connector.connect(host, options),
    };
    expect(await recover(local.fleet, { connector: blind })).toMatchObject({ outcome: 'unknown', exitCode: 4 });
    expect(await links()).toEqual(['foo_l', 'foo_l', null]);
    expect(await recover(impatient(), { connector })).toMatchObject({ outcome: 'settled' });
  });
});

describe('a host that reverts by itself while the commit is decided', () => {
  it('is flipped forward over a new session, which takes its lock anew', async () => {
    const { connector } = local;
    const source = await local.release('1', { a: '1' });
    let deployment = '';
    let cut = (): void => undefined;
    let lost = false;
    const cutting: Connector = {
      ...connector,
      async connect(host, options) {
        if (host.name === 'web3' && lost) await revertByHand(host, deployment);
        const connection = await connector.connect(host, options);
        if (host.name === 'web3') cut = () => connection.close();
        return connection;
      },
    };
    const emit = (event: FleetEvent): void => {
      if (event.kind === 'run-started') deployment = event.deployment;
      if (event.kind !== 'phase-started' || event.phase !== 'confirm') return;
      lost = true;
      cut();
    };
    expect(await deploy(local.fleet, source, { connector: cutting, emit })).toMatchObject({
      outcome: 'committed',
      hosts: Array(3).fill({ outcome: 'confirmed' }),
    });
    expect(lost).toBe(true);
    expect(await links()).toEqual(['foo_l', 'foo_l', 'foo_l']);
    const seen = await status(local.fleet, { connector });
    expect(seen).toMatchObject({ settled: true, hosts: Array(3).fill({ lock: null }) });
  });
});

describe('a fleet that another deployment holds', () => {
  it('is refused, with its holder named, and nothing stays locked elsewhere', async () => {
    const agents = createAgents({ ...local, fleet: { ...local.fleet, hosts: local.fleet.hosts.slice(1, 2) } });
    await (await agents.open()).lock({ deployment: 'd', ...LOCK, owner: 'ann@laptop' });
    const options = { connector: local.connector };
    const refused = await deploy(local.fleet, await local.release('1', { a: '1' }), options);
    expect(refused).toMatchObject({ outcome: 'locked', exitCode: 5 });
    expect(refused.hosts[1]?.error).toMatchObject({ code: 'LOCKED', what: expect.stringContaining('ann@laptop') });
    expect(await recover(local.fleet, options)).toMatchObject({ outcome: 'locked', exitCode: 5 });
    const seen = await status(local.fleet, options);
    expect(seen.hosts.map(host => host.lock?.deployment ?? null)).toEqual([null, 'd', null]);
    agents.close();
  });

  it('is waited for, when that is wanted, until it is free', async () => {
    const agents = createAgents({ ...local, fleet: { ...local.fleet, hosts: local.fleet.hosts.slice(1, 2) } });
    const holder = await agents.open();
    await holder.lock({ deployment: 'd', ...LOCK });
    const retried: string[] = [];
    const emit = (event: FleetEvent): void => {
      if (event.kind !== 'host-retried') return;
      retried.push(event.failure.code);
      if (retried.length === 2) void holder.unlock();
    };
    const source = await local.release('1', { a: '1' });
    const result = await deploy(local.fleet, source, { connector: local.connector, wait: 60_000, emit });
    expect(result).toMatchObject({ outcome: 'committed', exitCode: 0 });
    expect(retried.slice(0, 2)).toEqual(['LOCKED', 'LOCKED']);
    agents.close();
  });

  it('is waited for by recover too', async () => {
    const agents = createAgents({ ...local, fleet: { ...local.fleet, hosts: local.fleet.hosts.slice(1, 2) } });
    const holder = await agents.open();
    await holder.lock({ deployment: 'd', ...LOCK });
    let retried = 0;
    const emit = (event: FleetEvent): void => {
      if (event.kind === 'host-retried' && ++retried === 2) void holder.unlock();
    };
    const options = { connector: local.connector, emit };
    expect(await recover(local.fleet, { ...options, wait: 60_000 })).toMatchObject({ outcome: 'current', exitCode: 0 });
    expect(retried).toBeGreaterThan(1);
    await holder.lock({ deployment: 'e', ...LOCK });
    expect(await recover(local.fleet, { ...options, wait: 300 })).toMatchObject({ outcome: 'locked', exitCode: 5 });
    agents.close();
  });

  it('is given up when the time to wait is over', async () => {
    const agents = createAgents({ ...local, fleet: { ...local.fleet, hosts: local.fleet.hosts.slice(1, 2) } });
    await (await agents.open()).lock({ deployment: 'd', ...LOCK });
    const source = await local.release('1', { a: '1' });
    const result = await deploy(local.fleet, source, { connector: local.connector, wait: 300 });
    expect(result).toMatchObject({ outcome: 'locked', exitCode: 5 });
    agents.close();
  });
});
