/** The 512 bytes in front of a member, and pax records. */

import { type ByteString, fromBytes } from '../domain/bytes.ts';

export interface Header {
  readonly path: ByteString;
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** One character; `0` for every kind of plain file. */
  readonly type: string;
  readonly target: ByteString;
  /** A prefix that only some tars take for a part of the name. */
  readonly ambiguous: boolean;
  /** Old GNU sparse files: a block with more of the map follows. */
  readonly extended: boolean;
}

/** @returns null when the checksum is wrong or a number cannot be read. */
export function parseHeader(block: Buffer): Header | null {
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  const size = parseNumber(block.subarray(124, 136));
  const mode = parseNumber(block.subarray(100, 108));
  if (parseNumber(block.subarray(148, 156)) !== sum || size === null || mode === null) return null;
  const posix = block.subarray(257, 263).equals(Buffer.from('ustar\0'));
  const prefix = posix ? untilNul(block.subarray(345, 500)) : '';
  const name = untilNul(block.subarray(0, 100));
  const type = String.fromCharCode(block[156] ?? 0);
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    mode: mode & 0o7777,
    size,
    type: type === '\0' || type === '7' ? '0' : type,
    target: untilNul(block.subarray(157, 257)),
    ambiguous: !posix && block[345] !== 0,
    extended: type === 'S' && block[482] === 1,
  };
}

/** Records `LENGTH KEY=VALUE\n`; null when they are malformed. */
export function parsePax(data: Buffer): Map<string, ByteString> | null {
  const records = new Map<string, ByteString>();
  let at = 0;
  while (at < data.length) {
    const space = data.indexOf(32, at);
    const digits = fromBytes(data.subarray(at, space));
    const length = Number(digits);
    if (space < 0 || !/^\d{1,9}$/.test(digits) || length <= space - at || at + length > data.length) return null;
    const text = fromBytes(data.subarray(space + 1, at + length));
    const equals = text.indexOf('=');
    if (equals < 0 || !text.endsWith('\n')) return null;
    records.set(text.slice(0, equals), text.slice(equals + 1, -1));
    at += length;
  }
  return records;
}

/** Text of a field that NUL ends, unless it fills the field. */
export function untilNul(field: Buffer): ByteString {
  const end = field.indexOf(0);
  return fromBytes(end < 0 ? field : field.subarray(0, end));
}

/** Octal text, or base 256 when the first bit is set. */
function parseNumber(field: Buffer): number | null {
  if (((field[0] ?? 0) & 0x80) !== 0) {
    const value = field.reduce((total, byte, at) => total * 256 + (at === 0 ? byte & 0x7f : byte), 0);
    return Number.isSafeInteger(value) ? value : null;
  }
  const text = untilNul(field).trim();
  if (text === '') return 0;
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : null;
}
