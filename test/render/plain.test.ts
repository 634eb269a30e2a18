import { describe, expect, test } from 'vitest';
import type { EventData, Outcome } from '../../src/domain/event.ts';
import { exitCode } from '../../src/domain/report.ts';
import { formatEnd, formatEvent } from '../../src/render/plain.ts';
import { at, end, ended, fail, nameHosts } from './events.ts';

function say(data: EventData): readonly string[] {
  return formatEvent(at(0, data));
}

describe('a line', () => {
  test('has the time, the phase and what happened', () => {
    expect(say({ kind: 'phase-ended', phase: 'lock', took: 1500, failed: 1 })).toEqual([
      '03:04:05Z lock    done in 1.5 s, 1 failed',
    ]);
  });

  test('tells what is sent and copied, or that nothing is', () => {
    const plan = { kind: 'host-planned', host: 'web01', slot: 'foo_r', overwrites: null, pullSize: 0 } as const;
    expect(say({ ...plan, sendSize: 2_000_000, copySize: 0, send: 3, copy: 0, remove: 1 })[0]).toMatch(
      /web01: into foo_r: send 3 \(2\.0 MB\), copy 0 \(0 B\), remove 1$/,
    );
    expect(say({ ...plan, sendSize: 0, copySize: 0, send: 0, copy: 0, remove: 0 })[0]).toMatch(
      /web01: to foo_r, which holds it already$/,
    );
    expect(say({ ...plan, pullSize: 900, sendSize: 0, copySize: 5, send: 0, copy: 1, remove: 1 })[0]).toMatch(
      /web01: into foo_r: pull 900 B, copy 1 \(5 B\), remove 1$/,
    );
    expect(say({ kind: 'pulled', host: 'web01', bytes: 400, total: 900 })[0]).toMatch(
      /web01: 900 B fetched by itself, 400 B of it now$/,
    );
  });

  test("bounds a check's output, and names the host on each line", () => {
    const output = Array.from({ length: 30 }, (_, index) => `line ${index}`).join('\n');
    const lines = say({ kind: 'check-output', host: 'web01', run: 'x', exitCode: 1, output });
    expect(lines).toHaveLength(22);
    expect(lines[1]).toMatch(/web01: \| \(10 lines before\)$/);
    expect(lines.at(-1)).toMatch(/web01: \| line 29$/);
  });

  test('cannot draw on the terminal', () => {
    const [line] = say({ kind: 'warning', code: 'X', what: '\x1b[2Jevil\nnext', hint: 'h' });
    expect(line).toContain('\\x1b[2Jevil\\x0anext');
  });
});

describe('the end', () => {
  test('names hosts that failed alike together, with what to do, before the last sentence', () => {
    const hosts = nameHosts(4).map(name =>
      name === 'web02'
        ? ended(name, 'failed', fail(name, 'the login was refused', 'LOGIN'))
        : ended(name, 'failed', fail(name)),
    );
    expect(formatEnd(end({ outcome: 'unchanged', exitCode: 1, hosts }))).toEqual([
      'web01, web03, web04: there is no space (NO_SPACE). Free space',
      'web02: the login was refused (LOGIN). Free space',
      'The fleet is as it was: no link moved.',
    ]);
  });

  test('says who stands where when links moved, and the skew', () => {
    const hosts = [ended('web01', 'reverted'), ended('web02', 'unknown', fail('web02')), ended('web03', 'reverted')];
    const result = end({ outcome: 'unknown', exitCode: 4, hosts, flip: { skewMs: 3.21, errorMs: 0.5 } });
    expect(formatEnd(result)).toEqual([
      'web02: there is no space (NO_SPACE). Free space',
      'reverted: web01, web03',
      'unknown: web02',
      'The links moved within 3.2 ms (+/- 0.5 ms).',
      'THE STATE OF THE FLEET IS NOT KNOWN: see the hosts named above. Next: fleetflip recover.',
    ]);
  });

  test.each<[Outcome, Parameters<typeof end>[0], RegExp]>([
    ['committed', {}, /^v2 \(sha256:aaaaaaaaaaaa\) is live on 2 hosts\.$/],
    ['committed', { fleetSplit: true }, /is live on 2 hosts\. The hosts that were left out .* the fleet is split\.$/],
    ['current', {}, /was live on 2 hosts already; nothing was changed\.$/],
    ['staged', { command: 'stage' }, /is staged on 2 hosts and verified; no link moved\. Next: fleetflip flip\.$/],
    ['current', { command: 'recover' }, /^Nothing to settle: 2 hosts settled already\.$/],
    [
      'settled',
      { command: 'recover', hosts: [ended('a', 'confirmed'), ended('b', 'reverted'), ended('c', 'unchanged')] },
      /^The fleet is settled: 3 hosts, 1 confirmed, 1 put back\.$/,
    ],
    ['done', { command: 'check' }, /^Ready: 2 hosts\. Nothing was changed\.$/],
    ['done', { command: 'unlock' }, /^No lock is held on 2 hosts\. No link moved\.$/],
    ['done', { command: 'adopt' }, /^The live link points to a slot on 2 hosts\.$/],
    ['unchanged', {}, /^The fleet is as it was: no link moved\.$/],
    ['unchanged', { command: 'unlock' }, /^No lock was taken away\.$/],
    ['unchanged', { command: 'check', hosts: [ended('a', 'failed', fail('a'))] }, /^1 of 1 host NOT ready\./],
    [
      'unchanged',
      { command: 'adopt', hosts: [ended('a', 'failed', fail('a')), ended('b', 'unchanged')] },
      /^1 of 2 hosts NOT adopted: see above\.$/,
    ],
    ['invalid', {}, /^No host was contacted\.$/],
    ['reverted', {}, /^The fleet is back where it was/],
    ['split', {}, /^THE FLEET IS SPLIT/],
    ['locked', {}, /another deployment holds it\.$/],
  ])('of %s %j is one sentence on the fleet', (outcome, more, sentence) => {
    const hosts = [ended('a', 'unchanged'), ended('b', 'unchanged')];
    expect(formatEnd(end({ hosts, ...more, outcome, exitCode: exitCode(outcome) })).at(-1)).toMatch(sentence);
  });
});
