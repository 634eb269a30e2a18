import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  check,
  deploy,
  type Fleet,
  type FleetEvent,
  FleetflipError,
  history,
  lastSentence,
  loadInventory,
  plan,
  rollback,
  status,
} from '../src/index.ts';
import { type EmbeddedFleet, FAKES, startEmbeddedFleet } from './support/embedded.ts';

// Processes start slowly on a machine that is busy with other tests.
vi.setConfig({ testTimeout: 120_000 });

let embedded: EmbeddedFleet;
let fleet: Fleet;
let one: string;
let two: string;
beforeAll(async () => {
  embedded = await startEmbeddedFleet(2);
  fleet = await loadInventory(embedded.inventory);
  one = await embedded.makeRelease('one', { 'index.html': 'one' });
  two = await embedded.makeRelease('two', { 'index.html': 'two' });
});
afterAll(() => embedded.stop());

const printed: string[] = [];
beforeEach(() => {
  printed.length = 0;
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, 'write').mockImplementation(text => {
      printed.push(String(text));
      return true;
    });
  vi.spyOn(process, 'exit').mockImplementation(code => {
    throw new Error(`the library ended the process with ${code}`);
  });
  return () => vi.restoreAllMocks();
});

function links(): Promise<(string | null)[]> {
  return Promise.all(embedded.hosts.map(host => host.readLink()));
}

describe('the library', () => {
  test('does what the commands do, tells events as they happen, and prints nothing', async () => {
    const events: FleetEvent[] = [];
    const first = await deploy(fleet, one, { label: 'v1', emit: event => void events.push(event) });
    expect(lastSentence(first)).toMatch(/^v1 \(sha256:\w{12}\) is live on 2 hosts\.$/);
    expect(events[0]).toMatchObject({ kind: 'run-started', label: 'v1', hosts: ['demo1', 'demo2'] });
    expect(events.at(-1)).toEqual(first);
    expect(await links()).toEqual(['site_l', 'site_l']);
    expect((await plan(fleet, two)).hosts).toMatchObject([{ name: 'demo1', slot: 'site_r' }, { slot: 'site_r' }]);
    expect((await deploy(fleet, two, { label: 'v2' })).outcome).toBe('committed');
    expect(await rollback(fleet)).toMatchObject({ outcome: 'committed' });
    expect((await check(fleet)).outcome).toBe('done');
    expect((await status(fleet)).hosts.map(host => host.live?.label)).toEqual(['v1', 'v1']);
    const { hosts } = await history(fleet, { only: 'demo2' });
    expect(hosts.map(host => host.runs.map(run => run.command))).toEqual([['deploy', 'deploy', 'rollback']]);
    expect(printed).toEqual([]);
  });

  test('throws what is wrong before any host is contacted', async () => {
    const events: FleetEvent[] = [];
    const attempt = deploy(fleet, 'nowhere', { emit: event => void events.push(event) });
    await expect(attempt).rejects.toBeInstanceOf(FleetflipError);
    await expect(status(fleet, { only: 'nobody' })).rejects.toThrow(/ONLY_MATCHES_NOTHING/);
    await expect(deploy(fleet, one, { only: '' })).rejects.toThrow(/names no host/);
    expect([events, printed]).toEqual([[], []]);
  });

  test('ends orderly when its signal is aborted', async () => {
    await embedded.host('demo2').fake('tar', FAKES.stuck);
    const controller = new AbortController();
    const before = await links();
    const result = await deploy(fleet, two, {
      signal: controller.signal,
      emit(event) {
        if (event.kind === 'phase-started' && event.phase === 'stage') setImmediate(() => controller.abort());
      },
    });
    await embedded.host('demo2').unfake('tar');
    expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    expect(await links()).toEqual(before);
    expect((await status(fleet)).hosts.map(host => host.lock)).toEqual([null, null]);
    expect(printed).toEqual([]);
  });
});
