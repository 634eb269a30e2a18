import { execFileSync } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FleetEvent, Result } from '../../src/domain/event.ts';
import { check, deploy, history, plan, stage } from '../../src/index.ts';
import { type ArtifactServer, MISDEEDS, startArtifactServer } from '../support/artifact-server.ts';
import { makeArtifact } from '../support/artifacts.ts';
import { failureOf } from '../support/failures.ts';
import { type LocalFleet, makeLocalFleet, readTree } from '../support/local-fleet.ts';
import { pathWithout } from '../support/path-without.ts';
import { findUserlands } from '../support/userlands.ts';

const PATH = process.env.PATH ?? '';

/** Every shell, and every program that fetches; on a machine without one of them the others. */
const HOSTS = findUserlands().flatMap(({ name, path }) => {
  const fetchers = name.startsWith('busybox') ? ['wget'] : ['curl', 'wget'];
  return fetchers.map(fetcher => ({
    name: `${fetcher} under ${name}`,
    path: fetcher === 'wget' && path !== '' ? pathWithout(path, 'curl') : path,
    isBusybox: name.startsWith('busybox'),
  }));
});

let local: LocalFleet;
let server: ArtifactServer;
let events: FleetEvent[];

async function begin(count: number, path = PATH): Promise<void> {
  local = await makeLocalFleet(count, path);
  server = await startArtifactServer();
  events = [];
}

afterEach(async () => {
  await server.stop();
  await local.remove();
});

function options() {
  return { connector: local.connector, emit: (event: FleetEvent) => void events.push(event) };
}

function bytes({ hosts }: Result) {
  return hosts.map(({ bytesSent, bytesPulled }) =>
    [bytesSent > 0 ? 'sent' : '', bytesPulled > 0 ? 'pulled' : ''].join(''),
  );
}

function warnings(): readonly string[] {
  return events.flatMap(event => (event.kind === 'warning' ? [`${event.host}: ${event.code}: ${event.what}`] : []));
}

describe.each(HOSTS)('a host with $name', ({ path, isBusybox }) => {
  beforeEach(() => begin(1, path));

  it('fetches the release itself, with the modes of the release and one mtime', async () => {
    const { url, release, size } = await makeArtifact(local, server, 'one');
    const result = await deploy(local.fleet, url, options());
    expect(result).toMatchObject({ outcome: 'committed', release, label: 'one' });
    expect(result.hosts).toMatchObject([{ bytesSent: 0, bytesPulled: size }]);
    expect(warnings()).toEqual([]);
    expect(server.ofHosts()).toHaveLength(1);
    const slot = join(local.root('web1'), 'foo_l');
    expect(await readTree(slot)).toMatchObject({ 'index.html': 'one', 'lib/a b\n.txt': 'same', current: '-> lib' });
    const stats = await Promise.all(['index.html', 'bin/run', 'large'].map(file => stat(join(slot, file))));
    expect(stats.map(({ mode }) => (mode & 0o777).toString(8))).toEqual(['644', '755', '644']);
    expect(new Set(stats.map(({ mtimeMs }) => mtimeMs)).size).toBe(1);
    expect((stats[0]?.mtimeMs ?? 0) / 1000).toBeGreaterThan(Date.now() / 1000 - 3600);
    expect(Object.keys(await readTree(join(local.root('web1'), '.foo.fleetflip'))).join(' ')).not.toMatch(
      /pull\.|tree\./,
    );
  });

  it('goes on where it was cut off', async () => {
    const { url, size } = await makeArtifact(local, server, 'one');
    server.misbehave(MISDEEDS.cutOnce());
    const result = await deploy(local.fleet, url, options());
    expect(result.hosts).toMatchObject([{ outcome: 'confirmed', bytesSent: 0, bytesPulled: size }]);
    expect(server.ofHosts().map(({ range }) => range)).toEqual([null, expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
  });

  it('begins again where the server knows nothing of ranges', async () => {
    const { url, file } = await makeArtifact(local, server, 'one');
    server.misbehave(MISDEEDS.withoutRanges(await readFile(file)));
    const result = await deploy(local.fleet, url, options());
    expect(result.hosts).toMatchObject([{ outcome: 'confirmed', bytesSent: 0 }]);
    expect(server.ofHosts().length).toBeGreaterThan(1);
  });

  it.each([
    ['is refused it', () => MISDEEDS.refuse(404), /404/],
    ['gets something else', () => MISDEEDS.forge(), /another artifact/],
    ['gets bytes without end', () => MISDEEDS.flood(), /another artifact/],
    ['is cut off again and again', () => MISDEEDS.cutAlways(), /cut off again and again/],
  ])('is sent the release when it %s', async (_, misdeed, why) => {
    const { url } = await makeArtifact(local, server, 'one');
    server.misbehave(misdeed());
    const result = await deploy(local.fleet, url, options());
    expect(result.hosts).toMatchObject([{ outcome: 'confirmed', bytesPulled: 0 }]);
    expect(bytes(result)).toEqual(['sent']);
    expect(warnings()).toEqual([
      expect.stringMatching(/^web1: PULL_FAILED: the host could not fetch the release itself: /),
    ]);
    expect(warnings()[0]).toMatch(why);
    expect(await readTree(join(local.root('web1'), 'foo'))).toMatchObject({ 'index.html': 'one' });
  });

  // A static busybox takes no fake for its own sleep.
  it.each(isBusybox ? [] : [MISDEEDS.hang])('is sent the release when nothing comes any more', async hang => {
    const { url } = await makeArtifact(local, server, 'one');
    server.misbehave(hang());
    await local.fake('web1', 'sleep', `PATH=\${PATH#*:}; exec sleep 0.2`);
    const result = await deploy(local.fleet, url, options());
    expect(result).toMatchObject({ outcome: 'committed' });
    expect(bytes(result)).toEqual(['sent']);
    expect(warnings()).toEqual([expect.stringContaining('nothing came for a minute')]);
  });

  it('copies what its live slot has, with its mtime, and gets everything else anew', async () => {
    const [one, two] = [await makeArtifact(local, server, 'one'), await makeArtifact(local, server, 'two')];
    await deploy(local.fleet, one.url, options());
    const result = await deploy(local.fleet, two.url, options());
    expect(bytes(result)).toEqual(['pulled']);
    const mtime = async (slot: string, file: string) => (await stat(join(local.root('web1'), slot, file))).mtimeMs;
    expect(await mtime('foo_r', 'lib/a b\n.txt')).toBe(await mtime('foo_l', 'lib/a b\n.txt'));
    expect(await mtime('foo_r', 'index.html')).toBeGreaterThan(await mtime('foo_l', 'index.html'));
    const three = await makeArtifact(local, server, 'three');
    expect(await deploy(local.fleet, three.url, options())).toMatchObject({ outcome: 'committed' });
    expect(await readTree(join(local.root('web1'), 'foo'))).toMatchObject({ 'index.html': 'three' });
  });

  it('tells nobody the secrets of the URL', async () => {
    const { url } = await makeArtifact(local, server, 'one');
    const secret = `${url.replace('://', '://ann:hush1@')}?signature=hush2`;
    let seen = '';
    server.misbehave(({ response, answer, asked }) => {
      seen += execFileSync('sh', ['-c', 'cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || :'], {
        encoding: 'latin1',
        maxBuffer: 1 << 28,
      });
      if (asked.authorization === null)
        return void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      answer();
    });
    const result = await deploy(local.fleet, secret, options());
    expect(bytes(result)).toEqual([isBusybox ? 'sent' : 'pulled']);
    if (!isBusybox) {
      expect(server.ofHosts().at(-1)).toMatchObject({ authorization: `Basic ${btoa('ann:hush1')}` });
      expect(server.ofHosts().at(-1)?.path).toContain('signature=hush2');
      expect(seen).toContain('/agent-');
    } else expect(warnings()[0]).toMatch(/would show the URL/);
    server.misbehave(MISDEEDS.refuse(403));
    await deploy(local.fleet, `${(await makeArtifact(local, server, 'two')).url}?signature=hush2`, options());
    expect(warnings().at(-1)).toMatch(/PULL_FAILED/);
    const told = JSON.stringify([
      events,
      result,
      await history(local.fleet, options()),
      await readTree(local.root('web1')),
    ]);
    expect(told).toContain('"foo_l/index.html":"one"');
    for (const secret of ['hush1', 'hush2', btoa('ann:hush1')]) {
      expect(seen.includes(secret), secret).toBe(false);
      expect(told.includes(secret), secret).toBe(false);
    }
  });
});

describe('a fleet', () => {
  it('without curl and wget is sent the release, and check says so where there is a source', async () => {
    await begin(1, pathWithout(PATH, 'curl', 'wget'));
    const { url } = await makeArtifact(local, server, 'one');
    const source = { url, release: null };
    const hinted = await check({ ...local.fleet, source }, options());
    expect([hinted.outcome, warnings()]).toEqual(['done', ['web1: NO_FETCHER: the host has neither curl nor wget']]);
    events = [];
    await check(local.fleet, options());
    expect(warnings()).toEqual([]);
    const result = await deploy(local.fleet, url, options());
    expect(bytes(result)).toEqual(['sent']);
    expect(warnings()).toEqual([expect.stringContaining('it has neither curl nor wget')]);
  });

  it('is sent a small difference', async () => {
    await begin(1);
    const first = await local.release('1', { a: 'a'.repeat(100_000), b: '1' });
    await local.release('2', { a: 'a'.repeat(100_000), b: '2' });
    await deploy(local.fleet, first, options());
    const file = join(local.directory, '2.tar.gz');
    execFileSync('tar', ['-czf', file, '-C', join(local.directory, 'releases/2'), '.']);
    await server.put('/2.tgz', file);
    expect(bytes(await deploy(local.fleet, `${server.origin}/2.tgz`, options()))).toEqual(['sent']);
    expect(server.ofHosts()).toEqual([]);
  });

  it.each([
    ['modes and all', [], 'chmod 664 a; chmod 775 d d/x', 'pulled'],
    ['a directory above', ['--transform=s,^\\.,top,'], ':', 'pulled'],
    ['a plain tar', [], ':', 'pulled'],
    ['hard links', [], 'ln a b', 'sent'],
    ['rules of what to leave out', [], 'echo "*.log" >.fleetflipignore; echo x >x.log', 'sent'],
    ['names in pax headers', ['--format=pax'], 'echo x >"$(printf %0150d 1)"', 'sent'],
    ['a setgid bit', [], 'chmod 2755 d/x', 'sent'],
  ])('gets an artifact of somebody else, with %s', async (what, args, change, how) => {
    await begin(1);
    const directory = await local.release('1', { a: 'a', 'd/x': 'y' });
    execFileSync('sh', ['-euc', `cd "$0"; ${change}`, directory]);
    const file = join(local.directory, 'made.tar');
    const packing = what.includes('plain') ? [] : ['-z'];
    execFileSync('tar', ['-cf', file, ...packing, ...args, '-C', directory, '.']);
    await server.put('/download', file);
    const result = await deploy(local.fleet, `${server.origin}/download`, options());
    expect(result).toMatchObject({ outcome: 'committed' });
    expect(bytes(result)).toEqual([how]);
    expect(warnings().map(one => one.split(': ')[1])).toEqual([
      ...(what.includes('setgid') ? ['RELEASE_MODE'] : []),
      ...(how === 'sent' ? ['NOT_PULLED'] : []),
    ]);
  });

  it('releases the source of its inventory when nothing is named, and plans it', async () => {
    await begin(2);
    const { url, release, size, sha256 } = await makeArtifact(local, server, 'one');
    const fleet = { ...local.fleet, source: { url: `${url}?t=hush`, release } };
    const planned = await plan(fleet, null, options());
    expect(planned).toMatchObject({ release, artifact: { url, size, sha256 } });
    expect(planned.hosts.map(host => [host.send, host.pullSize])).toEqual([
      [0, size],
      [0, size],
    ]);
    expect(await stage(fleet, null, options())).toMatchObject({ outcome: 'staged', release });
    expect(JSON.stringify([planned, events])).not.toContain('hush');
    const named = await local.release('2', { a: '1' });
    expect((await deploy(fleet, named, options())).release).not.toBe(release);
  });

  it('is as it was when the run is interrupted while the artifact is brought here', async () => {
    await begin(1);
    const { url } = await makeArtifact(local, server, 'one');
    const control = new AbortController();
    server.misbehaveToAll(() => control.abort());
    const result = await deploy(local.fleet, url, { ...options(), signal: control.signal });
    expect(result).toMatchObject({
      outcome: 'unchanged',
      exitCode: 1,
      hosts: [{ name: 'web1', outcome: 'unchanged' }],
    });
    expect(events.map(({ kind }) => kind)).toEqual(['result']);
  });

  it('meets no host when another release is there, or none', async () => {
    await begin(1);
    const { url } = await makeArtifact(local, server, 'one');
    const wrong = `${url}?t=hush#sha256:${'0'.repeat(64)}`;
    const failure = await failureOf(deploy(local.fleet, wrong, options()));
    expect(failure).toMatchObject({ kind: 'refused', code: 'RELEASE_MISMATCH', phase: 'prepare' });
    expect(failure.what).toContain(url);
    expect(failure.what).not.toContain('hush');
    expect(await failureOf(deploy(local.fleet, null, options()))).toMatchObject({ code: 'USAGE' });
    for (const bad of ['ftp://a/b', 'https://', `${url}#v1`])
      expect(await failureOf(deploy(local.fleet, bad, options())), bad).toMatchObject({ code: 'RELEASE_URL' });
    expect(events).toEqual([]);
  });
});
