import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprint, judgeHostKey } from '../../src/transport/host-key.ts';
import { findEntries, hashName, lookupName, parseKnownHosts } from '../../src/transport/known-hosts.ts';

let file: string;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
  file = join(directory, 'known_hosts');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function makeKey(): Buffer {
  const raw = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const text = (value: Buffer): Buffer => Buffer.concat([Buffer.from([0, 0, 0, value.length]), value]);
  return Buffer.concat([text(Buffer.from('ssh-ed25519')), text(raw)]);
}

const lineOf = (names: string, key: Buffer): string => `${names} ssh-ed25519 ${key.toString('base64')}\n`;
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
  it('is taken when it is the known one: by name, port, wildcard, hash', async () => {
    const key = makeKey();
    const hashed = hashName('hashed.example.com', randomBytes(20));
    await writeFile(
      file,
      `# comment\n${lineOf('*.example.com,!bad.example.com', key)}${lineOf('[10.0.0.1]:2222', key)}${lineOf(hashed, key)}`,
    );
    expect(await judgeHostKey(question(key))).toBe(null);
    expect(await judgeHostKey(question(key, { address: '10.0.0.1', port: 2222 }))).toBe(null);
    expect(await judgeHostKey(question(key, { address: 'hashed.example.com' }))).toBe(null);
    expect(await judgeHostKey(question(key, { address: 'bad.example.com' }))).toMatchObject({
      code: 'HOST_KEY_UNKNOWN',
    });
    expect(await judgeHostKey(question(key, { address: '10.0.0.1' }))).toMatchObject({ code: 'HOST_KEY_UNKNOWN' });
  });

  it('is refused when it changed, with the line at fault and the fingerprint', async () => {
    const key = makeKey();
    await writeFile(file, `\n${lineOf('web01.example.com', makeKey())}`);
    const failure = await judgeHostKey(question(key, { policy: 'accept-new' }));
    expect(failure).toMatchObject({
      kind: 'refused',
      code: 'HOST_KEY_CHANGED',
      what: expect.stringContaining(`${file}:2`),
    });
    expect(failure?.what).toContain(fingerprint(key));
  });

  it('is refused when it is revoked, even if it is known', async () => {
    const key = makeKey();
    await writeFile(file, `${lineOf('*', key)}@revoked ${lineOf('*', key)}`);
    expect(await judgeHostKey(question(key))).toMatchObject({ code: 'HOST_KEY_REVOKED' });
  });

  it('is remembered the first time under accept-new, hashed where the file is, and refused when it then changes', async () => {
    const key = makeKey();
    await writeFile(file, lineOf(hashName('other', randomBytes(20)), makeKey()));
    expect(await judgeHostKey(question(key, { policy: 'accept-new' }))).toBe(null);
    expect(await readFile(file, 'utf8')).not.toContain('web01');
    expect(await judgeHostKey(question(key))).toBe(null);
    expect(await judgeHostKey(question(makeKey(), { policy: 'accept-new' }))).toMatchObject({
      code: 'HOST_KEY_CHANGED',
    });
  });

  it('is found where ssh-keygen finds it, and shown as it shows it', async () => {
    const key = makeKey();
    await writeFile(file, `${lineOf('plain.example.com,10.1.1.1', key)}${lineOf('[plain.example.com]:2222', key)}`);
    execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'pipe' });
    const entries = parseKnownHosts(await readFile(file, 'utf8'));
    for (const [address, port] of [
      ['plain.example.com', 22],
      ['10.1.1.1', 22],
      ['plain.example.com', 2222],
      ['other', 22],
    ] as const) {
      const name = lookupName(address, port);
      const theirs = spawnFind(name);
      expect(
        findEntries(entries, name).map(entry => entry.line),
        name,
      ).toEqual(theirs);
    }
    await writeFile(join(directory, 'key.pub'), `ssh-ed25519 ${key.toString('base64')}\n`);
    expect(execFileSync('ssh-keygen', ['-lf', join(directory, 'key.pub')], { encoding: 'utf8' })).toContain(
      fingerprint(key),
    );
  });

  it('file of any text is read without a throw', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, name) => {
        findEntries(parseKnownHosts(text), name);
      }),
    );
  });

  function spawnFind(name: string): number[] {
    try {
      const text = execFileSync('ssh-keygen', ['-F', name, '-f', file], { encoding: 'utf8', stdio: 'pipe' });
      return [...text.matchAll(/found: line (\d+)/g)].map(match => Number(match[1]));
    } catch {
      return [];
    }
  }
});
