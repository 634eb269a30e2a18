import { describe, expect, test } from 'vitest';
import type { FleetEvent } from '../../src/domain/event.ts';
import { drawFrame } from '../../src/render/frame.ts';
import { foldEvent, newState, type ViewState } from '../../src/render/state.ts';
import { at, BEGAN, end, ended, fail, nameHosts, started } from './events.ts';

function fold(...events: readonly FleetEvent[]): ViewState {
  return events.reduce(foldEvent, newState('deploy', BEGAN));
}

function draw(state: ViewState, { columns = 80, rows = 24, after = 65_000 } = {}): string[] {
  return drawFrame(state, { columns, rows }, BEGAN + after).map(({ text }) => text);
}

const FIVE = nameHosts(5);
const MANY = nameHosts(40);

function staging(hosts: readonly string[]): FleetEvent[] {
  const planned = hosts.map(host =>
    at(1000, {
      kind: 'host-planned',
      host,
      slot: 'foo_r',
      overwrites: null,
      sendSize: 100,
      copySize: 0,
      pullSize: 0,
      send: 1,
      copy: 0,
      remove: 0,
    }),
  );
  return [started(hosts), ...planned, at(1000, { kind: 'phase-started', phase: 'stage', hosts })];
}

describe('the frame', () => {
  test('shows that something goes on before the first event', () => {
    expect(draw(newState('deploy', BEGAN), { after: 300 })).toEqual(['deploy  0.3 s', 'preparing']);
  });

  test('has a row a host while they are few, with the bytes of those that are being sent to', () => {
    const state = fold(
      ...staging(FIVE),
      at(2000, { kind: 'progress', host: 'web01', sent: 25, total: 100 }),
      at(2000, { kind: 'progress', host: 'web02', sent: 100, total: 100 }),
      at(2000, { kind: 'host-done', phase: 'stage', host: 'web02', took: 1 }),
      at(2000, { kind: 'host-failed', phase: 'stage', host: 'web03', failure: fail('web03') }),
    );
    expect(draw(state, { after: 4000 })).toEqual([
      'deploy v2 (sha256:aaaaaaaaaaaa)  4.0 s',
      'stage: 2 of 5 hosts, 125 B of 400 B sent, about 5 s left',
      '  web01  foo_r  staging      25 %',
      '  web02  foo_r  staged',
      '! web03  foo_r  failed      there is no space (NO_SPACE)',
      '  web04  foo_r  staging',
      '  web05  foo_r  staging',
    ]);
  });

  test('keeps the time in sight in a narrow window', () => {
    const [title] = draw(fold(...staging(FIVE)), { columns: 24 });
    expect(title).toBe('deploy v2 (sha2…  1m05s');
  });

  test('has counts, the failing and the slow hosts when they are many', () => {
    const working = at(0, { kind: 'phase-started', phase: 'verify', hosts: MANY });
    expect(draw(fold(started(MANY), working))).toEqual([
      'deploy v2 (sha256:aaaaaaaaaaaa)  1m05s',
      'verify: 0 of 40 hosts',
      '  40 verifying',
    ]);
    const done = MANY.slice(3).map(host => at(1, { kind: 'vote', host, yes: true, slot: 'foo_r' }));
    const idle = MANY.slice(3).map(host => at(1, { kind: 'host-done', phase: 'verify', host, took: 1 }));
    const bad = at(1, { kind: 'host-failed', phase: 'verify', host: 'web02', failure: fail('web02') });
    expect(draw(fold(started(MANY), working, ...idle, ...done, bad))).toEqual([
      'deploy v2 (sha256:aaaaaaaaaaaa)  1m05s',
      'verify: 38 of 40 hosts',
      '  37 voted yes, 2 verifying, 1 failed',
      '! web02  failed      there is no space (NO_SPACE)',
      '  web01  verifying',
      '  web03  verifying',
    ]);
  });

  test('shows the slowest of those that are being sent to first', () => {
    const sent = MANY.slice(0, 3).map((host, index) =>
      at(2000, { kind: 'progress', host, sent: 30 - index * 10, total: 100 }),
    );
    expect(draw(fold(...staging(MANY), ...sent)).slice(3)).toEqual([
      '  web03  foo_r  staging      10 %',
      '  web02  foo_r  staging      20 %',
      '  web01  foo_r  staging      30 %',
    ]);
  });

  test('counts the failing hosts that it has no room for', () => {
    const bad = MANY.map(host => at(1, { kind: 'host-failed', phase: 'stage', host, failure: fail(host) }));
    const frame = draw(fold(...staging(MANY), ...bad), { rows: 10 });
    expect(frame).toHaveLength(9);
    expect(frame.at(-1)).toBe('! and 35 more that failed');
  });

  test('keeps its columns when a host is tried again', () => {
    const failure = fail('web01');
    const retried = at(1, { kind: 'host-retried', phase: 'stage', host: 'web01', attempt: 2, failure });
    const sent = at(1, { kind: 'progress', host: 'web02', sent: 50, total: 100 });
    const rows = draw(fold(...staging(FIVE), retried, sent)).slice(2, 4);
    expect(rows).toEqual(['  web01  foo_r  failed, retrying', '  web02  foo_r  staging            50 %']);
  });

  test('says that it was interrupted', () => {
    const [, phase] = draw(fold(...staging(FIVE), at(1, { kind: 'interrupted' })));
    expect(phase).toContain('(interrupted: ending orderly)');
  });

  test('ends with where every host stands, and leaves what failed to the lines below it', () => {
    const hosts = FIVE.map(name => (name === 'web03' ? ended(name, 'failed', fail(name)) : ended(name, 'unchanged')));
    const bad = at(1, { kind: 'host-failed', phase: 'stage', host: 'web03', failure: fail('web03') });
    const state = fold(...staging(FIVE), bad, end({ outcome: 'unchanged', exitCode: 1, hosts }));
    expect(draw(state)).toEqual([
      'deploy v2 (sha256:aaaaaaaaaaaa)  1m05s',
      'unchanged on 5 hosts',
      '  web01  foo_r  unchanged',
      '  web02  foo_r  unchanged',
      '! web03  foo_r  failed',
      '  web04  foo_r  unchanged',
      '  web05  foo_r  unchanged',
    ]);
  });

  test('shows hosts that no event named before', () => {
    const state = fold(at(1, { kind: 'host-done', phase: 'probe', host: 'late', took: 1 }));
    expect(draw(state).at(-1)).toBe('  late  probed');
  });
});
