import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { buildSources } from '../support/built.ts';

// Processes start slowly on a machine that is busy with other tests.
vi.setConfig({ testTimeout: 120_000 });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
  await writeFile(join(directory, 'inventory.yaml'), 'app: {name: foo, root: /x}\nhosts: [web01]\n');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

interface Running {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly end: Promise<{ code: number | null; stderr: string; result: unknown; lines: number }>;
}

async function start(...args: string[]): Promise<Running> {
  const program = join(await buildSources(), 'test/support/odd-run.js');
  const child = spawn(process.execPath, [program, join(directory, 'inventory.yaml'), ...args], { stdio: 'pipe' });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    stderr += part;
  });
  const end = Promise.all([text(child.stdout), once(child, 'close')]).then(([stdout, [code]]) => {
    const lines = stdout.trim().split('\n');
    return { code, stderr, result: JSON.parse(lines.at(-1) ?? 'null'), lines: lines.length };
  });
  return { child, stderr: () => stderr, end };
}

async function startHanging(...args: string[]): Promise<Running> {
  const running = await start(...args);
  await vi.waitFor(() => expect(running.stderr()).toContain('hanging'), { timeout: 60_000 });
  return running;
}

describe('an internal error', () => {
  test.each([
    ['before', 'deploy', 1, 'unchanged', 'prepare'],
    ['connected', 'deploy', 1, 'unchanged', 'stage'],
    ['flipping', 'deploy', 4, 'unknown', 'flip'],
    ['connected', 'recover', 4, 'unknown', 'stage'],
  ])('%s, in %s, ends with %i', async (place, command, exitCode, outcome, phase) => {
    const { code, stderr, result } = await (await start(place, 'bug', command)).end;
    expect(code).toBe(exitCode);
    expect(result).toMatchObject({ kind: 'result', command, outcome, exitCode, errors: [{ code: 'INTERNAL', phase }] });
    expect(stderr).toMatch(/this is a defect, please report it:\nTypeError: a bug\n {4}at /);
    const hosts = place === 'before' ? [] : [expect.objectContaining({ name: 'web01', outcome })];
    expect(result).toMatchObject({ hosts });
  });

  test('that nobody waits for ends the run alike', async () => {
    const { code, result, stderr } = await (await start('flipping', 'uncaught')).end;
    expect(code).toBe(4);
    expect(result).toMatchObject({ outcome: 'unknown', deployment: 'D', label: 'v1', errors: [{ code: 'INTERNAL' }] });
    expect(stderr).toContain('a bug nobody waits for');
  });
});

test('a refusal is one only before any host was contacted', async () => {
  const before = await (await start('before', 'refusal')).end;
  expect(before).toMatchObject({ code: 2, result: { outcome: 'invalid', errors: [{ code: 'NO' }] } });
  const after = await (await start('connected', 'refusal')).end;
  expect(after).toMatchObject({ code: 1, result: { outcome: 'unchanged', errors: [{ code: 'INTERNAL' }] } });
});

test('a signal before any host was contacted is no defect', async () => {
  const { child, end } = await startHanging('before', 'interruption');
  child.kill('SIGTERM');
  const { code, stderr, result } = await end;
  expect(code).toBe(1);
  expect(result).toMatchObject({ outcome: 'unchanged', hosts: [], errors: [{ code: 'INTERRUPTED' }] });
  expect(stderr).not.toContain('defect');
});

describe('a second signal', () => {
  test.each([
    ['connected', 1, 'unchanged', /No link was moved/],
    ['flipping', 4, 'unknown', /run fleetflip recover$/],
  ])('leaves at once and says what that means: %s', async (place, exitCode, outcome, hint) => {
    const { child, stderr, end } = await startHanging(place, 'hang');
    child.kill('SIGINT');
    await vi.waitFor(() => expect(stderr()).toContain('aborted'));
    const insisting = setInterval(() => child.kill('SIGTERM'), 50);
    const { code, result, lines } = await end.finally(() => clearInterval(insisting));
    expect(code).toBe(exitCode);
    expect(result).toMatchObject({
      outcome,
      exitCode,
      errors: [{ code: 'LEFT_AT_ONCE', hint: expect.stringMatching(hint) }],
    });
    expect(lines).toBe(place === 'flipping' ? 4 : 3);
  });

  test('that is the echo of the first, and a terminal that goes away twice, do not', async () => {
    const { child, stderr, end } = await startHanging('flipping', 'hang');
    child.kill('SIGINT');
    child.kill('SIGINT');
    await vi.waitFor(() => expect(stderr()).toContain('aborted'));
    for (let count = 0; count < 3; count++) child.kill('SIGHUP');
    child.kill('SIGQUIT');
    const { result } = await end;
    expect(result).toMatchObject({ kind: 'phase-started', phase: 'flip' });
    expect(child.signalCode).toBe('SIGQUIT');
  });
});
