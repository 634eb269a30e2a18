import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBytes, fromText, show, toBytes } from '../../src/domain/bytes.ts';

describe('byte strings', () => {
  test('hold any bytes exactly, in any number', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        expect(toBytes(fromBytes(bytes))).toEqual(bytes);
      }),
    );
    const many = Uint8Array.from({ length: 100_000 }, (_, at) => at % 251);
    expect(toBytes(fromBytes(many))).toEqual(many);
  });

  test('compare as their bytes do', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5 }), fc.uint8Array({ maxLength: 5 }), (one, other) => {
        expect(fromBytes(one) < fromBytes(other)).toBe(Buffer.compare(one, other) < 0);
      }),
    );
  });

  test('are not made of wider characters', () => {
    expect(() => toBytes('日')).toThrow('not a byte string');
    expect(fromText('日')).toBe('\xe6\x97\xa5');
  });
});

describe('what people see', () => {
  test('is the text where it is UTF-8 without anything that moves a cursor or hides', () => {
    expect(show(fromText('größe-日本-😀'))).toBe('größe-日本-😀');
    expect(show('a\x1b[2J\n\x7f')).toBe('a\\x1b[2J\\x0a\\x7f');
    expect(show('\xff\xfeb')).toBe('\\xff\\xfeb');
    expect(show(fromText('a\u202eb\u2028'))).toBe('a\\xe2\\x80\\xaeb\\xe2\\x80\\xa8');
    expect(show(fromText('\ufeffa'))).toBe('\\xef\\xbb\\xbfa');
    expect(show('\xc3')).toBe('\\xc3');
    expect(show('\xc0\xaf')).toBe('\\xc0\\xaf');
  });

  test('never has control characters, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
        expect(show(fromBytes(bytes))).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      }),
      { numRuns: 500 },
    );
  });
});
