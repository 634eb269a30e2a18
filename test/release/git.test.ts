import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { codesOf, commitAll, failuresOf, growTree, load, makeDirectory, makeTree, run } from './trees.ts';

async function withSubmodule(ignore: string): Promise<string> {
  const module = await makeTree({ inner: { file: 'x' } });
  await commitAll(module);
  const directory = await makeTree({ a: { file: 'x' }, '.fleetflipignore': { file: ignore } });
  await commitAll(directory);
  await run(directory, 'git', [
    '-c',
    'protocol.file.allow=always',
    'submodule',
    '--quiet',
    'add',
    module,
    'vendor/m\u00f6d',
  ]);
  await run(directory, 'git', ['commit', '-q', '-m', 'module']);
  return directory;
}

test('a ref is the whole tree of the repository, wherever in it one stands', async () => {
  const directory = await makeTree({ 'a/b': { file: 'x' }, c: { file: 'y' } });
  await commitAll(directory);
  const paths = (await load('git:HEAD', { cwd: join(directory, 'a') })).manifest.map(entry => entry.path);
  expect(paths).toEqual(['a', 'a/b', 'c']);
});

test('a ref is what was committed, not what lies around', async () => {
  const directory = await makeTree({ a: { file: 'old' } });
  await commitAll(directory);
  const { id } = await load('git:HEAD', { cwd: directory });
  await writeFile(join(directory, 'a'), 'new');
  await writeFile(join(directory, 'b'), 'new');
  expect((await load('git:HEAD', { cwd: directory })).id).toBe(id);
});

test('a ref is the same release whatever settings git has', async () => {
  const directory = await makeTree({ 'a.txt': { file: 'one\ntwo\n' }, run: { file: 'x', mode: 0o755 } });
  await commitAll(directory);
  const { id } = await load('git:HEAD', { cwd: directory });
  expect((await load(directory)).id).toBe(id);
  await growTree(directory, { '.git/info/attributes': { file: '*.txt text\n' } });
  for (const setting of ['core.autocrlf true', 'core.eol crlf', 'tar.umask 0777']) {
    await run(directory, 'git', ['config', ...setting.split(' ')]);
    expect((await load('git:HEAD', { cwd: directory })).id, setting).toBe(id);
  }
});

test('an empty commit is an empty release', async () => {
  const directory = await makeDirectory();
  await commitAll(directory);
  expect(await codesOf(load('git:HEAD', { cwd: directory }))).toEqual(['RELEASE_EMPTY']);
  await growTree(directory, { '.fleetflipignore': { file: '*\n' }, a: { file: 'x' } });
  await commitAll(directory);
  expect(await codesOf(load('git:HEAD', { cwd: directory }))).toEqual(['RELEASE_EMPTY']);
});

test('links that leave the release are refused, also by way of others', async () => {
  const directory = await makeTree({
    out: { link: '/etc' },
    'd/e/top': { link: '../..' },
    sly: { link: 'd/e/top/..' },
  });
  await commitAll(directory);
  const failures = await failuresOf(load('git:HEAD', { cwd: directory }));
  expect(failures.map(({ code, what }) => [code, what.split(' ')[2]]).sort()).toEqual([
    ['RELEASE_LINK_ESCAPES', 'out'],
    ['RELEASE_LINK_ESCAPES', 'sly'],
  ]);
});

test('a name that leaves the release is refused, however it came into the repository', async () => {
  const directory = await makeTree({ a: { file: 'x' } });
  await commitAll(directory);
  const blob = Buffer.from((await run(directory, 'git', ['rev-parse', 'HEAD:a'])).trim(), 'hex');
  await writeFile(join(directory, 'tree'), Buffer.concat([Buffer.from('100644 ..\0'), blob]));
  const tree = await run(directory, 'git', ['hash-object', '-t', 'tree', '-w', '--literally', 'tree']);
  const commit = await run(directory, 'git', ['commit-tree', '-m', 'x', tree.trim()]);
  const [code] = await codesOf(load(`git:${commit.trim()}`, { cwd: directory }));
  expect(['RELEASE_GIT', 'RELEASE_UNSAFE_NAME']).toContain(code);
});

test('a bare repository has refs too', async () => {
  const directory = await makeTree({ a: { file: 'x' } });
  await commitAll(directory);
  const bare = await makeDirectory();
  await run(directory, 'git', ['clone', '-q', '--bare', directory, bare]);
  expect((await load('git:main', { cwd: bare })).id).toBe((await load('git:main', { cwd: directory })).id);
});

test('an unknown ref, one that looks like an option, and no repository are refused', async () => {
  const directory = await makeTree({ a: { file: 'x' } });
  await commitAll(directory);
  for (const ref of ['nothing', '', '--output=/tmp/x', '-h', 'HEAD:a', 'HEAD^{tree}', 'a b']) {
    expect(await codesOf(load(`git:${ref}`, { cwd: directory })), ref).toEqual(['RELEASE_GIT']);
  }
  const [failure] = await failuresOf(load('git:HEAD', { cwd: await makeDirectory() }));
  expect(failure?.code).toBe('RELEASE_GIT');
  expect(failure?.what).toContain('not a git repository');
});

test('a repository that git does not trust is named as that', async () => {
  const directory = await makeTree({ a: { file: 'x' } });
  await commitAll(directory);
  const stranger = process.getuid?.() === 0;
  if (stranger) for (const path of [directory, join(directory, '.git')]) await chown(path, 12345, 12345);
  const attempt = load('git:HEAD', { cwd: directory });
  if (!stranger) return void (await attempt);
  const [failure] = await failuresOf(attempt);
  expect(failure).toMatchObject({ code: 'RELEASE_GIT', hint: expect.stringContaining('safe.directory') });
  expect((await load(directory)).label).toBe('');
});

test('a damaged repository is refused with what git says', async () => {
  const directory = await makeTree({ a: { file: 'content that is lost' } });
  await commitAll(directory);
  const blob = (await run(directory, 'git', ['rev-parse', 'HEAD:a'])).trim();
  await run(directory, 'rm', ['-f', `.git/objects/${blob.slice(0, 2)}/${blob.slice(2)}`]);
  const [failure] = await failuresOf(load('git:HEAD', { cwd: directory }));
  expect(failure).toMatchObject({ kind: 'refused', code: 'RELEASE_GIT', what: expect.stringContaining(blob) });
});

test('submodules are refused unless they are left out', async () => {
  const [failure, ...others] = await failuresOf(load('git:HEAD', { cwd: await withSubmodule('') }));
  expect(failure).toMatchObject({
    kind: 'refused',
    code: 'RELEASE_SUBMODULE',
    what: expect.stringContaining('vendor/m\u00f6d'),
  });
  expect(others).toEqual([]);
  const release = await load('git:HEAD', { cwd: await withSubmodule('vendor/*\n') });
  expect(release.manifest.map(entry => entry.path)).toEqual(['.gitmodules', 'a', 'vendor']);
});

test('pointers of Git LFS are refused, and texts about them are not', async () => {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 12345\n`;
  const directory = await makeTree({ 'video.mp4': { file: pointer }, 'about.md': { file: `A pointer: ${pointer}` } });
  await commitAll(directory);
  const failures = await failuresOf(load('git:HEAD', { cwd: directory }));
  expect(failures.map(failure => failure.code)).toEqual(['RELEASE_LFS']);
  expect(failures[0]?.what).toContain('video.mp4');
});

test('small repositories are read whole, however fast git ends', async () => {
  const directory = await makeTree({ a: { file: 'x' } });
  await commitAll(directory);
  const releases = await Promise.all(Array.from({ length: 20 }, () => load('git:HEAD', { cwd: directory })));
  expect(new Set(releases.map(release => release.id)).size).toBe(1);
});
