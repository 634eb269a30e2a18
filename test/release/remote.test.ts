import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { download } from '../../src/release/download.ts';
import { loadRelease, packRelease } from '../../src/release/index.ts';
import { failureOf } from '../support/failures.ts';

let cwd: string;
let server: Server;
let origin: string;
let listener: RequestListener;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
  server = createServer((request, response) => listener(request, response));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});
afterEach(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
  await rm(cwd, { recursive: true, force: true });
});

function fetchIt(path = '/a.tar.gz?token=hush', patience?: number) {
  return download(`${origin}${path}`, { file: join(cwd, 'artifact'), patience });
}

/** Where nothing listens any more. */
async function closedOrigin(): Promise<string> {
  const other = createServer();
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve));
  const address = other.address();
  await new Promise(resolve => other.close(resolve));
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

describe('a download', () => {
  it('gives size and digest, follows redirects, and shows the login to nobody else', async () => {
    const seen: (string | undefined)[] = [];
    listener = (request, response) => {
      seen.push(request.headers.authorization);
      if (request.url === '/a') return void response.writeHead(302, { location: `${origin}/b` }).end();
      response.end('abc');
    };
    const url = `${origin.replace('://', '://ann:p%40ss@')}/a`;
    expect(await download(url, { file: join(cwd, 'artifact') })).toEqual({
      size: 3,
      sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      encoded: false,
    });
    expect(seen[0]).toBe(`Basic ${btoa('ann:p@ss')}`);
  });

  it('says that a server encodes what it sends', async () => {
    listener = (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('abc'));
    expect(await fetchIt()).toMatchObject({ size: 3, encoded: true });
  });

  it.each([
    ['an answer of the server', 'RELEASE_HTTP', (_, response) => void response.writeHead(404).end('x')],
    [
      'a redirect without end',
      'RELEASE_UNREACHABLE',
      (request, response) => void response.writeHead(302, { location: `${request.url}` }).end(),
    ],
    [
      'a connection that ends early',
      'RELEASE_CUT_SHORT',
      (_, response) => {
        response.writeHead(200, { 'content-length': 100 });
        response.write('abc', () => response.destroy());
      },
    ],
    [
      'a server that falls silent',
      'RELEASE_STALLED',
      (_, response) => void response.writeHead(200, { 'content-length': 100 }).write('abc'),
    ],
    ['a server that says nothing', 'RELEASE_STALLED', () => undefined],
  ] as [string, string, RequestListener][])(
    'fails with %s, and names the URL without its secrets',
    async (_, code, how) => {
      listener = how;
      const failure = await failureOf(fetchIt('/a.tar.gz?token=hush', code === 'RELEASE_STALLED' ? 100 : undefined));
      expect(failure).toMatchObject({ kind: 'refused', code, phase: 'prepare' });
      expect(failure.what).toContain(`${origin}/a.tar.gz`);
      expect(JSON.stringify(failure)).not.toContain('hush');
    },
  );

  it('fails where nothing listens, and where no file can be made', async () => {
    const failure = await failureOf(download(`${await closedOrigin()}/x?t=hush`, { file: join(cwd, 'x') }));
    expect(failure).toMatchObject({ code: 'RELEASE_UNREACHABLE', what: expect.stringContaining('ECONNREFUSED') });
    expect(failure.what).not.toContain('hush');
    listener = (_, response) => void response.end('abc');
    expect(await failureOf(download(origin, { file: join(cwd, 'no/x') }))).toMatchObject({ code: 'RELEASE_SPOOL' });
  });

  it('ends with its run', async () => {
    listener = () => undefined;
    const control = new AbortController();
    const attempt = loadRelease(`${origin}/a.tar`, { cwd, signal: control.signal });
    const reason = new Error('enough');
    control.abort(reason);
    await expect(attempt).rejects.toBe(reason);
  });
});

describe('a release at a URL', () => {
  it('is the same as the one that was packed, and leaves nothing here', async () => {
    await writeFile(join(cwd, 'index.html'), 'x');
    const release = await loadRelease('.', { cwd });
    const file = join(cwd, 'v1.tar.gz');
    const { sha256, size } = await packRelease(release, file);
    await release.close();
    const bytes = await readFile(file);
    listener = (_, response) => void response.end(bytes);
    await mkdir(join(cwd, 'tmp'));
    vi.stubEnv('TMPDIR', join(cwd, 'tmp'));
    const url = `${origin}/site%20v1.tar.gz?x=y`;
    const remote = await loadRelease(url, { cwd });
    expect(remote).toMatchObject({ id: release.id, label: 'site v1' });
    expect(remote.artifact).toEqual({ url, size, sha256, packed: 'gzip', unfit: null });
    await remote.close();
    expect(await readdir(join(cwd, 'tmp'))).toEqual([]);
  });

  it('is refused when it is no archive, with the URL in the reason', async () => {
    listener = (_, response) => void response.end('<html>log in first</html>');
    const failure = await failureOf(loadRelease(`${origin}/v1.tar.gz?t=hush`, { cwd }));
    expect(failure.code).toMatch(/^RELEASE_(NOT_ARCHIVE|CUT_SHORT)$/);
    expect(failure.what).toContain(`${origin}/v1.tar.gz: `);
    expect(failure.what).not.toContain('hush');
  });
});
