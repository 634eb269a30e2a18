import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { END, type Member, member, pax, tar } from './members.ts';
import { codesOf, collect, failuresOf, load, makeDirectory, makeTree, run } from './trees.ts';

async function store(bytes: Uint8Array, name = 'x.tar'): Promise<string> {
  const file = join(await makeDirectory(), name);
  await writeFile(file, bytes);
  return file;
}

/** `PATH=CONTENT`, `PATH/` or `PATH->TARGET` of every entry. */
async function read(bytes: Uint8Array): Promise<readonly string[]> {
  const release = await load(await store(bytes));
  return Promise.all(
    release.manifest.map(async entry => {
      if (entry.kind === 'file') return `${entry.path}=${(await collect(release.open(entry.path))).toString('latin1')}`;
      return entry.kind === 'directory' ? `${entry.path}/` : `${entry.path}->${entry.target}`;
    }),
  );
}

async function refuse(bytes: Uint8Array, name?: string): Promise<readonly string[]> {
  return codesOf(load(await store(bytes, name)));
}

const A: Member = { name: 'a', content: 'first' };

describe('names', () => {
  test('come from the prefix, from GNU and from pax headers, as bytes', async () => {
    const long = `${'l'.repeat(200)}\xff`;
    expect(await read(tar({ name: 'file', prefix: 'some/where', content: 'x' }))).toEqual([
      'some/',
      'some/where/',
      'some/where/file=x',
    ]);
    expect(await read(tar({ name: '././@LongLink', type: 'L', content: `${long}\0` }, A))).toEqual([`${long}=first`]);
    expect(
      await read(tar({ name: '././@LongLink', type: 'K', content: `${long}\0` }, { name: 's', type: '2' })),
    ).toEqual([`s->${long}`]);
    expect(await read(tar(pax('x', { path: long, linkpath: `t\xfe` }), { name: 's', type: '2' }))).toEqual([
      `${long}->t\xfe`,
    ]);
  });

  test('of pax headers are for the next member, and of global ones for all that follow', async () => {
    expect(await read(tar(pax('x', { path: 'p' }), A, { name: 'b' }))).toEqual(['b=', 'p=first']);
    expect(
      await read(tar(pax('g', { linkpath: 'all' }), { name: 's', type: '2', target: 'x' }, { name: 't', type: '2' })),
    ).toEqual(['s->all', 't->all']);
    expect(await read(tar(pax('g', { comment: 'c'.repeat(40) }), pax('x', { path: '', mtime: '1.5' }), A))).toEqual([
      'a=first',
    ]);
  });

  test('may begin with ./ and end with a slash; the root itself is nothing', async () => {
    expect(
      await read(
        tar({ name: './', type: '5' }, { name: '.', type: '5' }, { name: './d/', type: '5' }, { name: './d/f' }),
      ),
    ).toEqual(['d/', 'd/f=']);
    expect(await read(tar({ name: 'old/', type: '\0' }, { name: 'old/f', type: '\0', content: 'x' }))).toEqual([
      'old/',
      'old/f=x',
    ]);
  });

  test('that are not safe are refused', async () => {
    for (const name of ['/etc/passwd', '../x', 'a/../../x', 'a/..', 'a//b', 'a/./b', '..']) {
      expect(await refuse(tar({ name })), name).toEqual(['RELEASE_UNSAFE_NAME']);
    }
    expect(await refuse(tar(pax('x', { path: 'a\0b' }), A))).toEqual(['RELEASE_UNSAFE_NAME']);
    expect(await refuse(tar({ name: '/etc', type: '5' }))).toEqual(['RELEASE_UNSAFE_NAME']);
    expect(await refuse(tar({ name: '.', content: 'x' }))).toEqual(['RELEASE_UNSAFE_NAME']);
    expect(await refuse(tar(pax('x', { linkpath: 'a\0b' }), { name: 's', type: '2' }))).toEqual([
      'RELEASE_LINK_ESCAPES',
    ]);
  });

  test('that are there twice are refused, whatever they are', async () => {
    const directory: Member = { name: 'd', type: '5' };
    const link: Member = { name: 'a', type: '2', target: 'x' };
    for (const members of [
      [A, A],
      [A, { name: './a' }],
      [A, link],
      [link, link],
      [directory, directory],
      [directory, { name: 'd' }],
      [{ name: 'd' }, { name: 'd/x' }],
      [link, { name: 'a/x' }],
    ]) {
      expect(await refuse(tar(...members)), JSON.stringify(members)).toEqual(['RELEASE_DUPLICATE']);
    }
    expect(await read(tar({ name: 'd/x' }, directory))).toEqual(['d/', 'd/x=']);
  });

  test('that are refused are shown without control characters', async () => {
    const [failure] = await failuresOf(load(await store(tar({ name: '/\x1b[2J\n' }))));
    expect(failure?.what).toContain('/\\x1b[2J\\x0a');
  });
});

describe('hard links', () => {
  test('become files with the linked content and mode', async () => {
    expect(
      await read(
        tar(
          { ...A, mode: '0000755' },
          { name: 'd/b', type: '1', target: './a' },
          { name: 'c', type: '1', target: 'd/b' },
        ),
      ),
    ).toEqual(['a=first', 'c=first', 'd/', 'd/b=first']);
    const directory = await makeTree({ one: { file: 'same', mode: 0o755 }, soft: { link: 'one' } });
    await run(directory, 'ln', ['one', 'two']);
    await run(directory, 'ln', ['-P', 'soft', 'soft2']);
    await run(directory, 'tar', ['-cf', 'x.tar', 'one', 'two', 'soft', 'soft2']);
    const release = await load('x.tar', { cwd: directory });
    expect(release.manifest).toMatchObject([
      { path: 'one', kind: 'file', mode: '755', size: 4 },
      { path: 'soft', kind: 'link', target: 'one' },
      { path: 'soft2', kind: 'link', target: 'one' },
      { path: 'two', kind: 'file', mode: '755', size: 4 },
    ]);
  });

  test('to a file that is left out keep its content', async () => {
    expect(
      await read(tar({ name: '.fleetflipignore', content: 'a\n' }, A, { name: 'b', type: '1', target: 'a' })),
    ).toEqual(['b=first']);
  });

  test('to nothing are refused', async () => {
    expect(await refuse(tar({ name: 'b', type: '1', target: 'a' }, A))).toEqual(['RELEASE_NOT_ARCHIVE']);
    expect(await refuse(tar({ name: 'b', type: '1', target: '/etc/passwd' }))).toEqual(['RELEASE_NOT_ARCHIVE']);
  });
});

describe('sizes', () => {
  test('are octal, base 256 or from pax', async () => {
    const base256 = Buffer.alloc(12);
    base256[0] = 0x80;
    base256[11] = 5;
    expect(await read(tar({ ...A, size: base256 }))).toEqual(['a=first']);
    expect(await read(tar({ ...A, size: Buffer.from('          5 ') }))).toEqual(['a=first']);
    expect(await read(tar(pax('x', { size: '5' }), { ...A, size: Buffer.from('00000000000\0') }))).toEqual(['a=first']);
  });

  test('that are no numbers are refused', async () => {
    const negative = Buffer.alloc(12, 0xff);
    for (const size of [negative, Buffer.from('0000000000x\0'), Buffer.from('-0000000005\0')]) {
      expect(await refuse(tar({ ...A, size })), size.toString('latin1')).toEqual(['RELEASE_NOT_ARCHIVE']);
    }
    for (const size of ['x', '-5', '1e1', '0x5', '99999999999999999999', '5.5']) {
      expect(await refuse(tar(pax('x', { size }), A)), size).toEqual(['RELEASE_NOT_ARCHIVE']);
    }
  });
});

describe('kinds that no release has are refused', () => {
  test('devices, fifos and unknown types, all at once, unless they are left out', async () => {
    const members: Member[] = [...'346XZ'].map(type => ({ name: `t${type}`, type }));
    expect(await refuse(tar(A, ...members))).toEqual(Array(5).fill('RELEASE_SPECIAL_FILE'));
    expect(await read(tar({ name: '.fleetflipignore', content: 't*\n' }, A, ...members))).toEqual(['a=first']);
  });

  test('sparse files of every format', async () => {
    const directory = await makeTree({ '.fleetflipignore': { file: 'other\n' }, after: { file: 'x' } });
    const script =
      'for at in $(seq 0 2 60); do printf x | dd of=holes bs=1 seek=$((at * 65536)) conv=notrunc 2>/dev/null; done; truncate -s 8M holes';
    await run(directory, 'sh', ['-c', script]);
    for (const format of ['--format=gnu', '--sparse-version=0.0', '--sparse-version=0.1', '--sparse-version=1.0']) {
      const file = join(await makeDirectory(), 'x.tar');
      const pax = format.startsWith('--sparse') ? ['--format=posix'] : [];
      await run(directory, 'tar', ['-cf', file, '--sparse', ...pax, format, 'holes', 'after']);
      const failures = await failuresOf(load(file));
      expect(
        failures.map(({ code, what }) => `${code} ${what}`),
        format,
      ).toEqual(['RELEASE_SPECIAL_FILE holes is a sparse file']);
    }
  });
});

describe('an archive that is cut short', () => {
  const whole = tar(A, { name: 'b', content: 'x'.repeat(600) }, { name: 'd', type: '5' });

  test('is refused wherever it was cut, at the border of a member too', async () => {
    for (let length = 0; length < whole.length; length += 256) {
      expect(await refuse(whole.subarray(0, length)), String(length)).toEqual(['RELEASE_CUT_SHORT']);
    }
  });

  test('is refused when it is compressed, in its last bytes too', async () => {
    const zipped = gzipSync(whole);
    expect(
      await codesOf(load(await store(zipped, 'x.tgz')).then(() => Promise.reject(new Error('fine')))).catch(
        (error: Error) => error.message,
      ),
    ).toBe('fine');
    const cuts = [0, 1, 9, 10, 20, zipped.length - 9, zipped.length - 8, zipped.length - 4, zipped.length - 1];
    for (const length of cuts)
      expect(await refuse(zipped.subarray(0, length), 'x.tar.gz'), String(length)).toEqual(['RELEASE_CUT_SHORT']);
  });

  test('is refused when a real tar made it', async () => {
    const directory = await makeTree({ a: { file: 'x'.repeat(5000) }, b: { file: 'y' } });
    await run(directory, 'tar', ['-cf', 'x.tar', 'a', 'b']);
    await truncate(join(directory, 'x.tar'), 512 + 5120 + 512 + 512);
    expect(await codesOf(load('x.tar', { cwd: directory }))).toEqual(['RELEASE_CUT_SHORT']);
  });
});

describe('an archive that is damaged', () => {
  test('is refused for a wrong checksum', async () => {
    const bytes = tar(A);
    bytes[0] = 'b'.charCodeAt(0);
    expect(await refuse(bytes)).toEqual(['RELEASE_NOT_ARCHIVE']);
  });

  test('is refused for anything but zeros behind its end', async () => {
    expect(await read(Buffer.concat([tar(A), Buffer.alloc(9216)]))).toEqual(['a=first']);
    expect(await refuse(Buffer.concat([tar(A), tar(A)]))).toEqual(['RELEASE_NOT_ARCHIVE']);
    expect(await refuse(Buffer.concat([member(A), Buffer.alloc(512), member(A), END]))).toEqual([
      'RELEASE_NOT_ARCHIVE',
    ]);
  });

  test('is refused when its gzip checksum is wrong', async () => {
    const zipped = gzipSync(tar(A));
    zipped[zipped.length - 6] = (zipped[zipped.length - 6] ?? 0) ^ 1;
    expect(await refuse(zipped, 'x.tgz')).toEqual(['RELEASE_NOT_ARCHIVE']);
  });

  test('is refused for pax records that cannot be read', async () => {
    for (const content of ['nonsense', '99 path=x\n', '5 path=x\n', '0 path=x\n', '9 path=x', '8 pathx\n']) {
      expect(await refuse(tar({ name: 'p', type: 'x', content }, A)), content).toEqual(['RELEASE_NOT_ARCHIVE']);
    }
    const huge = Buffer.from(`${(2 ** 32).toString(8).padStart(11, '0')}\0`);
    expect(await refuse(tar({ name: 'p', type: 'L', size: huge }, A))).toEqual(['RELEASE_NOT_ARCHIVE']);
  });
});
