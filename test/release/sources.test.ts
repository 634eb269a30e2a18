import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FleetflipError } from '../../src/domain/error.ts';
import { decodeManifest, encodeManifest } from '../../src/domain/release.ts';
import { loadRelease } from '../../src/release/index.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

const git = (...args: string[]): Buffer =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', '-c', 'commit.gpgsign=false', ...args], {
    cwd: join(cwd, 'tree'),
    stdio: 'pipe',
  });

async function makeTree(): Promise<string> {
  const tree = join(cwd, 'tree');
  await mkdir(join(tree, 'lib'), { recursive: true });
  await writeFile(join(tree, 'index.html'), 'one');
  await writeFile(join(tree, 'lib', "it's a\nname"), 'x');
  await writeFile(Buffer.concat([Buffer.from(`${tree}/lib/`), Buffer.from([0xff, 0xfe])]), 'bytes');
  await writeFile(join(tree, 'lib', 'x'.repeat(180)), 'long');
  await writeFile(join(tree, 'run.sh'), '#!/bin/sh');
  await chmod(join(tree, 'run.sh'), 0o700);
  await symlink('lib/../index.html', join(tree, 'link'));
  return tree;
}

async function codes(source: string): Promise<string[]> {
  const thrown = await loadRelease(source, { cwd }).then(
    () => null,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(FleetflipError);
  return thrown instanceof FleetflipError ? thrown.failures.map(failure => failure.code) : [];
}

async function idOf(source: string, where = cwd): Promise<string> {
  const release = await loadRelease(source, { cwd: where });
  await release.close();
  return release.id;
}

describe('a release', () => {
  it('has one id from a directory, from archives of every form and from git', async () => {
    const tree = await makeTree();
    for (const format of ['gnu', 'pax', 'posix'])
      execFileSync('tar', [`--format=${format}`, '-C', tree, '-cf', join(cwd, `${format}.tar`), '.']);
    execFileSync('tar', ['-C', tree, '-czf', join(cwd, 'gnu.tgz'), '.']);
    git('init', '-q');
    git('add', '-A');
    git('commit', '-q', '-m', 'x');
    const ids = await Promise.all([
      idOf('tree'),
      idOf('gnu.tar'),
      idOf('pax.tar'),
      idOf('posix.tar'),
      idOf('gnu.tgz'),
      idOf('git:HEAD', tree),
    ]);
    expect(new Set(ids).size).toBe(1);
  });

  it('writes a manifest that reads back as it was', async () => {
    await makeTree();
    const release = await loadRelease('tree', { cwd });
    expect(decodeManifest(encodeManifest(release.manifest))).toEqual(release.manifest);
    expect(release.manifest.map(entry => (entry.kind === 'link' ? 'link' : entry.mode))).toContain('755');
  });

  it("leaves out .git and what .fleetflipignore says, with gitignore's rules", async () => {
    const tree = await makeTree();
    await mkdir(join(tree, '.git'));
    await writeFile(join(tree, '.git', 'config'), 'secret');
    await writeFile(join(tree, '.fleetflipignore'), 'lib/\n*.sh\n!index.html\n');
    const release = await loadRelease('tree', { cwd });
    expect(release.manifest.map(entry => entry.path)).toEqual(['index.html', 'link']);
  });

  it('takes hard links inside an archive as files', async () => {
    const tree = await makeTree();
    execFileSync('ln', [join(tree, 'index.html'), join(tree, 'zz-hard')]);
    execFileSync('tar', ['-C', tree, '-cf', join(cwd, 'hard.tar'), '.']);
    expect(await idOf('hard.tar')).toBe(await idOf('tree'));
  });
});

describe('a release is refused before any host is contacted', () => {
  it('when it is empty, or not there, or no release', async () => {
    await mkdir(join(cwd, 'empty'));
    await writeFile(join(cwd, 'file.txt'), '');
    expect(await codes('empty')).toEqual(['RELEASE_EMPTY']);
    expect(await codes('nowhere')).toEqual(['RELEASE_NOT_FOUND']);
    expect(await codes('file.txt')).toEqual(['RELEASE_NOT_ARCHIVE']);
  });

  it('when it holds fifos and links that leave it, all of them named at once', async () => {
    const tree = await makeTree();
    execFileSync('mkfifo', [join(tree, 'fifo')]);
    await symlink('../../etc/passwd', join(tree, 'lib', 'up'));
    await symlink('/etc/passwd', join(tree, 'absolute'));
    expect((await codes('tree')).sort()).toEqual([
      'RELEASE_LINK_ESCAPES',
      'RELEASE_LINK_ESCAPES',
      'RELEASE_SPECIAL_FILE',
    ]);
  });

  it('when an archive names something outside, or one thing twice', async () => {
    const tree = await makeTree();
    execFileSync('tar', [
      '-P',
      '-C',
      tree,
      '--transform=s,^index.html,../outside,',
      '-cf',
      join(cwd, 'up.tar'),
      'index.html',
    ]);
    execFileSync('tar', ['-P', '-cf', join(cwd, 'absolute.tar'), join(tree, 'index.html')]);
    execFileSync('tar', ['-C', tree, '-cf', join(cwd, 'twice.tar'), 'index.html', 'run.sh']);
    execFileSync('tar', ['-C', tree, '-rf', join(cwd, 'twice.tar'), 'index.html']);
    expect(await codes('up.tar')).toEqual(['RELEASE_UNSAFE_NAME']);
    expect(await codes('absolute.tar')).toEqual(['RELEASE_UNSAFE_NAME']);
    expect(await codes('twice.tar')).toEqual(['RELEASE_DUPLICATE']);
  });

  it('when an archive was cut short anywhere, also between two members', async () => {
    const tree = await makeTree();
    execFileSync('tar', ['-C', tree, '-czf', join(cwd, 'whole.tgz'), '.']);
    execFileSync('tar', ['-C', tree, '-cf', join(cwd, 'whole.tar'), 'index.html', 'run.sh']);
    for (const size of [0, 512, 700, 1024, 1536, 2048]) {
      await writeFile(join(cwd, 'cut.tar'), (await readFile(join(cwd, 'whole.tar'))).subarray(0, size));
      expect(await codes('cut.tar'), `cut at ${size}`).toEqual(['RELEASE_CUT_SHORT']);
    }
    await truncate(join(cwd, 'whole.tgz'), (await readFile(join(cwd, 'whole.tgz'))).length - 20);
    expect(await codes('whole.tgz')).toEqual(['RELEASE_CUT_SHORT']);
  });

  it('when git knows no such ref, or a file is an LFS pointer', async () => {
    const tree = await makeTree();
    git('init', '-q');
    expect(await codes('git:nowhere')).toEqual(['RELEASE_GIT']);
    await writeFile(join(tree, 'big.bin'), 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n');
    expect(await codes('tree')).toEqual(['RELEASE_LFS']);
  });
});
