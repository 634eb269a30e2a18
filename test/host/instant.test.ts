import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FleetEvent } from '../../src/domain/event.ts';
import { deploy, status } from '../../src/index.ts';
import type { HostClock, HostSession } from '../../src/ports.ts';
import { type Agents, createAgents, readRuns, stageAndLock } from '../support/agent.ts';
import { AIMERS, UNFIT } from '../support/aimers.ts';
import { type LocalFleet, makeLocalFleet } from '../support/local-fleet.ts';
import { findUserlands, type Userland } from '../support/userlands.ts';

/** Each userland with the first program that waits, with the next when that is not fit, and with none. */
const WAYS = findUserlands().flatMap(userland =>
  AIMERS.map((_, unfit) => ({ ...userland, unfit: AIMERS.slice(0, unfit) })).concat({ ...userland, unfit: AIMERS }),
);

const PATIENTLY = { timeout: 30_000 };

let local: LocalFleet;
let agents: Agents;

async function prepare({ path, unfit }: Userland & { unfit: readonly string[] }): Promise<void> {
  local = await makeLocalFleet(1, path);
  agents = createAgents(local);
  for (const program of unfit) await local.fake('web1', program, UNFIT);
}

afterEach(async () => {
  agents.close();
  await local.remove();
});

/** Milliseconds on the host's clock. */
function hostTime({ offset }: HostClock): number {
  if (offset === null) throw new Error('this host has no fine clock');
  return performance.timeOrigin + performance.now() + offset;
}

async function armed(): Promise<{ session: HostSession; clock: HostClock }> {
  const session = await agents.open();
  await session.arm(await stageAndLock(local, session));
  return { session, clock: await session.aim('d') };
}

describe.each(WAYS)('a host under $name without $unfit', way => {
  beforeEach(() => prepare(way));

  it('acknowledges an instant, flips then and not before, and says when', async () => {
    const { session, clock } = await armed();
    const instant = hostTime(clock) + 2_000;
    await session.schedule(instant);
    expect(await local.link('web1')).toBe(null);
    expect(await session.flip('d')).toBeGreaterThanOrEqual(instant - 1);
    expect(await local.link('web1')).toBe('foo_l');
    await session.confirm('d');
    expect(readRuns(local)).toEqual(['d.confirmed']);
  });

  it('refuses an instant that has passed, and goes on', async () => {
    const { session, clock } = await armed();
    await expect(session.schedule(hostTime(clock) - 1_000)).rejects.toThrow(/LATE/);
    expect(await session.revert('d', false)).toBe(false);
    expect(await local.link('web1')).toBe(null);
  });

  it('does not flip when it is reverted before the instant', async () => {
    const { session, clock } = await armed();
    await session.schedule(hostTime(clock) + 3_000);
    expect(await session.revert('d', false)).toBe(false);
    await expect(session.flip('d')).rejects.toThrow(/FLIP_FAILED/);
    expect(await local.link('web1')).toBe(null);
    expect(readRuns(local)).toEqual(['d.reverted']);
  });

  it('does not flip when the instant is cancelled, and flips at another one', async () => {
    const { session, clock } = await armed();
    await session.schedule(hostTime(clock) + 600_000);
    await session.cancel();
    expect(await local.link('web1')).toBe(null);
    const instant = hostTime(clock) + 1_000;
    await session.schedule(instant);
    expect(await session.flip('d')).toBeGreaterThanOrEqual(instant - 1);
    expect(await local.link('web1')).toBe('foo_l');
  });

  it('refuses to cancel an instant that has come', async () => {
    const { session, clock } = await armed();
    await session.schedule(hostTime(clock) + 500);
    await vi.waitFor(async () => expect(await local.link('web1')).toBe('foo_l'), PATIENTLY);
    await expect(session.cancel()).rejects.toThrow(/MOVED/);
    expect(await session.revert('d', false)).toBe(true);
    expect(await local.link('web1')).toBe(null);
  });

  it('does not flip when the requests end before the instant', async () => {
    const { session, clock } = await armed();
    const instant = hostTime(clock) + 1_000;
    await session.schedule(instant);
    session.close();
    await vi.waitFor(() => expect(hostTime(clock)).toBeGreaterThan(instant + 100), PATIENTLY);
    const other = await agents.open();
    expect(await other.revert('d', false)).toBe(false);
    expect(await local.link('web1')).toBe(null);
  });

  it('flips on order where no instant was named, and says that it had moved when it is reverted', async () => {
    const { session } = await armed();
    await session.flip('d');
    expect(await local.link('web1')).toBe('foo_l');
    expect(await session.revert('d', false)).toBe(true);
    expect(await local.link('web1')).toBe(null);
  });
});

describe('a host without a clock that is finer than a second', () => {
  // Bash and busybox have such a clock themselves.
  it.for(findUserlands().filter(({ name }) => name === 'dash'))('flips on order, and the run says so', async dash => {
    await prepare({ ...dash, unfit: AIMERS });
    await local.fake('web1', 'date', 'case $1 in *N*) exec /bin/date +%s ;; esac\nexec /bin/date "$@"');
    const told: FleetEvent[] = [];
    const result = await deploy(local.fleet, await local.release('1', { a: '1' }), {
      connector: local.connector,
      emit: event => told.push(event),
    });
    expect(result).toMatchObject({ outcome: 'committed', flip: { skewMs: null } });
    expect(told).toContainEqual(expect.objectContaining({ kind: 'warning', code: 'NO_FINE_CLOCK', host: 'web1' }));
  });
});

/** Tells its clock, and never acknowledges. */
const DEAF = `id=$3; printf '%s + with perl\\n%s ok\\n' "$id" "$id"
while read -r id verb rest; do
  case $verb in
    now) read -r up rest </proc/uptime; printf '%s + now %s\\n%s ok\\n' "$id" "$up" "$id" ;;
    at) exec sleep 600 ;;
    leave) printf '%s ok\\n' "$id"; exit 0 ;;
  esac
done`;

describe('a host that does not acknowledge the instant', () => {
  it('keeps the whole fleet as it was, and the release stays staged everywhere', async () => {
    local = await makeLocalFleet(3);
    agents = createAgents(local);
    await local.fake('web2', 'perl', DEAF);
    const fleet = { ...local.fleet, strategy: { ...local.fleet.strategy, confirmWithin: 3_000 } };
    const options = { connector: local.connector };
    const source = await local.release('1', { a: '1' });
    const result = await deploy(fleet, source, options);
    expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    expect(result.hosts.map(({ outcome, error }) => [outcome, error?.code])).toEqual([
      ['unchanged', undefined],
      ['failed', 'NOT_ACKNOWLEDGED'],
      ['unchanged', undefined],
    ]);
    for (const { name } of fleet.hosts) expect(await local.link(name)).toBe(null);
    const { hosts } = await status(fleet, options);
    expect(hosts.map(host => host.idle?.[0]?.role)).toEqual(['staged', 'staged', 'staged']);
    await local.unfake('web2');
    expect(await deploy(fleet, source, { ...options, wait: 60_000 })).toMatchObject({ outcome: 'committed' });
  });
});
