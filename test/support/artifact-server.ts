/** An HTTP server on loopback that hosts fetch artifacts from, and that misbehaves when it is told to. */

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface Asked {
  /** Path and query. */
  readonly path: string;
  readonly range: string | null;
  readonly authorization: string | null;
  /** `curl/7.88.1`, and the like. */
  readonly agent: string;
}

/** What is done with a request, instead of answering it well. */
export type Misdeed = (answer: Answering) => void;

export interface Answering {
  readonly asked: Asked;
  readonly response: ServerResponse;
  /** What the request asks for: the whole file, or the rest of it. */
  readonly bytes: Buffer;
  /** Answers as if nothing was the matter. */
  readonly answer: () => void;
}

export interface ArtifactServer {
  /** Such as `http://127.0.0.1:1234`. */
  readonly origin: string;
  readonly asked: Asked[];
  /** Those of programs on hosts. */
  ofHosts(): readonly Asked[];
  /** What is at a path from now on. */
  put(path: string, file: string): Promise<void>;
  /** For requests of hosts from now on; null: none. */
  misbehave(misdeed: Misdeed | null): void;
  /** For requests of the coordinator too. */
  misbehaveToAll(misdeed: Misdeed): void;
  stop(): Promise<void>;
}

export async function startArtifactServer(): Promise<ArtifactServer> {
  const files = new Map<string, Buffer>();
  const asked: Asked[] = [];
  let misdeed: Misdeed | null = null;
  let toAll = false;
  const server = createServer((request, response) => {
    const one = describe(request);
    asked.push(one);
    const file = files.get(one.path.replace(/\?.*/, ''));
    if (file === undefined) return void response.writeHead(404).end('<h1>Not here</h1>');
    const from = Number(/^bytes=(\d+)-$/.exec(one.range ?? '')?.[1] ?? 0);
    const bytes = file.subarray(from);
    const answer = (): void => {
      response.writeHead(from > 0 ? 206 : 200, headers(file, from));
      response.end(bytes);
    };
    if (misdeed === null || (isCoordinator(one) && !toAll)) answer();
    else misdeed({ asked: one, response, bytes, answer });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    origin: `http://127.0.0.1:${port}`,
    asked,
    ofHosts: () => asked.filter(one => !isCoordinator(one)),
    async put(path, file) {
      files.set(path, await readFile(file));
    },
    misbehave(how) {
      misdeed = how;
    },
    misbehaveToAll(how) {
      misdeed = how;
      toAll = true;
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export const MISDEEDS = {
  /** The first time half of what was asked for comes, and then the connection ends. */
  cutOnce(): Misdeed {
    let done = false;
    return answering => {
      if (done) return answering.answer();
      done = true;
      cut(answering);
    };
  },
  /** Every time, after very little. */
  cutAlways: (): Misdeed => answering => cut(answering, 1000),
  /** As a server that knows nothing of ranges, and cuts off the first time. */
  withoutRanges(whole: Buffer): Misdeed {
    let done = false;
    return answering => {
      if (!done) {
        done = true;
        return cut(answering);
      }
      answering.response.writeHead(200, { 'content-length': whole.length }).end(whole);
    };
  },
  refuse: (status: number): Misdeed => {
    return ({ response }) => void response.writeHead(status).end('<h1>no</h1>');
  },
  /** Other bytes, as many. */
  forge: (): Misdeed => {
    return ({ response, bytes }) =>
      void response.writeHead(200, { 'content-length': bytes.length }).end(Buffer.alloc(bytes.length, 1));
  },
  /** Bytes without end. */
  flood: (): Misdeed => {
    return ({ response }) => {
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(1 << 16)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    };
  },
  /** Half of it, and then nothing, without an end. */
  hang: (): Misdeed => {
    return ({ response, bytes }) => {
      response.writeHead(200, { 'content-length': bytes.length });
      response.write(bytes.subarray(0, bytes.length / 2));
    };
  },
} as const;

function cut({ asked, response, bytes }: Answering, most = Math.ceil(bytes.length / 2)): void {
  const from = Number(/\d+/.exec(asked.range ?? '0')?.[0]);
  const range = { 'content-range': `bytes ${from}-${from + bytes.length - 1}/${from + bytes.length}` };
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length, ...(from > 0 ? range : {}) });
  response.write(bytes.subarray(0, most), () => setImmediate(() => response.destroy()));
}

function headers(file: Buffer, from: number): Record<string, string | number> {
  const range = { 'content-range': `bytes ${from}-${file.length - 1}/${file.length}` };
  return { 'content-length': file.length - from, ...(from > 0 ? range : {}) };
}

function describe({ url = '', headers }: IncomingMessage): Asked {
  return {
    path: url,
    range: headers.range ?? null,
    authorization: headers.authorization ?? null,
    agent: headers['user-agent'] ?? '',
  };
}

function isCoordinator({ agent }: Asked): boolean {
  return agent === 'node' || agent === 'undici';
}
