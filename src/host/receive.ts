/** Payloads to a host, each over a channel of its own: the lists, then the archive. */

import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { show } from '../domain/bytes.ts';
import { FleetflipError } from '../domain/error.ts';
import type { Packing } from '../domain/packing.ts';
import type { Exit, StageRequest } from '../ports.ts';
import { buildLists } from './lists.ts';
import { type AgentStart, startAgent } from './start.ts';
import { stoppedBy, type Talk, talkFailure } from './talk.ts';
import type { ByteReader } from './wire.ts';
import { decodeWord, encodeWord } from './words.ts';

export interface Upload {
  readonly start: AgentStart;
  /** Of the lock under which it is done. */
  readonly token: string;
  readonly request: StageRequest;
  readonly signal: AbortSignal | undefined;
}

/** @throws FleetflipError when a payload did not arrive whole; the slot stays unproven. */
export async function upload({ start, token, request, signal }: Upload): Promise<void> {
  const words = listWords(request);
  if (words === null) {
    const lists = Readable.from([buildLists(request.remove, request.copy)]);
    const quiet = { ...request, onSent: () => undefined };
    await send({ start, token, request: quiet, signal, kind: 'lists', words: [], payload: lists });
  }
  if (request.archive !== null) {
    await send({
      start,
      token,
      request,
      signal,
      kind: kindOf(request.packing ?? null),
      words: words ?? [],
      payload: request.archive(),
    });
  } else if (words !== null && words.length > 0) {
    await send({ start, token, request, signal, kind: 'none', words, payload: Readable.from([]) });
  }
}

/** Characters of short lists, which go with the command; null when they are longer. */
const SHORT = 2_000;

function listWords({ remove, copy }: StageRequest): readonly string[] | null {
  if (remove.length + copy.length === 0) return [];
  const words = [String(remove.length), ...[...remove, ...copy].map(path => encodeWord(`./${path}`))];
  return words.join(' ').length > SHORT ? null : words;
}

function kindOf(packing: Packing | null): string {
  if (packing === null) return 'archive';
  return `${packing.patched ? 'patch' : 'archive'}.${packing.compression === 'zstd' ? 'zst' : 'gz'}`;
}

interface Payload extends Upload {
  readonly kind: string;
  readonly words: readonly string[];
  readonly payload: NodeJS.ReadableStream;
}

async function send({ start, token, request, signal, kind, words, payload }: Payload): Promise<void> {
  const talk: Talk = { host: start.host, phase: 'stage' };
  const { channel, reader, complaints } = await startAgent(start, {
    verb: 'receive',
    words: [token, request.slot, kind, request.from ?? request.slot, ...words],
    signal,
  });
  const stop = (): void => channel.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const counted = (chunks: AsyncIterable<string | Buffer>): AsyncIterable<string | Buffer> =>
      count(chunks, request.onSent);
    const sent = pipeline(payload, counted, channel.stdin as Writable, signal === undefined ? {} : { signal }).then(
      () => null,
      message,
    );
    const verdict = await readVerdict(reader);
    const problem = await Promise.race([sent, channel.exit.then(() => null)]);
    const exit = await channel.exit;
    if (verdict === 'done' && problem === null && exit.code === 0) return;
    if (verdict !== null && verdict !== 'done') throw failed(start, verdict.failed);
    if (signal?.aborted) throw stoppedBy(signal, talk);
    throw explainLoss(talk, { silent: verdict === 'done' && isSilent(exit), said: complaints().trim() || problem });
  } catch (thrown) {
    channel.destroy();
    if (thrown instanceof FleetflipError) throw thrown;
    if (signal?.aborted) throw stoppedBy(signal, talk);
    const what = `the host's answer cannot be read: ${message(thrown)}`;
    throw talkFailure(talk, { kind: 'unknown', code: 'AGENT_NONSENSE', what });
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** The host said that it is done, and the status that has to confirm it never came. */
function isSilent(exit: Exit): boolean {
  return exit.code === null && exit.signal === null;
}

function explainLoss(talk: Talk, { silent, said }: { silent: boolean; said: string | null }): FleetflipError {
  if (silent)
    return talkFailure(talk, { kind: 'unknown', code: 'NO_EXIT_STATUS', what: 'the upload ended without a status' });
  const what = `the upload did not arrive whole${said === null ? '' : `: ${said}`}`;
  return talkFailure(talk, { kind: 'lost', code: 'UPLOAD_LOST', what });
}

type Verdict = 'done' | { readonly failed: string };

/**
 * Reads to the end, for a channel does not end before.
 * @returns null when there was none
 * @throws Error when anything else was said
 */
async function readVerdict(reader: ByteReader): Promise<Verdict | null> {
  const line = await reader.line();
  if (line === null) return null;
  const more = await reader.line();
  const [word, text, ...rest] = line.split(' ');
  if (more !== null || rest.length > 0) throw new Error(`not a verdict: ${line.slice(0, 200)}`);
  if (line === 'done') return 'done';
  if (word !== 'failed' || text === undefined) throw new Error(`not a verdict: ${line.slice(0, 200)}`);
  return { failed: show(decodeWord(text)) };
}

async function* count(
  chunks: AsyncIterable<string | Buffer>,
  onSent: (bytes: number) => void,
): AsyncIterable<string | Buffer> {
  for await (const chunk of chunks) {
    onSent(chunk.length);
    yield chunk;
  }
}

function failed(start: AgentStart, said: string): FleetflipError {
  const full = /no space|quota|disk full|wrote only/i.test(said);
  return new FleetflipError({
    kind: 'failed',
    code: full ? 'NO_SPACE' : 'UNPACK_FAILED',
    phase: 'stage',
    host: start.host.name,
    what: `the host could not unpack the release: ${said.trim()}`,
    hint: full ? 'Free space on this host' : 'Mend what the host says, then deploy again',
  });
}

function message(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
