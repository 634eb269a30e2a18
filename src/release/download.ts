/** Brings an artifact to this machine, once for the whole fleet. */

import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { hideSecrets, showUrl } from '../domain/artifact.ts';
import type { FleetflipError } from '../domain/error.ts';
import { explainSpool, releaseError } from './problems.ts';

export interface DownloadOptions {
  /** The file that is made. */
  readonly file: string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds in which the next byte has to come. Default: 60 s. */
  readonly patience?: number | undefined;
}

export interface Downloaded {
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly sha256: string;
  /** The server encodes what it sends, so that other programs get other bytes. */
  readonly encoded: boolean;
}

/**
 * @param url may hold a login and secrets; none of them is in what is thrown
 * @throws FleetflipError `RELEASE_UNREACHABLE`, `RELEASE_HTTP`, `RELEASE_STALLED`, `RELEASE_CUT_SHORT`, `RELEASE_SPOOL`
 */
export async function download(url: string, options: DownloadOptions): Promise<Downloaded> {
  const { file, signal, patience = 60_000 } = options;
  const stall = watchStall(patience, signal);
  const explain = (thrown: unknown, begun: boolean): unknown => {
    if (signal?.aborted) return signal.reason;
    if (stall.signal.aborted) return fail('RELEASE_STALLED', url, `sent nothing for ${patience / 1000} s`, AGAIN);
    return explainNetwork(thrown, { url, begun });
  };
  try {
    const request = readRequest(url);
    const response = await fetch(request.url, { headers: request.headers, signal: stall.signal }).catch(thrown =>
      Promise.reject(explain(thrown, false)),
    );
    if (!response.ok) throw refuseStatus(url, response.status);
    const body: AsyncIterable<Uint8Array> = response.body ?? noBytes();
    const handle = await open(file, 'wx', 0o600).catch(thrown => Promise.reject(explainSpool(thrown)));
    const saved = await save(body, { handle, touch: stall.touch, explain });
    return { ...saved, encoded: !['', 'identity'].includes(response.headers.get('content-encoding') ?? '') };
  } finally {
    stall.end();
  }
}

/** A request has no login in its URL. */
function readRequest(text: string): { readonly url: URL; readonly headers: Record<string, string> } {
  const url = new URL(text);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (username !== '' || password !== '') {
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    headers.authorization = `Basic ${Buffer.from(login).toString('base64')}`;
  }
  return { url, headers };
}

interface Saving {
  readonly handle: FileHandle;
  /** Called for every sign of life. */
  readonly touch: () => void;
  readonly explain: (thrown: unknown, begun: boolean) => unknown;
}

async function save(body: AsyncIterable<Uint8Array>, saving: Saving): Promise<{ size: number; sha256: string }> {
  const { handle, touch, explain } = saving;
  const hash = createHash('sha256');
  let size = 0;
  try {
    const chunks = body[Symbol.asyncIterator]();
    for (;;) {
      const next = await chunks.next().catch((thrown: unknown) => Promise.reject(explain(thrown, true)));
      if (next.done) return { size, sha256: hash.digest('hex') };
      touch();
      hash.update(next.value);
      size += next.value.length;
      await handle.writeFile(next.value).catch((thrown: unknown) => Promise.reject(explainSpool(thrown)));
    }
  } finally {
    await handle.close();
  }
}

async function* noBytes(): AsyncGenerator<Uint8Array> {}

interface Stall {
  readonly signal: AbortSignal;
  touch(): void;
  end(): void;
}

/** Aborts with the other signal, and when it has not been touched for so long. */
function watchStall(patience: number, other: AbortSignal | undefined): Stall {
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), patience);
  const stop = (): void => control.abort();
  other?.addEventListener('abort', stop, { once: true });
  if (other?.aborted) stop();
  return {
    signal: control.signal,
    touch: () => void timer.refresh(),
    end() {
      clearTimeout(timer);
      other?.removeEventListener('abort', stop);
    },
  };
}

const AGAIN = 'Look at the server, then try again';

function fail(code: string, url: string, what: string, hint: string): FleetflipError {
  return releaseError(code, `${showUrl(url)} ${what}`, hint);
}

function refuseStatus(url: string, status: number): FleetflipError {
  const hint = status === 404 ? 'Look at the URL, and whether the artifact is there' : 'Look at the URL and its rights';
  return fail('RELEASE_HTTP', url, `was answered with ${status}`, hint);
}

function explainNetwork(thrown: unknown, { url, begun }: { url: string; begun: boolean }): FleetflipError {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  const said = hideSecrets(cause instanceof Error ? cause.message || cause.name : String(cause));
  return begun
    ? fail('RELEASE_CUT_SHORT', url, `broke off before its end: ${said}`, AGAIN)
    : fail('RELEASE_UNREACHABLE', url, `cannot be reached: ${said}`, 'Look at the URL and at the network');
}
