import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprint, judgeHostKey } from '../../src/transport/host-key.ts';
import { hashName } from '../../src/transport/known-hosts.ts';
import { type KeyKind, makeKeys, parse } from './server.ts';

let file: string;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
  file = join(directory, 'known_hosts');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const makeKey = (kind?: KeyKind): Buffer => parse(makeKeys(kind).public).getPublicSSH();
const typeOf = (key: Buffer): string => key.subarray(4, 4 + key.readUInt32BE(0)).toString();
const lineOf = (names: string, key: Buffer): string => `${names} ${typeOf(key)} ${key.toString('base64')}\n`;
const question = (key: Buffer, more: { address?: string; port?: number; policy?: 'strict' | 'accept-new' } = {}) => ({
  host: 'web01',
  address: 'web01.example.com',
  port: 22,
  file,
  policy: 'strict' as const,
  key,
  ...more,
});

describe('a host key', () => {
  it('is taken when it is the known one: by name, port, wildcard, hash, and IPv6 address', async () => {
    const key = makeKey();
    const hashed = hashName('hashed.example.com', randomBytes(20));
    await writeFile(
      file,
      `# comment\n${lineOf('*.example.com,!bad.example.com', key)}${lineOf('[10.0.0.1]:2222,[fe80::1]:2222,::1', key)}${lineOf(hashed, key)}`,
    );
    for (const known of [
      {},
      { address: 'WEB01.Example.com' },
      { address: '10.0.0.1', port: 2222 },
      { address: 'fe80::1', port: 2222 },
      { address: '::1' },
      { address: 'hashed.example.com' },
    ])
      expect(await judgeHostKey(question(key, known)), JSON.stringify(known)).toBe(null);
    for (const unknown of [{ address: 'bad.example.com' }, { address: '10.0.0.1' }, { address: '::1', port: 2222 }])
      expect((await judgeHostKey(question(key, unknown)))?.code, JSON.stringify(unknown)).toBe('HOST_KEY_UNKNOWN');
  });

  it('is refused when it is unknown, with its fingerprint and the line to add', async () => {
    const key = makeKey();
    for (const text of [null, '', lineOf('other', key)]) {
      if (text !== null) await writeFile(file, text);
      expect(await judgeHostKey(question(key, { port: 2222 }))).toEqual({
        kind: 'refused',
        code: 'HOST_KEY_UNKNOWN',
        phase: 'connect',
        host: 'web01',
        what: `the host key ssh-ed25519 ${fingerprint(key)} of web01.example.com port 2222 is not in ${file}`,
        hint: `Compare the fingerprint with the server's own; if it is right, add this line to the file: ${lineOf('[web01.example.com]:2222', key).trim()}`,
      });
    }
  });

  it('is refused when it changed, with the line at fault and the fingerprint', async () => {
    const key = makeKey();
    await writeFile(
      file,
      `\n${lineOf('web01.example.com', makeKey('rsa'))}\n${lineOf('web01.example.com', makeKey())}${lineOf('web01.example.com', makeKey())}`,
    );
    const failure = await judgeHostKey(question(key, { policy: 'accept-new' }));
    expect(failure).toMatchObject({ kind: 'refused', code: 'HOST_KEY_CHANGED', host: 'web01' });
    expect(failure?.what).toContain(
      `${fingerprint(key)} of web01.example.com port 22 is not the ssh-ed25519 key of ${file}:4:`,
    );
    const other = makeKey('ecdsa');
    expect((await judgeHostKey(question(other)))?.what).toContain(`is not the ssh-rsa key of ${file}:2:`);
  });

  it('is refused when it is revoked, even if it is known', async () => {
    const key = makeKey();
    await writeFile(file, `${lineOf('*', key)}@revoked ${lineOf('*', key)}`);
    const failure = await judgeHostKey(question(key, { policy: 'accept-new' }));
    expect(failure).toMatchObject({ code: 'HOST_KEY_REVOKED', what: expect.stringContaining(`${file}:2`) });
  });

  it('is not taken for the sake of a certificate authority, and never remembered beside one', async () => {
    const text = `@cert-authority ${lineOf('*.example.com', makeKey())}`;
    await writeFile(file, text);
    const failure = await judgeHostKey(question(makeKey(), { policy: 'accept-new' }));
    expect(failure).toMatchObject({ code: 'HOST_KEY_UNKNOWN', what: expect.stringContaining('@cert-authority') });
    expect(await readFile(file, 'utf8')).toBe(text);
  });

  it('is refused when known_hosts cannot be read, whatever the policy', async () => {
    await mkdir(file);
    for (const policy of ['strict', 'accept-new'] as const)
      expect(await judgeHostKey(question(makeKey(), { policy }))).toMatchObject({
        kind: 'refused',
        code: 'HOST_KEY_UNCHECKED',
        what: expect.stringContaining(`could not be looked up in ${file}: EISDIR`),
      });
  });
});

describe('under accept-new a host key', () => {
  const policy = 'accept-new';

  it('is remembered the first time, hashed where the file is, and refused when it then changes', async () => {
    const key = makeKey();
    await writeFile(file, lineOf(hashName('other', randomBytes(20)), makeKey()));
    expect(await judgeHostKey(question(key, { policy }))).toBe(null);
    expect(await readFile(file, 'utf8')).not.toContain('web01');
    expect(await judgeHostKey(question(key))).toBe(null);
    expect(await judgeHostKey(question(makeKey(), { policy }))).toMatchObject({ code: 'HOST_KEY_CHANGED' });
  });

  it('goes into a file that is not there yet, which is for the user alone', async () => {
    file = join(directory, '.ssh', 'known_hosts');
    const key = makeKey();
    expect(await judgeHostKey(question(key, { policy }))).toBe(null);
    expect(await readFile(file, 'utf8')).toBe(lineOf('web01.example.com', key));
    const modes = [file, join(directory, '.ssh')].map(async path => (await stat(path)).mode & 0o777);
    expect(await Promise.all(modes)).toEqual([0o600, 0o700]);
  });

  it('gets a line of its own when the file does not end with one', async () => {
    const [old, key] = [makeKey(), makeKey()];
    await writeFile(file, lineOf('old.example.com', old).trimEnd());
    expect(await judgeHostKey(question(key, { policy }))).toBe(null);
    expect(await readFile(file, 'utf8')).toBe(lineOf('old.example.com', old) + lineOf('web01.example.com', key));
  });

  it('of many hosts at a time is remembered for each', async () => {
    const keys = Array.from({ length: 20 }, () => makeKey());
    const ask = (at: number, key: Buffer) => question(key, { policy, address: `web${at}` });
    expect(await Promise.all(keys.map((key, at) => judgeHostKey(ask(at, key))))).toEqual(keys.map(() => null));
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(lines.sort()).toEqual(keys.map((key, at) => lineOf(`web${at}`, key).trim()).sort());
  });

  it('is refused when it cannot be remembered', async () => {
    await writeFile(join(directory, 'file'), '');
    file = join(directory, 'file', 'known_hosts');
    expect(await judgeHostKey(question(makeKey(), { policy }))).toMatchObject({ code: 'HOST_KEY_UNCHECKED' });
  });
});
