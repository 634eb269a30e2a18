/** Reads the agent's standard output: lines and blobs, strictly. What cannot be read is an unknown outcome. */

import { type ByteString, fromBytes } from '../domain/bytes.ts';
import { decodeWord } from './words.ts';

export interface Reply {
  /** Lines `ID + KEY WORD...`, decoded, in order. */
  readonly lines: readonly { readonly key: string; readonly words: readonly ByteString[] }[];
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  readonly no: { readonly code: string; readonly text: ByteString } | null;
}

/** Bytes on demand from a stream that ends or breaks at any time. */
export interface ByteReader {
  /** A line without its newline; null at the end. @throws Error when it is longer than the limit. */
  line(limit?: number): Promise<ByteString | null>;
  /** Exactly so many bytes; null when the stream ends before. */
  take(length: number): Promise<Uint8Array | null>;
  /** What comes until the end, piece by piece. */
  rest(): AsyncGenerator<Uint8Array>;
}

const LINE_LIMIT = 1 << 20;
const BLOB_LIMIT = 1 << 30;
/** Bytes of all lines of one reply. */
const REPLY_LIMIT = 1 << 26;

const KEY = /^[a-z][a-z0-9-]*$/;
const CODE = /^[A-Z][A-Z0-9_]*$/;

export function createReader(stream: NodeJS.ReadableStream): ByteReader {
  const source = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer | string>;
  let held: Buffer = Buffer.alloc(0);

  async function more(): Promise<boolean> {
    const chunk = await source.next().catch(() => ({ done: true, value: undefined }));
    if (chunk.done || chunk.value === undefined) return false;
    const bytes = typeof chunk.value === 'string' ? Buffer.from(chunk.value, 'latin1') : chunk.value;
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    return true;
  }

  return {
    async line(limit = LINE_LIMIT) {
      for (;;) {
        const end = held.indexOf(10);
        if (end > limit || (end < 0 && held.length > limit)) throw new Error('a line without an end');
        if (end >= 0) {
          const text = fromBytes(held.subarray(0, end));
          held = held.subarray(end + 1);
          return text;
        }
        if (!(await more())) return null;
      }
    },
    async take(length) {
      const parts: Buffer[] = [];
      let missing = length;
      while (missing > 0) {
        if (held.length === 0 && !(await more())) return null;
        const part = held.subarray(0, missing);
        parts.push(part);
        held = held.subarray(part.length);
        missing -= part.length;
      }
      return Buffer.concat(parts);
    },
    async *rest() {
      while (held.length > 0 || (await more())) {
        const piece = held;
        held = Buffer.alloc(0);
        yield piece;
      }
    },
  };
}

/**
 * The whole reply to one request.
 * @returns null when the stream ended before the reply did
 * @throws Error when anything but a reply to this request is read
 */
export async function readReply(reader: ByteReader, id: number): Promise<Reply | null> {
  const lines: { key: string; words: ByteString[] }[] = [];
  const blobs = new Map<string, Uint8Array>();
  let read = 0;
  for (;;) {
    const text = await reader.line();
    if (text === null) return null;
    read += text.length;
    if (read > REPLY_LIMIT) throw new Error('an answer without an end');
    const [number, kind, first = '', ...rest] = text.split(' ');
    const [second] = rest;
    if (number !== String(id)) throw new Error(`not an answer to request ${id}: ${text.slice(0, 200)}`);
    if (text === `${id} ok`) return { lines, blobs, no: null };
    if (kind === 'no' && CODE.test(first) && second !== undefined && rest.length === 1)
      return { lines, blobs, no: { code: first, text: decodeWord(second) } };
    if (kind === '+' && KEY.test(first)) lines.push({ key: first, words: rest.map(decodeWord) });
    else if (kind === 'blob' && KEY.test(first) && second !== undefined && rest.length === 1 && !blobs.has(first)) {
      const blob = await readBlob(reader, second);
      if (blob === null) return null;
      blobs.set(first, blob);
    } else throw new Error(`not a line of an answer: ${text.slice(0, 200)}`);
  }
}

async function readBlob(reader: ByteReader, length: string): Promise<Uint8Array | null> {
  if (!/^\d{1,10}$/.test(length) || Number(length) > BLOB_LIMIT) throw new Error(`not a length: ${length}`);
  const bytes = await reader.take(Number(length) + 1);
  if (bytes === null) return null;
  if (bytes[bytes.length - 1] !== 10) throw new Error('a blob without an end');
  return bytes.subarray(0, -1);
}
