import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FleetEvent } from '../../../src/domain/event.ts';
import { pack } from '../../../src/index.ts';
import { startSshdFleet } from '../sshd/fleet.ts';
import { type Ended, fleetflip, start, summarize } from '../support/command.ts';
import type { TestFleet } from '../support/fleet.ts';
import { compareAll, readLinks } from '../support/inspect.ts';
import { type Nginx, startNginx } from '../support/nginx.ts';
import { until } from '../support/process.ts';
import { makeSmallRelease } from '../support/scenario.ts';

const COMMITTED = { code: 0, outcome: 'committed', failed: {} };
/** To hosts so slow that a run can be met in the middle of it: 3 MB take a minute. */
const SLOW = 'if ($http_user_agent != node) { set $limit_rate 50k; }';

let fleet: TestFleet;
let nginx: Nginx;
let inventory: string;

beforeAll(async () => {
  fleet = await startSshdFleet({ count: 5 });
  nginx = await startNginx(fleet.directory);
  inventory = await fleet.write();
});
afterAll(async () => {
  await nginx?.stop();
  await fleet?.stop();
});

interface Served {
  readonly directory: string;
  readonly path: string;
  readonly release: string;
  readonly size: number;
}

/** A release that nothing makes smaller, packed and served. */
async function serve(name: string): Promise<Served> {
  const directory = await makeSmallRelease(fleet.directory, name);
  await writeFile(join(directory, 'large'), randomBytes(3 << 20));
  const { release, artifact } = await pack(directory, { to: join(nginx.root, `${name}.tar.gz`) });
  return { directory, path: `/${name}.tar.gz`, release: release ?? '', size: artifact.size };
}

function bytes({ result }: Ended): Record<string, readonly [sent: boolean, pulled: boolean]> {
  return Object.fromEntries(
    result.hosts.map(({ name, bytesSent, bytesPulled }) => [name, [bytesSent > 0, bytesPulled > 0]]),
  );
}

function everywhere<T>(value: T): Record<string, T> {
  return Object.fromEntries(fleet.hosts.map(({ name }) => [name, value]));
}

function warnings(events: readonly FleetEvent[]): readonly string[] {
  return events.flatMap(event => (event.kind === 'warning' ? [`${event.host} ${event.code}`] : []));
}

/** Sizes of what hosts have fetched so far. */
async function parts(): Promise<readonly number[]> {
  const look = `cat .foo.fleetflip/pull.* 2>/dev/null | wc -c`;
  return Promise.all(fleet.hosts.map(async ({ root, run }) => Number(await run(`cd '${root}'; ${look}`))));
}

const allBegun = async (): Promise<boolean> => (await parts()).every(size => size > 0);

describe('five real servers and an nginx', () => {
  it('fetch the release themselves, as the plan says', async () => {
    const { directory, path, release, size } = await serve('first');
    const source = await fleet.write({ ...fleet.inventory, source: { url: `${nginx.origin}${path}`, release } });
    const planned = await fleetflip(source, 'plan');
    expect(planned).toMatchObject({ code: 0, result: { release, artifact: { url: `${nginx.origin}${path}`, size } } });
    expect(planned.result.hosts).toMatchObject(fleet.hosts.map(({ name }) => ({ name, send: 0, pullSize: size })));
    const ended = await fleetflip(source, 'deploy');
    expect(summarize(ended)).toEqual(COMMITTED);
    expect(bytes(ended)).toEqual(everywhere([false, true]));
    expect(warnings(ended.events)).toEqual([]);
    expect(await compareAll(directory, fleet)).toEqual({});
    const asked = await nginx.requests();
    expect(asked.map(({ status, range }) => [status, range])).toEqual(fleet.hosts.map(() => [200, '']));
  });

  it('go on where the server cut them off', async () => {
    const { directory, path } = await serve('second');
    await nginx.configure(SLOW);
    const running = start(inventory, 'deploy', `${nginx.origin}${path}`);
    await until('every host has a part of it', allBegun);
    await nginx.configure('');
    const ended = await running.ended;
    expect(summarize(ended)).toEqual(COMMITTED);
    expect(bytes(ended)).toEqual(everywhere([false, true]));
    expect(await compareAll(directory, fleet)).toEqual({});
    const resumed = (await nginx.requests()).filter(one => one.path === path && one.status === 206);
    expect(resumed).toHaveLength(fleet.hosts.length);
    for (const { range } of resumed) expect(range).toMatch(/^bytes=[1-9]\d*-/);
  });

  it('keep what they have when the coordinator is killed, and the next stage goes on with it', async () => {
    const { directory, path, size } = await serve('third');
    const before = await readLinks(fleet);
    await nginx.configure(SLOW);
    const { child, ended } = start(inventory, 'stage', `${nginx.origin}${path}`);
    await until('every host has a part of it', allBegun);
    child.kill('SIGKILL');
    expect((await ended).code).toBeNull();
    await until('no host fetches any more', async () => {
      const first = await parts();
      await Promise.all(fleet.hosts.map(({ run }) => run('sleep 1')));
      return JSON.stringify(first) === JSON.stringify(await parts());
    });
    for (const had of await parts()) expect(had).toBeLessThan(size);
    await nginx.configure('');
    let again = await fleetflip(inventory, 'deploy', `${nginx.origin}${path}`);
    await until('the killed run has let go of its locks', async () => {
      if (again.code === 5) again = await fleetflip(inventory, 'deploy', `${nginx.origin}${path}`);
      return again.code !== 5;
    });
    expect(summarize(again)).toEqual(COMMITTED);
    expect(await readLinks(fleet)).not.toEqual(before);
    for (const { bytesPulled, bytesSent } of again.result.hosts) {
      expect(bytesPulled).toBeLessThan(size);
      expect(bytesSent).toBe(0);
    }
    expect((await nginx.requests()).filter(one => one.path === path && one.status === 206)).toHaveLength(5);
    expect(await parts()).toEqual(fleet.hosts.map(() => 0));
    expect(await compareAll(directory, fleet)).toEqual({});
  });

  it('are sent the release where the server refuses it to them', async () => {
    const { directory, path } = await serve('fourth');
    await nginx.configure('if ($http_user_agent ~ curl) { return 403; }');
    const ended = await fleetflip(inventory, 'deploy', `${nginx.origin}${path}`);
    await nginx.configure('');
    expect(summarize(ended)).toEqual(COMMITTED);
    const refused = fleet.hosts.map(({ name }) => name).filter(name => bytes(ended)[name]?.[0]);
    expect(refused.length).toBeGreaterThan(0);
    expect([...warnings(ended.events)].sort()).toEqual(refused.map(name => `${name} PULL_FAILED`));
    expect(await compareAll(directory, fleet)).toEqual({});
  });

  it('meet none of it when the release at the URL is another one, or none is there', async () => {
    const { path } = await serve('fifth');
    for (const [url, code] of [
      [`${nginx.origin}${path}?token=hush#sha256:${'0'.repeat(64)}`, 'RELEASE_MISMATCH'],
      [`${nginx.origin}/nothing.tar.gz?token=hush`, 'RELEASE_HTTP'],
    ] as const) {
      const ended = await fleetflip(inventory, 'deploy', url);
      expect(ended).toMatchObject({ code: 2, result: { outcome: 'invalid', errors: [{ code }] } });
      expect(JSON.stringify(ended)).not.toContain('hush');
    }
  });
});
