import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeWord, encodeWord } from '../../src/host/words.ts';

const byte = fc.integer({ min: 1, max: 255 }).map(code => String.fromCharCode(code));
const ALL = Array.from({ length: 255 }, (_, at) => String.fromCharCode(at + 1));

describe('a word', () => {
  it('gives back any bytes, and has no character that a shell could take for something else', () => {
    for (const one of [...ALL, ALL.join('')]) {
      expect(decodeWord(encodeWord(one))).toBe(one);
      expect(encodeWord(one)).toMatch(/^[A-Za-z0-9._:/@+=,\\-]+$/);
    }
    fc.assert(
      fc.property(fc.string({ unit: byte }), value => {
        expect(decodeWord(encodeWord(value))).toBe(value);
        expect(encodeWord(value)).toMatch(/^(?:~|[A-Za-z0-9._:/@+=,\\-]+)$/);
      }),
    );
  });

  it('is one for each value: two values never share a word', () => {
    fc.assert(
      fc.property(fc.string({ unit: byte }), fc.string({ unit: byte }), (one, other) => {
        expect(encodeWord(one) === encodeWord(other)).toBe(one === other);
      }),
    );
    expect([encodeWord(''), encodeWord('~')]).toEqual(['~', '\\0176']);
  });

  it('may spell every byte out, as hosts do', () => {
    const spelled = ALL.map(one => `\\0${one.charCodeAt(0).toString(8).padStart(3, '0')}`).join('');
    expect(decodeWord(spelled)).toBe(ALL.join(''));
  });

  it('is never made of a NUL or of what is no byte', () => {
    for (const wrong of ['\0', 'a\0b', '\u0100', '€', '😀']) expect(() => encodeWord(wrong)).toThrow('a word holds');
  });

  it('of any other text is an error, never a guess', () => {
    for (const wrong of [
      '',
      ' ',
      'a b',
      '~~',
      'a~',
      '\\',
      '\\0',
      '\\01',
      '\\012',
      '\\0400',
      '\\0999',
      '\\0000',
      '\\x41',
      'a\n',
      "'",
      '$(id)',
      'ü',
      '\0',
    ])
      expect(() => decodeWord(wrong), JSON.stringify(wrong)).toThrow('not a word');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        const parts = text === '~' ? [] : text.match(/\\0[0-3][0-7]{2}|[A-Za-z0-9._:/@+=,-]/g);
        const isWord = text === '~' || (text !== '' && parts?.join('') === text && !text.includes('\\0000'));
        if (isWord) expect(decodeWord(text)).toHaveLength(parts?.length ?? 0);
        else expect(() => decodeWord(text)).toThrow('not a word');
      }),
    );
  });
});
