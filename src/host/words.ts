/** Words of the line protocol: any bytes in characters that no shell and no terminal takes for something else. */

import type { ByteString } from '../domain/bytes.ts';

const PLAIN = /^[A-Za-z0-9._:/@+=,-]$/;

/** @param value a byte string without NUL */
export function encodeWord(value: ByteString): string {
  if (value === '') return '~';
  return [...value].map(char => (PLAIN.test(char) ? char : `\\0${octal(char)}`)).join('');
}

/** @throws Error when the text is not exactly one word, or holds a NUL, which no shell has in a value. */
export function decodeWord(word: string): ByteString {
  if (word === '~') return '';
  if (!/^(?:[A-Za-z0-9._:/@+=,-]|\\0(?!000)[0-3][0-7]{2})+$/.test(word))
    throw new Error(`not a word: ${JSON.stringify(word)}`);
  return word.replace(/\\0([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function octal(char: string): string {
  const code = char.charCodeAt(0);
  if (code === 0 || code > 255) throw new Error('a word holds bytes other than NUL');
  return code.toString(8).padStart(3, '0');
}
