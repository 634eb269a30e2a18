/** Payloads to a host, each over a channel of its own: the lists, then the archive. */

import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { show } from '../domain/bytes.ts';
import { FleetflipError } from '../domain/error.ts';
import type { StageRequest } from '../ports.ts';
import { buildLists } from './lists.ts';
import { type AgentStart, startAgent } from './start.ts';
import { stoppedBy, type Talk, talkFailure } from './talk.ts';
import { decodeWord } from './words.ts';

export interface Upload {
  readonly start: AgentStart;
  /** Of the lock under which it is done. */
  readonly token: string;
  readonly request: StageRequest;
  readonly signal: AbortSignal | undefined;
}

/** @throws FleetflipError when a payload did not arrive whole; the slot stays unproven. */
export async function upload({ start, token, request, signal }: Upload): Promise<void> {
  if (request.remove.length > 0 || request.copy.length > 0) {
    const lists = Readable.from([buildLists(request.remove, request.copy)]);
    await send({
      start,
      token,
      request: { ...request, onSent: () => undefined },
      signal,
      kind: 'lists',
      payload: lists,
    });
  }
  if (request.archive !== null) {
    await send({ start, token, request, signal, kind: 'archive', payload: request.archive() });
  }
}

interface Payload extends Upload {
  readonly kind: 'lists' | 'archive';
  readonly payload: NodeJS.ReadableStream;
}

async function send({ start, token, request, signal, kind, payload }: Payload): Promise<void> {
  const { channel, reader, complaints } = await startAgent(start, {
    verb: 'receive',
    words: [token, request.slot, kind, request.from ?? request.slot],
    signal,
  });
  const stop = (): void => channel.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const counted = (chunks: AsyncIterable<string | Buffer>): AsyncIterable<string | Buffer> =>
      count(chunks, request.onSent);
    const sent = pipeline(payload, counted, channel.stdin as Writable, signal === undefined ? {} : { signal }).then(
      () => null,
      (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown)),
    );
    const verdict = await reader.line();
    // The channel does not end before its output is read to the end.
    while ((await reader.line()) !== null);
    const problem = await Promise.race([sent, channel.exit.then(() => null)]);
    const exit = await channel.exit;
    if (verdict === 'done' && problem === null && exit.code === 0) return;
    if (verdict?.startsWith('failed ')) throw failed(start, show(decodeWord(verdict.slice(7))));
    const talk: Talk = { host: start.host, phase: 'stage' };
    if (signal?.aborted) throw stoppedBy(signal, talk);
    if (verdict === 'done' && exit.code === null && exit.signal === null)
      throw talkFailure(talk, { kind: 'unknown', code: 'NO_EXIT_STATUS', what: 'the upload ended without a status' });
    const said = complaints().trim();
    const what = `the upload did not arrive whole${said === '' ? '' : `: ${said}`}`;
    throw talkFailure(talk, { kind: 'lost', code: 'UPLOAD_LOST', what });
  } finally {
    signal?.removeEventListener('abort', stop);
  }
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
