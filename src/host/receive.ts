/** Payloads to a host, each over a channel of its own: the lists, then the archive; or what it needs for a pull. */

import { once } from 'node:events';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { hideSecrets } from '../domain/artifact.ts';
import { show } from '../domain/bytes.ts';
import { FleetflipError } from '../domain/error.ts';
import type { Packing } from '../domain/packing.ts';
import type { Exit, PullRequest, StageRequest } from '../ports.ts';
import { buildLists, buildPullLists } from './lists.ts';
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
  const { slot, from, remove, copy, packing = null, archive, onSent } = request;
  const short = listWords(request);
  const words = (kind: string): readonly string[] => [token, slot, kind, from ?? slot];
  if (short === null) {
    const payload = Readable.from([buildLists(remove, copy)]);
    await send({ start, words: words('lists'), payload, signal });
  }
  const listed = short ?? [];
  if (archive !== null) {
    await send({ start, words: [...words(kindOf(packing)), ...listed], payload: archive(), onSent, signal });
  } else if (listed.length > 0) {
    await send({ start, words: [...words('none'), ...listed], payload: Readable.from([]), signal });
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

export interface PullOrder {
  readonly start: AgentStart;
  /** Of the lock under which it is done. */
  readonly token: string;
  readonly request: PullRequest;
  readonly signal: AbortSignal | undefined;
}

/**
 * Lets the host fetch the artifact; it gives up when we do.
 * @returns the bytes that it fetched
 * @throws FleetflipError `PULL_FAILED` when it said that it could not
 */
export async function pullArtifact({ start, token, request, signal }: PullOrder): Promise<number> {
  const { slot, from, copy, mtime, artifact } = request;
  const lists = buildPullLists(copy, mtime);
  const { url, size, sha256, packed } = artifact;
  const ended = new AbortController();
  async function* untilAnswered(): AsyncGenerator<Buffer> {
    yield Buffer.concat([Buffer.from(`${encodeWord(url)}\n`), lists]);
    if (!ended.signal.aborted) await once(ended.signal, 'abort');
  }
  const words = [token, slot, 'pull', from ?? slot, sha256, String(size), String(lists.length), packed];
  try {
    const onVerdict = (): void => ended.abort();
    return await send({ start, words, payload: Readable.from(untilAnswered()), signal, onVerdict });
  } catch (thrown) {
    if (!(thrown instanceof FleetflipError) || thrown.failure.kind !== 'failed') throw thrown;
    throw pullFailed(start, thrown.failure.what);
  } finally {
    ended.abort();
  }
}

interface Payload {
  readonly start: AgentStart;
  /** Of the agent's verb. */
  readonly words: readonly string[];
  readonly payload: NodeJS.ReadableStream;
  readonly signal: AbortSignal | undefined;
  readonly onSent?: (bytes: number) => void;
  readonly onVerdict?: () => void;
}

/** @returns the number that the host says */
async function send({ start, words, payload, signal, onSent = () => undefined, onVerdict }: Payload): Promise<number> {
  const talk: Talk = { host: start.host, phase: 'stage' };
  const { channel, reader, complaints } = await startAgent(start, { verb: 'receive', words, signal });
  const stop = (): void => channel.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const counted = (chunks: AsyncIterable<string | Buffer>): AsyncIterable<string | Buffer> => count(chunks, onSent);
    const sent = pipeline(payload, counted, channel.stdin as Writable, signal === undefined ? {} : { signal }).then(
      () => null,
      message,
    );
    const verdict = await readVerdict(reader).finally(onVerdict);
    // A payload that waits for the verdict may meet a channel that is closed by then.
    const problem = onVerdict === undefined ? await Promise.race([sent, channel.exit.then(() => null)]) : null;
    const exit = await channel.exit;
    const done = verdict !== null && 'done' in verdict;
    if (done && problem === null && exit.code === 0) return verdict.done;
    if (verdict !== null && 'failed' in verdict) throw failed(start, verdict.failed);
    if (signal?.aborted) throw stoppedBy(signal, talk);
    throw explainLoss(talk, { silent: done && isSilent(exit), said: complaints().trim() || problem });
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

type Verdict = { readonly done: number } | { readonly failed: string };

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
  if (line === 'done') return { done: 0 };
  if (word === 'done' && /^\d{1,15}$/.test(text ?? '')) return { done: Number(text) };
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

const UNPACKING = 'the host could not unpack the release: ';

function failed(start: AgentStart, said: string): FleetflipError {
  const full = /no space|quota|disk full|wrote only/i.test(said);
  return new FleetflipError({
    kind: 'failed',
    code: full ? 'NO_SPACE' : 'UNPACK_FAILED',
    phase: 'stage',
    host: start.host.name,
    what: `${UNPACKING}${said.trim()}`,
    hint: full ? 'Free space on this host' : 'Mend what the host says, then deploy again',
  });
}

/** What the host says is text of its programs, which may name the URL. */
function pullFailed(start: AgentStart, what: string): FleetflipError {
  const said = what.replace(UNPACKING, '');
  return new FleetflipError({
    kind: 'failed',
    code: 'PULL_FAILED',
    phase: 'stage',
    host: start.host.name,
    what: `the host could not fetch the release itself: ${hideSecrets(said)}`,
    hint: 'It is sent to it instead',
  });
}

function message(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
