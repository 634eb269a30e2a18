import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FleetEvent } from '../../src/domain/event.ts';
import { deploy, type Result, status } from '../../src/index.ts';
import { AIMERS, UNFIT } from '../support/aimers.ts';
import { type LocalFleet, makeLocalFleet } from '../support/local-fleet.ts';
import { type Meddler, meddle } from '../support/meddler.ts';

/** Each program that waits, and the shell. */
const WAYS = [...AIMERS, 'sh'].map((waits, at) => ({ waits, unfit: AIMERS.slice(0, at) }));

const PATIENTLY = { timeout: 15_000, interval: 10 };

/** Seconds by which an instant is put off, so that it is surely cancelled before it comes. */
const AHEAD = 60;

let local: LocalFleet;
let told: FleetEvent[];
afterEach(() => local.remove());

interface Lateness {
  /** How often web2 acknowledges only when web1 has heard that the instant does not count. */
  readonly times: number;
  /** Whose instant is not put off, and who hears of its cancel only when the link has moved. */
  readonly tooLate?: string;
}

function makeLate({ times, tooLate }: Lateness): Meddler {
  const scheduled = new Map<string, number>();
  let calledOff = 0;
  return {
    async onRequest(host, verb, words) {
      if (host === 'web1' && (verb === 'cancel' || verb === 'revert')) calledOff += 1;
      if (host === tooLate && verb === 'cancel')
        await vi.waitFor(async () => expect(await local.link(host)).not.toBe(null), PATIENTLY);
      if (verb !== 'at') return words;
      const count = (scheduled.get(host) ?? 0) + 1;
      scheduled.set(host, count);
      return count > times || host === tooLate ? words : words.map(time => (Number(time) + AHEAD).toFixed(6));
    },
    async onAnswer(host, verb) {
      const count = scheduled.get(host) ?? 0;
      if (host === 'web2' && verb === 'at' && count <= times)
        await vi.waitFor(() => expect(calledOff).toBeGreaterThanOrEqual(count), PATIENTLY);
    },
  };
}

async function deployLate(lateness: Lateness): Promise<Result> {
  told = [];
  const connector = meddle(local.connector, makeLate(lateness));
  return deploy(local.fleet, await local.release('1', { a: '1' }), { connector, emit: event => told.push(event) });
}

function hostsOf({ hosts }: Result): readonly (readonly [string, string | undefined])[] {
  return hosts.map(({ outcome, error }) => [outcome, error?.code] as const);
}

async function links(): Promise<readonly (string | null)[]> {
  return Promise.all(local.fleet.hosts.map(({ name }) => local.link(name)));
}

describe.each(WAYS)('an instant for which $waits waits', ({ unfit }) => {
  beforeEach(async () => {
    local = await makeLocalFleet(3);
    for (const { name } of local.fleet.hosts) for (const program of unfit) await local.fake(name, program, UNFIT);
  });

  it('is cancelled when a host acknowledges it late, and all flip at another one', async () => {
    const result = await deployLate({ times: 1 });
    expect(result).toMatchObject({ outcome: 'committed', exitCode: 0 });
    expect(await links()).toEqual(['foo_l', 'foo_l', 'foo_l']);
    const failure = expect.objectContaining({ code: 'NOT_ACKNOWLEDGED' });
    expect(told).toContainEqual(expect.objectContaining({ kind: 'host-retried', host: 'web2', attempt: 2, failure }));
    expect(told.filter(event => event.kind === 'host-failed')).toEqual([]);
  });

  it('is the last one when a host was late three times, and the fleet stays as it was', async () => {
    const result = await deployLate({ times: 3 });
    expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    expect(hostsOf(result)).toEqual([
      ['unchanged', undefined],
      ['failed', 'NOT_ACKNOWLEDGED'],
      ['unchanged', undefined],
    ]);
    expect(await links()).toEqual([null, null, null]);
    const { hosts } = await status(local.fleet, { connector: local.connector });
    expect(hosts.map(host => host.idle?.[0]?.role)).toEqual(['staged', 'staged', 'staged']);
  });

  it('is answered with a revert when a link has moved before the cancel came', async () => {
    const result = await deployLate({ times: 1, tooLate: 'web1' });
    expect(result).toMatchObject({ outcome: 'reverted', exitCode: 3 });
    expect(hostsOf(result)).toEqual([
      ['failed', 'MOVED'],
      ['failed', 'NOT_ACKNOWLEDGED'],
      ['unchanged', undefined],
    ]);
    expect(await links()).toEqual([null, null, null]);
  });
});
