import { readFileSync } from 'node:fs';
import { lstat, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ArchiveOptions, type Release, writeArchive } from '../../src/release/index.ts';
import { awkwardTree, codesOf, load, makeDirectory, makeTree, readTree, run, tars } from './trees.ts';

function everything(release: Release): ArchiveOptions['entries'] {
  return release.manifest.map(({ path }) => ({ path, mtime: null }));
}

async function write(
  release: Release,
  entries: ArchiveOptions['entries'],
  mtime = 1_700_000_000,
): Promise<{ file: string; size: number }> {
  const file = join(await makeDirectory(), 'out.tar');
  return { file, size: await writeArchive(release, { entries, mtime, file }) };
}

async function unpack(file: string, [command, ...args]: readonly [string, ...string[]]): Promise<string> {
  const target = await makeDirectory();
  await run(target, command, [...args, '-xopf', file]);
  return target;
}

describe.each(tars().map(tar => ({ tar })))('unpacked by $tar', ({ tar }) => {
  test('an archive is exactly the release', async () => {
    const directory = await makeTree({ ...awkwardTree(), 'empty/dir': { directory: true } });
    const release = await load(directory);
    const { file, size } = await write(release, everything(release));
    expect((await stat(file)).size).toBe(size);
    const target = await unpack(file, tar);
    const normalised = (await readTree(directory)).map(line => line.replace(/^f 710 /, 'f 755 ')).sort();
    expect(await readTree(target)).toEqual(normalised);
    expect((await load(target)).id).toBe(release.id);
  });

  test('files have the mtime that was asked for', async () => {
    const release = await load(await makeTree({ a: { file: 'x' }, b: { file: 'y' }, far: { file: 'z' } }));
    const far = 8 ** 11 + 5;
    const { file } = await write(release, [
      { path: 'a', mtime: null },
      { path: 'b', mtime: 1_234_567_890 },
      { path: 'far', mtime: far },
    ]);
    const target = await unpack(file, tar);
    expect((await lstat(join(target, 'a'))).mtimeMs).toBe(1_700_000_000_000);
    expect((await lstat(join(target, 'b'))).mtimeMs).toBe(1_234_567_890_000);
    expect((await lstat(join(target, 'far'))).mtimeMs).toBe(far * 1000);
  });

  test('names of every length around the limits arrive', async () => {
    const lengths = [95, 96, 97, 98, 99, 100, 101, 153, 154, 155, 156, 200];
    const files = lengths.map(length => [`${'x'.repeat(40)}/${'y'.repeat(length - 41)}`, { file: String(length) }]);
    const links = lengths.map(length => [`link ${length}`, { link: 'z'.repeat(length) }]);
    const directories = lengths.map(length => [`${'w'.repeat(40)}/${'v'.repeat(length - 41)}`, { directory: true }]);
    const directory = await makeTree(Object.fromEntries([...files, ...links, ...directories]));
    const release = await load(directory);
    const { file } = await write(release, everything(release));
    expect(await readTree(await unpack(file, tar))).toEqual(await readTree(directory));
  });
});

test('an mtime before 1970 arrives', async () => {
  const release = await load(await makeTree({ a: { file: 'x' } }));
  const { file } = await write(release, [{ path: 'a', mtime: -86_400 }]);
  expect((await lstat(join(await unpack(file, ['tar']), 'a'))).mtimeMs).toBe(-86_400_000);
});

test('an archive holds only what is to be sent, owned by root, and ends with two empty blocks', async () => {
  const release = await load(await makeTree({ 'd/a': { file: 'x' }, b: { file: 'y'.repeat(513) }, l: { link: 'b' } }));
  const { file } = await write(release, [
    { path: 'b', mtime: null },
    { path: 'd', mtime: null },
    { path: 'l', mtime: null },
  ]);
  const listed = await run('/', 'tar', ['--numeric-owner', '-tvf', file]);
  expect(listed.split('\n').map(line => line.replace(/ +/g, ' ').replace(/ \d{4}-\S+ \S+/, ''))).toEqual([
    '-rw-r--r-- 0/0 513 ./b',
    'drwxr-xr-x 0/0 0 ./d/',
    'lrwxrwxrwx 0/0 0 ./l -> b',
    '',
  ]);
  const bytes = readFileSync(file);
  expect(bytes.length).toBe(512 + 1024 + 512 + 512 + 1024);
  expect(bytes.subarray(-1024).every(byte => byte === 0)).toBe(true);
});

test('an archive of a tarball is the same as one of its directory', async () => {
  const directory = await makeTree(awkwardTree());
  const packed = join(await makeDirectory(), 'x.tar');
  await run(directory, 'tar', ['-cf', packed, '.']);
  const one = await load(directory);
  const other = await load(packed);
  const bytes = await Promise.all(
    [one, other].map(async release => readFileSync((await write(release, everything(release))).file)),
  );
  expect(bytes[0]?.equals(bytes[1] ?? Buffer.alloc(0))).toBe(true);
});

describe('a release that changed since it was read is refused', () => {
  const changes: Readonly<Record<string, (file: string) => Promise<void>>> = {
    'same size, same mtime': async file => {
      const { mtime } = await stat(file);
      await writeFile(file, 'CONTENT');
      await utimes(file, mtime, mtime);
    },
    shorter: file => truncate(file, 3),
    empty: file => truncate(file, 0),
    gone: file => rm(file),
    'a directory now': async file => {
      await rm(file);
      await run('/', 'mkdir', [file]);
    },
    'a link now': async file => {
      await rm(file);
      await run('/', 'ln', ['-s', 'other', file]);
    },
  };

  test.each(Object.keys(changes))('%s', async name => {
    const directory = await makeTree({ file: { file: 'content' }, other: { file: 'content' } });
    const release = await load(directory);
    await changes[name]?.(join(directory, 'file'));
    const target = await makeDirectory();
    const attempt = writeArchive(release, { entries: everything(release), mtime: 1, file: join(target, 'out.tar') });
    expect(await codesOf(attempt)).toEqual(['RELEASE_CHANGED']);
    expect(await readdir(target)).toEqual([]);
  });
});

test('a file that only grew is sent as it was read', async () => {
  const directory = await makeTree({ log: { file: 'content' } });
  const release = await load(directory);
  await writeFile(join(directory, 'log'), 'content and more');
  const { file } = await write(release, everything(release));
  expect(await readTree(await unpack(file, ['tar']))).toEqual(['f 644 log content']);
});

test('an archive that cannot be written fails as a value, and what stands in its place is left alone', async () => {
  const release = await load(await makeTree({ a: { file: 'x'.repeat(1 << 20) } }));
  const directory = await makeTree({ taken: { file: 'precious' } });
  for (const file of [join(directory, 'missing/out.tar'), join(directory, 'taken')]) {
    const attempt = writeArchive(release, { entries: everything(release), mtime: 1, file });
    expect(await codesOf(attempt)).toEqual(['RELEASE_SPOOL']);
  }
  expect(await readTree(directory)).toEqual(['f 644 taken precious']);
});
