import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprint, judgeHostKey } from '../../src/transport/host-key.ts';
import { findEntries, hashName, lookupName, parseKnownHosts } from '../../src/transport/known-hosts.ts';
import { findProgram } from '../support/programs.ts';
import { makeKeys, parse } from './server.ts';

const KEYS = [makeKeys(), makeKeys(), makeKeys('ecdsa'), makeKeys('rsa')].map(keys => keys.public);

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
  file = join(directory, 'known_hosts');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const ADDRESSES = ['web1', 'web2.example.com', 'db.example.com', '10.0.0.1', '10.0.0.21', '::1', 'fe80::1%eth0'];
const NAMES = ADDRESSES.flatMap(address => [lookupName(address, 22), lookupName(address, 2222)]);
const WILD = ['*', 'web?', 'WEB1', '*.example.com', '10.0.0.?', '10.0.0.*', '[*]:2222', '[web?]:*', '*:*', 'a.c', '?'];

const plain = fc.constantFrom(...NAMES, ...WILD);
const pattern = fc.tuple(fc.boolean(), plain).map(([negated, name]) => (negated ? `!${name}` : name));
const hash = fc
  .tuple(fc.constantFrom(...NAMES), fc.uint8Array({ minLength: 20, maxLength: 20 }))
  .map(([name, salt]) => hashName(name, Buffer.from(salt)));
const names = fc.oneof(
  plain,
  fc.array(pattern, { minLength: 1, maxLength: 4 }).map(list => list.join(',')),
  hash,
  fc.tuple(hash, plain).map(([hashed, name]) => `${hashed},${name}`),
);
const gap = fc.constantFrom(' ', '  ', '\t');
const entry = fc
  .record({
    indent: fc.constantFrom('', ' ', '\t'),
    marker: fc.constantFrom('', '', '', '', '@revoked ', '@cert-authority ', '@unknown '),
    names,
    gap,
    key: fc.constantFrom(...KEYS),
    comment: fc.constantFrom('', ' ann@laptop', ' # said so', '\t'),
  })
  .map(parts => parts.indent + parts.marker + parts.names + parts.gap + parts.key + parts.comment);
const line = fc.oneof(
  { weight: 8, arbitrary: entry },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '# web1 is new', '   ', 'web1', 'web1 ssh-ed25519', 'web1 # ssh-ed25519'),
  },
);
const text = fc.array(line, { minLength: 1, maxLength: 12 }).map(lines => `${lines.join('\n')}\n`);

async function ours(name: string): Promise<number[]> {
  return findEntries(parseKnownHosts(await readFile(file, 'utf8')), name).map(found => found.line);
}

describe.each(findProgram('ssh-keygen'))('known_hosts, as %s reads it,', keygen => {
  function theirs(name: string): number[] {
    try {
      const found = execFileSync(keygen, ['-F', name, '-f', file], { encoding: 'utf8', stdio: 'pipe' });
      return [...found.matchAll(/found: line (\d+)/g)].map(match => Number(match[1]));
    } catch {
      return [];
    }
  }

  it('has a name on the same lines', async () => {
    let found = 0;
    await fc.assert(
      fc.asyncProperty(text, fc.constantFrom(...NAMES), async (content, name) => {
        await writeFile(file, content);
        const expected = theirs(name);
        found += expected.length;
        expect(await ours(name)).toEqual(expected);
      }),
      { numRuns: 100 },
    );
    expect(found).toBeGreaterThan(5);
  });

  it('has a name on the same lines after it was hashed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 12 }), async entries => {
        // A file with a line that it cannot read is left as it is.
        const content = `${entries.filter(one => !one.includes('@unknown')).join('\n')}\n`;
        await writeFile(file, content);
        execFileSync(keygen, ['-H', '-f', file], { stdio: 'pipe' });
        for (const name of NAMES.slice(0, 6)) expect(await ours(name)).toEqual(theirs(name));
      }),
      { numRuns: 20 },
    );
  });

  it('gives the verdict that its lines and keys give', async () => {
    const verdicts = new Set<string | undefined>();
    const place = fc.record({ address: fc.constantFrom(...ADDRESSES), port: fc.constantFrom(22, 2222) });
    await fc.assert(
      fc.asyncProperty(text, place, fc.constantFrom(...KEYS), async (content, { address, port }, offered) => {
        await writeFile(file, content);
        const lines = content.split('\n');
        const found = theirs(lookupName(address, port)).map(number => lines[number - 1] ?? '');
        const key = parse(offered).getPublicSSH();
        const question = { host: 'web1', address, port, file, policy: 'strict' as const, key };
        const verdict = await judgeHostKey(question);
        verdicts.add(verdict?.code);
        const plain = found.filter(one => !one.trim().startsWith('@'));
        const revoked = found.some(one => one.trim().startsWith('@revoked') && one.includes(offered));
        if (revoked) expect(verdict?.code).toBe('HOST_KEY_REVOKED');
        else if (plain.some(one => one.includes(offered))) expect(verdict).toBe(null);
        else expect(verdict?.code).toBe(plain.length > 0 ? 'HOST_KEY_CHANGED' : 'HOST_KEY_UNKNOWN');
      }),
      { numRuns: 100 },
    );
    expect([...verdicts]).toEqual(expect.arrayContaining([undefined, 'HOST_KEY_CHANGED', 'HOST_KEY_UNKNOWN']));
  });

  it('shows a key of every kind by the same fingerprint', async () => {
    for (const key of KEYS) {
      await writeFile(file, `${key}\n`);
      const shown = execFileSync(keygen, ['-lf', file], { encoding: 'utf8' });
      expect(shown).toContain(` ${fingerprint(parse(key).getPublicSSH())} `);
    }
  });

  it('is one that it can read when a key was remembered in it', async () => {
    for (const before of [
      '',
      '# mine',
      `${lookupName('db.example.com', 22)} ${KEYS[0]}`,
      `${hashName('x', Buffer.alloc(20))} ${KEYS[1]}\n`,
    ]) {
      await writeFile(file, before);
      const key = parse(KEYS[2] ?? '').getPublicSSH();
      const question = { host: 'web1', address: '::1', port: 2222, file, policy: 'accept-new' as const, key };
      expect(await judgeHostKey(question)).toBe(null);
      expect(theirs('[::1]:2222')).toHaveLength(1);
      expect(await readFile(file, 'utf8')).toMatch(before.startsWith('|') ? /^\|1\|.*\n\|1\|/ : /(^|\n)\[::1\]:2222 /);
      if (before.startsWith('db')) expect(theirs('db.example.com')).toEqual([1]);
    }
  });
});

describe('known_hosts', () => {
  it('of any text is read without a throw, and names only lines that are there', () => {
    const any = fc.oneof(
      fc.string({ unit: 'binary' }),
      text,
      fc.string().map(junk => `@revoked ${junk} ssh-ed25519 AAAA`),
    );
    fc.assert(
      fc.property(any, fc.oneof(fc.string(), fc.constantFrom(...NAMES)), (content, name) => {
        const entries = parseKnownHosts(content);
        for (const found of findEntries(entries, name)) {
          const own = content.split('\n')[found.line - 1] ?? '';
          for (const part of [found.key, found.type, ...found.patterns]) expect(own).toContain(part);
        }
      }),
    );
  });

  it('matches a long pattern of stars without thinking for ever', () => {
    const entries = parseKnownHosts(`${'*a'.repeat(100)}b ssh-ed25519 AAAA`);
    expect(entries).toHaveLength(1);
    expect(findEntries(entries, `${'a'.repeat(200)}bc`)).toEqual([]);
    expect(findEntries(entries, `${'a'.repeat(200)}b`)).toHaveLength(1);
  });

  it('takes a hash for one name alone', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...NAMES),
        fc.constantFrom(...NAMES),
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
        (name, other, salt) => {
          const entries = parseKnownHosts(`${hashName(name, Buffer.from(salt))} ${KEYS[0]}`);
          expect(findEntries(entries, other)).toHaveLength(name === other ? 1 : 0);
        },
      ),
    );
  });
});
