import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FleetEvent } from '../../src/domain/event.ts';
import { deploy, type Result, status } from '../../src/index.ts';
import { AIMERS, UNFIT } from '../support/aimers.ts';
import { makeLate } from '../support/lateness.ts';
import { type LocalFleet, makeLocalFleet } from '../support/local-fleet.ts';
import { type Meddler, meddle } from '../support/meddler.ts';

/** Each program that waits, and the shell. */
const WAYS = [...AIMERS, 'sh'].map((waits, at) => ({ waits, unfit: AIMERS.slice(0, at) }));

const PATIENTLY = { timeout: 15_000, interval: 10 };

let local: LocalFleet;
let told: FleetEvent[];
afterEach(() => local.remove());

/** @param times how often web2 is late */
async function deployLate(times: number, alter = (late: Meddler): Meddler => late): Promise<Result> {
  told = [];
  const connector = meddle(local.connector, alter(makeLate({ host: 'web2', times, putOff: 60 })));
  return deploy(local.fleet, await local.release('1', { a: '1' }), { connector, emit: event => told.push(event) });
}

/** Its instant comes in time, and it hears of the cancel only when its link has moved. */
function movesFirst(mover: string, late: Meddler): Meddler {
  return {
    ...late,
    async onRequest(host, verb, words) {
      const altered = await late.onRequest(host, verb, words);
      if (host !== mover) return altered;
      if (verb === 'cancel') await vi.waitFor(async () => expect(await local.link(host)).not.toBe(null), PATIENTLY);
      return words;
    },
  };
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
    const result = await deployLate(1);
    expect(result).toMatchObject({ outcome: 'committed', exitCode: 0 });
    expect(await links()).toEqual(['foo_l', 'foo_l', 'foo_l']);
    const failure = expect.objectContaining({ code: 'NOT_ACKNOWLEDGED' });
    expect(told).toContainEqual(expect.objectContaining({ kind: 'host-retried', host: 'web2', attempt: 2, failure }));
    expect(told.filter(event => event.kind === 'host-failed')).toEqual([]);
  });

  it('is the last one when a host was late three times, and the fleet stays as it was', async () => {
    const result = await deployLate(3);
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
    const result = await deployLate(1, late => movesFirst('web1', late));
    expect(result).toMatchObject({ outcome: 'reverted', exitCode: 3 });
    expect(hostsOf(result)).toEqual([
      ['failed', 'MOVED'],
      ['failed', 'NOT_ACKNOWLEDGED'],
      ['unchanged', undefined],
    ]);
    expect(await links()).toEqual([null, null, null]);
  });
});
