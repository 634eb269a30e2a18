import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createLog, createView, type ViewKind } from '../../src/render/index.ts';
import { at, end, ended, fail, nameHosts, started } from './events.ts';
import { openTerminal } from './terminal.ts';

const HOSTS = nameHosts(2);

function open({ kind = 'tty' as ViewKind, report = false, colors = false } = {}) {
  const terminal = openTerminal(80, 24, colors);
  const view = createView({ kind, out: terminal.out, command: 'deploy', report });
  onTestFinished(() => view.end());
  return { terminal, view };
}

const RESULT = end({ outcome: 'unchanged', exitCode: 1, hosts: HOSTS.map(name => ended(name, 'unchanged')) });

describe('the live view', () => {
  test('draws by itself, keeps warnings above, and ends once with the last sentence below', async () => {
    const { terminal, view } = open();
    view.emit(started(HOSTS));
    view.emit(at(0, { kind: 'phase-started', phase: 'lock', hosts: HOSTS }));
    await vi.waitFor(() => expect(terminal.lines()).toContain('lock: 0 of 2 hosts'));
    view.emit(at(0, { kind: 'warning', code: 'X', what: 'look at this', hint: 'h' }));
    view.emit(at(0, { kind: 'check-output', host: 'web01', run: 'good', exitCode: 0, output: 'fine' }));
    view.emit(at(0, { kind: 'check-output', host: 'web01', run: 'bad', exitCode: 1, output: 'broken' }));
    view.emit(RESULT);
    view.end();
    const lines = terminal.lines();
    expect(lines[0]).toContain('warning: look at this');
    expect(lines[1]).toContain("web01: 'bad' ended with 1");
    expect(lines[2]).toContain('web01: | broken');
    expect(lines.slice(4)).toEqual([
      'unchanged on 2 hosts',
      '  web01  foo_r  unchanged',
      '  web02  foo_r  unchanged',
      'The fleet is as it was: no link moved.',
    ]);
    expect(terminal.isCursorHidden()).toBe(false);
  });

  test('leaves the terminal to a question, and comes back', async () => {
    const { terminal, view } = open();
    view.emit(started(HOSTS));
    await vi.waitFor(() => expect(terminal.isCursorHidden()).toBe(true));
    await view.suspend(async () => {
      expect(terminal.lines()).toEqual([]);
      expect(terminal.isCursorHidden()).toBe(false);
    });
    await vi.waitFor(() => expect(terminal.lines()).toContain('preparing'));
  });

  test('has colours where the terminal has them, and none elsewhere', () => {
    for (const colors of [true, false]) {
      const { terminal, view } = open({ colors });
      view.emit({ ...RESULT, hosts: [ended('web01', 'failed', fail('web01'))] });
      expect(terminal.written().includes('\x1b[31m'), String(colors)).toBe(colors);
    }
  });
});

test('while a report is read one line says so, and goes away', async () => {
  const { terminal, view } = open({ report: true });
  view.emit(at(0, { kind: 'host-done', phase: 'probe', host: 'web01', took: 1 }));
  await vi.waitFor(() => expect(terminal.lines()[0]).toMatch(/^deploy: 1 host answered, \d\.\d s$/));
  view.end();
  expect(terminal.lines()).toEqual([]);
  expect(terminal.isCursorHidden()).toBe(false);
});

test('lines and JSON are nothing but the events, and nothing at all for a report', () => {
  for (const kind of ['plain', 'json'] as const) {
    const { terminal, view } = open({ kind });
    view.emit(RESULT);
    view.end();
    const text = terminal.written();
    if (kind === 'json') expect(JSON.parse(text)).toEqual(RESULT);
    else expect(text).toBe('The fleet is as it was: no link moved.\n');
    const silent = open({ kind, report: true });
    silent.view.emit(RESULT);
    silent.view.end();
    expect(silent.terminal.written()).toBe('');
  }
});

describe('the log', () => {
  test('has a line of JSON for every event and is added to', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const file = join(directory, 'run.log');
    for (const event of [started(HOSTS), RESULT]) {
      const log = createLog(file, error => expect.fail(error.message));
      log.emit(event);
      log.end();
      log.end();
    }
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    expect(lines.map(line => JSON.parse(line))).toMatchObject([
      { level: 30, msg: 'run-started', event: { command: 'deploy' } },
      { level: 50, msg: 'result', event: { exitCode: 1 } },
    ]);
  });

  test('that cannot be opened says so at once', () => {
    expect(() => createLog('/nonexistent/run.log', () => undefined)).toThrow(/ENOENT/);
  });

  test('that cannot be written ends there, and says so once', () => {
    // Only Linux has a disk that is always full.
    if (!existsSync('/dev/full')) return;
    const told: string[] = [];
    const log = createLog('/dev/full', error => told.push(error.message));
    for (const event of [started(HOSTS), RESULT]) log.emit(event);
    log.end();
    expect(told).toEqual([expect.stringContaining('ENOSPC')]);
  });
});
