import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findUserlands } from '../support/userlands.ts';
import { type SshdFleet, startSshdFleet } from './sshd.ts';

const MAIN = join(import.meta.dirname, '../../dist/cli/main.js');
const SHELLS = findUserlands();

let directory: string;
let fleet: SshdFleet;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleetflip-fleet-'));
  fleet = await startSshdFleet(directory, 5, index => SHELLS[index % SHELLS.length]?.path ?? '');
});
afterAll(async () => {
  await fleet.stop();
  await rm(directory, { recursive: true, force: true });
});

interface Ended {
  readonly code: number;
  readonly result: { outcome: string; hosts: { name: string; outcome: string; error?: { code: string } }[] } & Record<
    string,
    unknown
  >;
}

/** Runs the built command; the result is the last line. */
function fleetflip(...args: string[]): Promise<Ended> {
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [MAIN, ...args, '-i', fleet.inventory, '--output', 'json'],
      { maxBuffer: 1 << 28 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : Number(error.code);
        const last = stdout.trim().split('\n').at(-1) ?? '';
        if (last === '') throw new Error(stderr);
        resolve({ code, result: JSON.parse(last) });
      },
    );
  });
}

const links = (): (string | null)[] =>
  fleet.servers.map(({ root }) => (existsSync(join(root, 'foo')) ? readlinkSync(join(root, 'foo')) : null));

/** Names, modes, mtimes and contents of everything on every host. */
function checksum(): string {
  const script =
    'find . -print0 | LC_ALL=C sort -z | xargs -0 stat -c "%n %f %s %Y"; find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum';
  return fleet.servers
    .map(({ root }) => execFileSync('sh', ['-c', script], { cwd: root, encoding: 'utf8' }))
    .join('\n');
}

/** The documentation of this project and its libraries stand in for an application: thousands of real files. */
function makeRelease(name: string): string {
  const release = join(directory, name);
  mkdirSync(release);
  execFileSync('cp', [
    '-R',
    join(import.meta.dirname, '../../node_modules/zod'),
    join(import.meta.dirname, '../../node_modules/commander'),
    release,
  ]);
  writeFileSync(join(release, 'index.html'), name);
  return release;
}

describe('a fleet of real OpenSSH servers, with dash, bash and busybox, one behind a bastion', () => {
  it('is left as it was by check and by status on hosts where nothing is yet', async () => {
    const before = checksum();
    expect((await fleetflip('check')).code).toBe(0);
    expect((await fleetflip('status')).code).toBe(0);
    expect(checksum()).toBe(before);
  });

  it('takes a release, a second one into the other slot, and goes back', async () => {
    const [first, second] = [makeRelease('first'), makeRelease('second')];
    symlinkSync('foo_r', join(fleet.servers[1]?.root ?? '', 'foo'));
    mkdirSync(join(fleet.servers[1]?.root ?? '', 'foo_r'));
    expect(await fleetflip('deploy', first)).toMatchObject({ code: 0, result: { outcome: 'committed' } });
    expect(links()).toEqual(['foo_l', 'foo_l', 'foo_l', 'foo_l', 'foo_l']);
    for (const { root } of fleet.servers) execFileSync('diff', ['-r', first, join(root, 'foo', '.')]);
    expect(await fleetflip('deploy', second)).toMatchObject({ code: 0, result: { outcome: 'committed' } });
    expect(links()).toEqual(['foo_r', 'foo_r', 'foo_r', 'foo_r', 'foo_r']);
    for (const { root } of fleet.servers) execFileSync('diff', ['-r', second, join(root, 'foo', '.')]);
    expect(await fleetflip('rollback')).toMatchObject({ code: 0, result: { outcome: 'committed' } });
    expect(links()).toEqual(['foo_l', 'foo_l', 'foo_l', 'foo_l', 'foo_l']);
  });

  it('is left as it was by status and plan, and is current for the release that is live', async () => {
    const before = checksum();
    expect((await fleetflip('status')).result).toMatchObject({ kind: 'status', split: false, settled: true });
    expect((await fleetflip('plan', join(directory, 'second'))).result).toMatchObject({ kind: 'plan', refusals: [] });
    expect(checksum()).toBe(before);
    expect(await fleetflip('deploy', join(directory, 'first'))).toMatchObject({
      code: 0,
      result: { outcome: 'current' },
    });
  });

  it('moves no link when the host key of one host changed', async () => {
    const known = readFileSync(fleet.knownHosts, 'utf8');
    const [one, , three] = fleet.servers;
    writeFileSync(fleet.knownHosts, known.replace(three?.hostKey ?? '', one?.hostKey ?? ''));
    const { code, result } = await fleetflip('deploy', join(directory, 'second'));
    writeFileSync(fleet.knownHosts, known);
    expect(code).toBe(1);
    expect(result.hosts[2]).toMatchObject({ name: 'web03', outcome: 'failed', error: { code: 'HOST_KEY_CHANGED' } });
    expect(links()).toEqual(['foo_l', 'foo_l', 'foo_l', 'foo_l', 'foo_l']);
  });

  it('puts every link back when one host fails in the flip itself', async () => {
    const { bin, root } = fleet.servers[0] ?? { bin: '', root: '' };
    writeFileSync(
      join(bin, 'mv'),
      `#!/bin/sh\nfor last; do :; done\n[ "$last" != '${root}/foo' ] || exit 1\nexec /bin/mv "$@"\n`,
      { mode: 0o755 },
    );
    const { code, result } = await fleetflip('deploy', join(directory, 'second'));
    rmSync(join(bin, 'mv'));
    expect({ code, outcome: result.outcome }).toEqual({ code: 3, outcome: 'reverted' });
    expect(links()).toEqual(['foo_l', 'foo_l', 'foo_l', 'foo_l', 'foo_l']);
    expect(await fleetflip('deploy', join(directory, 'second'))).toMatchObject({
      code: 0,
      result: { outcome: 'committed' },
    });
  });
});
