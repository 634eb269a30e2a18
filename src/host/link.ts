/** Bytes over a channel of their own that belong to no stage: to measure the link, and what a host's files hold. */

import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type ByteString, toBytes } from '../domain/bytes.ts';
import { type AgentStart, type Started, startAgent } from './start.ts';
import { stoppedBy } from './talk.ts';

/**
 * @returns bytes a millisecond, the time of the way there and back left out
 * @throws FleetflipError when the link was lost
 */
export async function measureLink(start: AgentStart, bytes: Uint8Array, signal?: AbortSignal): Promise<number> {
  const { clock } = start;
  const began = clock.now();
  const started = await startAgent(start, { verb: 'measure', words: [], signal });
  const ready = clock.now();
  await within(start, started, signal, async ({ channel, reader }) => {
    channel.stdin.end(bytes);
    await reader.line();
  });
  const took = clock.now() - ready - Math.min(ready - began, clock.now() - ready);
  return bytes.length / Math.max(1, took);
}

export interface Reading {
  readonly slot: string;
  readonly paths: readonly ByteString[];
  /** Bytes: more than these are not read. */
  readonly size: number;
  readonly signal: AbortSignal | undefined;
}

/** What came of the files' contents, up to where it ended. @throws FleetflipError when the link was lost */
export async function readContents(start: AgentStart, { slot, paths, size, signal }: Reading): Promise<Buffer> {
  const started = await startAgent(start, { verb: 'contents', words: [slot], signal });
  return within(start, started, signal, async ({ channel, reader }) => {
    channel.stdin.end(toBytes(paths.map(path => `./${path}\0`).join('')));
    const chunks: Buffer[] = [];
    let missing = size;
    await pipeline(reader.rest(), createGunzip(), async unpacked => {
      for await (const chunk of unpacked) {
        chunks.push(chunk);
        missing -= chunk.length;
        if (missing <= 0) return;
      }
    }).catch(() => undefined);
    return Buffer.concat(chunks);
  });
}

async function within<Value>(
  { host }: AgentStart,
  started: Started,
  signal: AbortSignal | undefined,
  work: (started: Started) => Promise<Value>,
): Promise<Value> {
  const { channel } = started;
  const stop = (): void => channel.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    return await work(started);
  } catch (thrown) {
    throw signal?.aborted ? stoppedBy(signal, { host, phase: 'stage' }) : thrown;
  } finally {
    signal?.removeEventListener('abort', stop);
    channel.destroy();
  }
}
