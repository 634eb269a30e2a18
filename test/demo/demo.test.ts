import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { buildSources } from '../support/built.ts';

// Processes start slowly on a machine that is busy with other tests.
vi.setConfig({ testTimeout: 120_000 });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function startDemo(...args: string[]): Promise<ChildProcess & { stdout: NodeJS.ReadableStream }> {
  const main = join(await buildSources(), 'src/cli/main.js');
  const child = spawn(process.execPath, [main, 'demo', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
    env: { ...process.env, TMPDIR: directory },
  });
  return child;
}

/** Resolves with the matches when the pattern stands in what the process has written. */
function waitForText(child: { stdout: NodeJS.ReadableStream }, pattern: RegExp): Promise<RegExpMatchArray> {
  return new Promise((resolve, reject) => {
    let seen = '';
    child.stdout.on('data', chunk => {
      seen += String(chunk);
      const match = seen.match(pattern);
      if (match !== null) resolve(match);
    });
    child.stdout.once('end', () => reject(new Error(`${pattern} is not in:\n${seen}`)));
  });
}

describe('the demo', () => {
  it('tells its story over real SSH connections and leaves nothing behind', async () => {
    const child = await startDemo();
    const [told, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    expect(told.match(/exit code +\d/g)).toEqual([0, 0, 1, 0, 0].map(expected => `exit code  ${expected}`));
    expect(told).toContain('demo4: site_l does not hold the release: 1 changed');
    const links = [...told.matchAll(/demo\d -> (\S+)/g)].map(match => match[1]);
    const perStep = ['site_l', 'site_r', 'site_r', 'site_l', 'site_r'];
    expect(links).toEqual(perStep.flatMap(slot => Array.from({ length: 5 }, () => slot)));
    expect(told).toMatch(/\n {7}site_l {2}rejected {2}v3 [\s\S]*\nThe fleet is on one release and settled\.\n/);
    expect(code).toBe(0);
    expect(await readdir(directory)).toEqual([]);
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('cleans up when %s comes in the middle', async signal => {
    const child = await startDemo();
    await waitForText(child, /barrier: 5 of 5/);
    interrupt(child, signal);
    expect(await once(child, 'exit')).toEqual([1, null]);
    expect(await readdir(directory)).toEqual([]);
  });

  it('leaves the fleet running with --keep, until Ctrl-C', async () => {
    const child = await startDemo('--keep');
    const [, inventory = ''] = await waitForText(child, /status -i (\S+)[\s\S]*Ctrl-C here/);
    const ports = [...(await readFile(inventory, 'utf8')).matchAll(/port: (\d+)/g)].map(match => Number(match[1]));
    expect(ports).toHaveLength(5);
    for (const port of ports) expect(await listens(port)).toBe(true);
    interrupt(child, 'SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
    for (const port of ports) expect(await listens(port)).toBe(false);
    expect(await readdir(directory)).toEqual([]);
  });
});

/** To the whole process group, as a terminal does. */
function interrupt({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid !== undefined) process.kill(-pid, signal);
}

function listens(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
