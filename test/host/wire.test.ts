import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReader, type Reply, readReply } from '../../src/host/wire.ts';
import { encodeWord } from '../../src/host/words.ts';

const ID = 7;

/** The stream's bytes in pieces that end where the cuts are. */
function inPieces(bytes: Buffer, cuts: readonly number[]): Readable {
  const ends = [...new Set(cuts.map(cut => cut % (bytes.length + 1)))].sort((one, other) => one - other);
  const pieces = [...ends, bytes.length].map((end, at) => bytes.subarray(at === 0 ? 0 : ends[at - 1], end));
  return Readable.from(pieces.filter(piece => piece.length > 0));
}

function read(bytes: Buffer, cuts: readonly number[] = [], id = ID): Promise<Reply | null> {
  return readReply(createReader(inPieces(bytes, cuts)), id);
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

const value = fc.string({
  unit: fc.integer({ min: 1, max: 255 }).map(code => String.fromCharCode(code)),
  maxLength: 8,
});
const key = fc.constantFrom('slot', 'hostname', 'participant', 'scan');
const blob = fc.uint8Array({ maxLength: 40 }).map(content => Buffer.from(content));
type Part = { key: string; words: string[] } | { blob: string; content: Buffer };
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ key, words: fc.array(value, { maxLength: 4 }) }),
  fc.record({ blob: fc.constantFrom('manifest', 'times', 'output'), content: blob }),
);
const ending = fc.option(fc.record({ code: fc.constantFrom('LOCKED', 'NO_SLOT'), text: value }));
const reply = fc.record({
  parts: fc.uniqueArray(part, { maxLength: 6, selector: one => ('blob' in one ? one.blob : one) }),
  no: ending,
});
const cuts = fc.array(fc.nat(), { maxLength: 8 });

type Sent = typeof reply extends fc.Arbitrary<infer T> ? T : never;

function write({ parts, no }: Sent): Buffer {
  const lines = parts.map(one =>
    'blob' in one
      ? Buffer.concat([bytes(`${ID} blob ${one.blob} ${one.content.length}\n`), one.content, bytes('\n')])
      : bytes(`${[ID, '+', one.key, ...one.words.map(encodeWord)].join(' ')}\n`),
  );
  const last = no === null ? `${ID} ok\n` : `${ID} no ${no.code} ${encodeWord(no.text)}\n`;
  return Buffer.concat([...lines, bytes(last)]);
}

function expectEqual(got: Reply | null, { parts, no }: Sent): void {
  expect(got?.no).toEqual(no);
  expect(got?.lines).toEqual(parts.filter(one => !('blob' in one)));
  const blobs = parts.flatMap(one => ('blob' in one ? [[one.blob, one.content.toString('hex')]] : []));
  expect([...(got?.blobs ?? [])].map(([name, content]) => [name, Buffer.from(content).toString('hex')])).toEqual(blobs);
}

describe('a reply', () => {
  it('is read as it was sent, however the stream is cut into pieces, and no byte after it', async () => {
    await fc.assert(
      fc.asyncProperty(reply, reply, cuts, async (first, second, at) => {
        const reader = createReader(inPieces(Buffer.concat([write(first), write(second)]), at));
        expectEqual(await readReply(reader, ID), first);
        expectEqual(await readReply(reader, ID), second);
        expect(await readReply(reader, ID)).toBe(null);
      }),
    );
  });

  it('that is cut at any byte is none', async () => {
    await fc.assert(
      fc.asyncProperty(reply, cuts, async (sent, at) => {
        const whole = write(sent);
        for (let length = 0; length < whole.length; length++)
          expect(await read(whole.subarray(0, length), at), `${length} of ${whole.length}`).toBe(null);
      }),
      { numRuns: 30 },
    );
  });

  it('that was sent to another request is nonsense', async () => {
    await fc.assert(
      fc.asyncProperty(reply, fc.nat(), async (sent, id) => {
        fc.pre(id !== ID);
        await expect(read(write(sent), [], id)).rejects.toThrow('not an answer to request');
      }),
    );
  });

  it('with a byte that was changed is another one of the same form, none, or nonsense', async () => {
    await fc.assert(
      fc.asyncProperty(reply, fc.nat(), fc.integer({ min: 0, max: 255 }), async (sent, place, byte) => {
        const damaged = write(sent);
        damaged[place % damaged.length] = byte;
        const got = await read(damaged).catch(thrown => thrown);
        if (got !== null && !(got instanceof Error)) expect(spell(damaged)).toBe('reply');
      }),
    );
  });
});

describe('any bytes', () => {
  const token = fc.constantFrom(
    '7',
    '8',
    ' ',
    '\n',
    '+',
    'ok',
    'no',
    'blob',
    'slot',
    'LOCKED',
    '~',
    '\\0101',
    '\\0',
    '3',
    '\0',
    '\xff',
    '-1',
    'a',
  );
  const stream = fc.oneof(
    fc.array(token, { maxLength: 40 }).map(tokens => bytes(tokens.join(''))),
    fc
      .array(fc.constantFrom('7 + slot a\n', '7 ok\n', '7 no LOCKED ~\n', '7 blob times 3\nabc\n', '7 + \n', 'x'), {
        maxLength: 6,
      })
      .map(lines => bytes(lines.join(''))),
    fc.uint8Array({ maxLength: 60 }).map(some => Buffer.from(some)),
  );

  it('are a reply, no reply, or an error, and a reply only when one stands there', async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(stream, cuts, async (some, at) => {
        const got = await read(some, at).then(
          found => (found === null ? 'nothing' : 'reply'),
          thrown => (thrown instanceof Error ? 'nonsense' : 'crash'),
        );
        seen.add(got);
        expect(got).toBe(spell(some));
      }),
      { numRuns: 2000 },
    );
    expect(seen).toEqual(new Set(['reply', 'nothing', 'nonsense']));
  });

  it('of a stream that breaks are no reply', async () => {
    const broken = new Readable({ read() {} });
    const reading = readReply(createReader(broken), ID);
    broken.push('7 + slot a\n');
    broken.destroy(new Error('reset'));
    expect(await reading).toBe(null);
  });
});

describe('a host without end', () => {
  it('is given up in a line, in lines, and in a blob that is too large', async () => {
    const endless = (text: string) =>
      Readable.from(
        (function* () {
          for (;;) yield Buffer.from(text);
        })(),
      );
    await expect(readReply(createReader(endless('x'.repeat(65_536))), ID)).rejects.toThrow('a line without an end');
    await expect(readReply(createReader(endless(`7 + slot ${'x'.repeat(60_000)}\n`)), ID)).rejects.toThrow(
      'an answer without an end',
    );
    await expect(read(bytes('7 blob manifest 9999999999\n'))).rejects.toThrow('not a length');
  });
});

/** What stands in the bytes, by the protocol's own words: another way to read it than the one that is tested. */
function spell(some: Buffer): 'reply' | 'nothing' | 'nonsense' {
  const word = '(?:~|(?:[A-Za-z0-9._:/@+=,-]|\\\\0(?!000)[0-3][0-7]{2})+)';
  const plain = new RegExp(`^7 \\+ [a-z][a-z0-9-]*(?: ${word})*$`);
  const last = new RegExp(`^7 (?:ok|no [A-Z][A-Z0-9_]* ${word})$`);
  let rest = some.toString('latin1');
  const blobs = new Set<string>();
  for (;;) {
    const end = rest.indexOf('\n');
    if (end < 0) return 'nothing';
    const text = rest.slice(0, end);
    rest = rest.slice(end + 1);
    if (last.test(text)) return 'reply';
    if (plain.test(text)) continue;
    const [, name = '', length] = /^7 blob ([a-z][a-z0-9-]*) (\d{1,10})$/.exec(text) ?? [];
    if (length === undefined || blobs.has(name) || Number(length) > 1 << 30) return 'nonsense';
    if (rest.length <= Number(length)) return 'nothing';
    if (rest[Number(length)] !== '\n') return 'nonsense';
    blobs.add(name);
    rest = rest.slice(Number(length) + 1);
  }
}
