import { describe, expect, test } from 'vitest';
import type { HostStatus, StatusReport } from '../../src/domain/status.ts';
import { describeHolders, formatHistory, formatPlan, formatStatus } from '../../src/render/index.ts';
import { fail } from './events.ts';

const ONE = `sha256:${'1'.repeat(64)}`;
const TWO = `sha256:${'2'.repeat(64)}`;
const LOCK = { deployment: 'D', owner: 'ann@laptop', command: 'deploy', since: 1_767_323_045, alive: true };

function host(name: string, more: Partial<HostStatus> = {}): HostStatus {
  return {
    name,
    reachable: true,
    live: { slot: 'foo_l', release: ONE, label: 'v1', drift: null },
    idle: [{ slot: 'foo_r', release: TWO, label: 'v2', state: 'verified', role: 'previous' }],
    lock: null,
    deployment: null,
    ...more,
  };
}

function status(...hosts: HostStatus[]): StatusReport {
  return { v: 1, kind: 'status', split: false, settled: hosts.every(one => one.deployment === null), hosts };
}

describe('status', () => {
  test('is a table of slots and a sentence', () => {
    const empty = host('web02', {
      live: null,
      idle: [{ slot: 'foo_l', release: null, label: '', state: 'empty', role: null }],
    });
    expect(formatStatus(status(empty))).toMatch(/\nNothing is live yet\.$/);
    expect(formatStatus({ ...status(host('web01'), empty), split: true }).split('\n')).toEqual([
      'HOST   SLOT   STATE     RELEASE',
      'web01  foo_l  live      v1 (sha256:111111111111)',
      '       foo_r  previous  v2 (sha256:222222222222)',
      'web02  -      live      nothing yet',
      '       foo_l  empty',
      'THE FLEET IS SPLIT: hosts serve different releases. Next: deploy one release to all of them.',
    ]);
  });

  test('names drift, locks, what is not settled and who could not be read', () => {
    const drift = { changed: 1, missing: 0, extra: 4, paths: ['a', 'b', 'c', 'd'] };
    const text = formatStatus(
      status(
        host('web01', { live: { slot: 'foo_l', release: ONE, label: 'v1', drift } }),
        host('web02', { lock: LOCK }),
        host('web03', { deployment: { id: 'D', state: 'flipped', guard: { alive: true, remaining: 41_000 } } }),
        host('web04', { reachable: false, live: null, idle: [], error: fail('web04', 'nobody answers', 'DOWN') }),
      ),
    );
    expect(text).toContain('web01: foo_l drifted since it was proven: 1 changed, 0 missing, 4 extra (a, b, c, ...)');
    expect(text).toContain('web02: locked by ann@laptop, who runs deploy (deployment D) since 2026-01-02 03:04:05Z');
    expect(text).toContain(
      'web03: deployment D is flipped and NOT settled; its guard reverts it in 41.0 s, unless it is renewed',
    );
    expect(text).toContain('web04: nobody answers (DOWN). Free space');
    expect(text).toMatch(/THE FLEET IS NOT SETTLED\. Next: fleetflip recover\.$/);
  });

  test('says when the fleet is split, and when a part of it is not known', () => {
    expect(formatStatus({ ...status(host('a')), split: true })).toMatch(/THE FLEET IS SPLIT.*$/);
    expect(formatStatus(status(host('a')))).toMatch(/\nThe fleet is on one release and settled\.$/);
    const gone = host('b', { reachable: false, live: null, idle: [], error: fail('b') });
    expect(formatStatus(status(host('a'), gone))).toMatch(
      /The hosts that were read are on one release; 1 host could NOT be read\.$/,
    );
  });

  test('does not claim that releases which fleetflip did not bring are the same', () => {
    const unknown = { live: { slot: 'foo_l', release: null, label: '', drift: null } };
    expect(formatStatus(status(host('a', unknown), host('b', unknown)))).toMatch(
      /whether it is the same on all hosts is not known\.$/,
    );
  });

  test('shows nothing of a host as it came', () => {
    const text = formatStatus(status(host('web01', { lock: { ...LOCK, owner: '\x1b[2Jevil', since: Number.NaN } })));
    expect(text).toContain('locked by \\x1b[2Jevil, who runs deploy (deployment D) since an unknown time');
    expect(describeHolders([{ ...LOCK, host: 'web01', deployment: '\x1b[H' }])).toContain('(deployment \\x1b[H)');
  });
});

describe('plan', () => {
  const part = {
    name: 'web01',
    slot: 'foo_r',
    current: false,
    send: 2,
    sendSize: 3000,
    pullSize: 0,
    copy: 1,
    copySize: 10,
    remove: 0,
  };

  test('says what would be sent, and over which release', () => {
    const hosts = [
      { ...part, overwrites: { release: ONE, label: 'v1' } },
      { ...part, name: 'web02', overwrites: null },
      { ...part, name: 'web03', overwrites: null, current: true },
    ];
    const plan = { v: 1, kind: 'plan', release: TWO, label: 'v2', current: false, refusals: [] } as const;
    const report = { ...plan, artifact: null, hosts };
    expect(formatPlan(report).split('\n')).toEqual([
      'HOST   INTO   OVER                      SEND        COPY      REMOVE',
      'web01  foo_r  v1 (sha256:111111111111)  2 (3.0 kB)  1 (10 B)  0',
      'web02  foo_r  a new slot                2 (3.0 kB)  1 (10 B)  0',
      'web03  foo_r  live already',
      'deploy would bring v2 (sha256:222222222222) to 3 hosts.',
    ]);
  });

  test('says what would be pulled, and from where', () => {
    const artifact = { url: 'https://files.example.com/v2.tar.gz', size: 900, sha256: 'a'.repeat(64) };
    const pulling = { ...part, overwrites: null, send: 0, sendSize: 0, pullSize: 900 };
    const plan = { v: 1, kind: 'plan', release: TWO, label: 'v2', current: false, refusals: [] } as const;
    expect(formatPlan({ ...plan, artifact, hosts: [pulling] }).split('\n')).toEqual([
      'HOST   INTO   OVER        SEND        COPY      REMOVE',
      'web01  foo_r  a new slot  pull 900 B  1 (10 B)  0',
      'Hosts that pull fetch https://files.example.com/v2.tar.gz.',
      'deploy would bring v2 (sha256:222222222222) to 1 host.',
    ]);
  });

  test('says why deploy would refuse', () => {
    const refusals = [fail('web01')];
    const plan = { v: 1, kind: 'plan', release: TWO, label: '', artifact: null, current: false, hosts: [] } as const;
    const report = { ...plan, refusals };
    expect(formatPlan(report).split('\n')).toEqual([
      'web01: there is no space (NO_SPACE). Free space',
      'deploy would refuse: no link would move.',
    ]);
  });
});

test('history has a line a deployment, and says who could not be read', () => {
  const run = {
    at: '2026-01-02T03:04:05.000Z',
    deployment: 'D',
    command: 'deploy',
    owner: 'ann@laptop',
    outcome: 'committed',
    slot: 'foo_l',
    release: ONE,
    label: 'v1',
  };
  const hosts = [
    { name: 'web01', runs: [run] },
    { name: 'web02', runs: [] },
    { name: 'web03', runs: [], error: fail('web03') },
  ];
  expect(formatHistory({ v: 1, kind: 'history', hosts }).split('\n')).toEqual([
    'HOST   WHEN                  COMMAND  OUTCOME    SLOT   RELEASE                   BY',
    'web01  2026-01-02 03:04:05Z  deploy   committed  foo_l  v1 (sha256:111111111111)  ann@laptop',
    'web02: no deployment yet',
    'web03: there is no space (NO_SPACE). Free space',
    'The history of 2 hosts; 1 host could NOT be read.',
  ]);
});
