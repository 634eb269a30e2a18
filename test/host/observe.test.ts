import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromText } from '../../src/domain/bytes.ts';
import { readFacts, readScanHeads } from '../../src/host/observe.ts';
import type { Reply } from '../../src/host/wire.ts';

const ID = `sha256:${'a'.repeat(64)}`;

/** A whole answer to a probe; each line as the agent writes it, decoded. */
const LINES: readonly (readonly string[])[] = [
  ['hostname', fromText('wéb1')],
  ['boot', 'b-1'],
  ['rename', 'mv-T'],
  ['unpacks', 'gzip'],
  ['unpacks', 'patch'],
  ['writable', 'yes'],
  ['free', '1000', ''],
  ['link', 'text', './foo_l/'],
  ['points', 'foo_l'],
  ['slot', 'foo_l', 'yes', 'verified', ID, fromText('v 1'), '', 'no', '1700000000'],
  ['slot', 'foo_r', 'no', 'empty', '', '', '', 'no', ''],
  ['lock', 'd1', 'ann', 'deploy', '1700000001', 'no'],
  ['deployment', 'd0', 'confirmed', 'foo_r', 'foo_l', ID, '', 'web1', '1700000002'],
  ['participant', 'web1'],
  ['participant', 'web2'],
];

function reply(lines: readonly (readonly string[])[]): Reply {
  return { lines: lines.map(([key = '', ...words]) => ({ key, words })), blobs: new Map(), no: null };
}

/** The answer with one line in the place of all that have its key. */
function withLine(...line: readonly string[]): Reply {
  const at = LINES.findIndex(([key]) => key === line[0]);
  return reply([...LINES.slice(0, at), line, ...LINES.slice(at + 1).filter(([key]) => key !== line[0])]);
}

describe('what a probe says', () => {
  it('is read whole', () => {
    expect(readFacts('web1', reply(LINES))).toEqual({
      host: 'web1',
      hostname: 'wéb1',
      live: { kind: 'link', text: './foo_l/', slot: 'foo_l' },
      slots: [
        {
          slot: 'foo_l',
          exists: true,
          state: 'verified',
          release: ID,
          label: 'v 1',
          role: null,
          found: false,
          recordedAt: 1_700_000_000,
        },
        {
          slot: 'foo_r',
          exists: false,
          state: 'empty',
          release: null,
          label: '',
          role: null,
          found: false,
          recordedAt: null,
        },
      ],
      lock: { deployment: 'd1', owner: 'ann', command: 'deploy', since: 1_700_000_001, alive: false },
      deployment: {
        deployment: 'd0',
        state: 'confirmed',
        participants: ['web1', 'web2'],
        decider: 'web1',
        from: 'foo_r',
        to: 'foo_l',
        release: ID,
        label: '',
        at: 1_700_000_002,
        guard: null,
      },
      rename: 'mv-T',
      missing: [],
      unpacks: ['gzip', 'patch'],
      writable: true,
      freeBytes: 1000,
      freeInodes: null,
    });
  });

  it('tells every kind of name, and a link that points elsewhere', () => {
    const live = (...words: string[]) => {
      const lines = withLine('link', ...words).lines.filter(line => line.key !== 'points');
      return readFacts('web1', { ...reply([]), lines }).live;
    };
    expect(live('none')).toEqual({ kind: 'none' });
    expect(live('directory')).toEqual({ kind: 'directory' });
    expect(live('other')).toEqual({ kind: 'other' });
    expect(live('text', '/srv/old')).toEqual({ kind: 'link', text: '/srv/old', slot: null });
  });

  it('is no answer when a line is missing that must be there', () => {
    for (const key of ['hostname', 'rename', 'writable', 'free', 'link', 'slot'])
      expect(() => readFacts('web1', reply(LINES.filter(line => line[0] !== key))), key).toThrow(
        `lacks the line ${key}`,
      );
  });

  it('is no answer when a line says what no agent says', () => {
    for (const line of [
      ['link', 'pipe'],
      ['points', 'elsewhere'],
      ['writable', 'perhaps'],
      ['free', '-', ''],
      ['slot', 'foo_l', 'yes', 'sound', ID, '', '', 'no', '1'],
      ['slot', 'foo_l', '', 'verified', ID, '', '', 'no', '1'],
      ['slot', 'foo_l', 'yes', 'verified', ID, '', 'leader', 'no', '1'],
      ['slot', 'foo_l', 'yes', 'verified', ID, '', '', '', '1'],
      ['slot', 'foo_l'],
      ['lock', 'd1', 'ann', 'deploy', 'today', 'yes'],
      ['lock', 'd1', 'ann', 'deploy', '1'],
      ['deployment', 'd0', 'begun', 'foo_r', 'foo_l', ID, '', 'web1', '1'],
      ['deployment', 'd0', 'armed'],
    ])
      expect(() => readFacts('web1', withLine(...line)), line.join(' ')).toThrow();
  });

  it('of any words is facts or an error, and its texts are safe to show', () => {
    const byte = fc.integer({ min: 1, max: 255 }).map(code => String.fromCharCode(code));
    const word = fc.oneof(fc.string({ unit: byte, maxLength: 6 }), fc.constantFrom(...LINES.flat()));
    const line = fc.tuple(fc.constantFrom(...LINES.flatMap(([key]) => key ?? [])), fc.array(word, { maxLength: 9 }));
    fc.assert(
      fc.property(line, ([key, words]) => {
        let facts: ReturnType<typeof readFacts>;
        try {
          facts = readFacts('web1', withLine(key, ...words));
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Error);
          return;
        }
        const texts = [
          facts.hostname,
          ...facts.slots.map(slot => slot.label),
          facts.lock?.owner,
          facts.deployment?.label,
          facts.deployment?.decider,
          ...(facts.deployment?.participants ?? []),
        ];
        expect(texts.join('')).not.toMatch(/\p{Cc}/u);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('the scans that a probe announces', () => {
  it('are read when they have an id and times, and are nonsense otherwise', () => {
    const times = 'b'.repeat(64);
    expect(readScanHeads(reply([...LINES, ['scan', 'foo_l', ID, times, '3']]))).toEqual([
      { slot: 'foo_l', id: ID, times },
    ]);
    expect(readScanHeads(reply(LINES))).toEqual([]);
    for (const words of [
      ['foo_l'],
      ['foo_l', ID],
      ['foo_l', ID.slice(0, -1), times],
      ['foo_l', times, times],
      ['foo_l', ID, `${times}0`],
    ])
      expect(() => readScanHeads(reply([['scan', ...words]])), words.join(' ')).toThrow('a scan without an id');
  });
});
