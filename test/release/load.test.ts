import { appendFile, chmod, mkdir, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  AWKWARD_NAMES,
  awkwardTree,
  codesOf,
  collect,
  commitAll,
  failuresOf,
  growTree,
  load,
  makeDirectory,
  makeTree,
  readTree,
  run,
} from './trees.ts';

async function pack(directory: string, name = 'release.tar', args: readonly string[] = []): Promise<string> {
  const file = join(await makeDirectory(), name);
  await run(directory, 'tar', [name.endsWith('.tar') ? '-cf' : '-czf', file, ...args, '.']);
  return file;
}

async function paths(source: string, cwd?: string): Promise<readonly string[]> {
  const release = await load(source, cwd === undefined ? {} : { cwd });
  return release.manifest.map(entry => entry.path);
}

describe('one tree', () => {
  test('has one id from a directory, every kind of tarball and git', async () => {
    const directory = await makeTree(awkwardTree());
    const repository = await makeTree(awkwardTree());
    await commitAll(repository);
    const { id, manifest } = await load(directory);
    expect(id).toMatch(/^sha256:[0-9a-f]{64}$/);
    for (const name of AWKWARD_NAMES) expect(manifest.map(entry => entry.path)).toContain(name);
    for (const format of ['gnu', 'oldgnu', 'pax']) {
      const file = await pack(directory, 'release.tar', [`--format=${format}`]);
      expect((await load(file)).id, format).toBe(id);
    }
    expect((await load(await pack(directory, 'release.tgz'))).id).toBe(id);
    expect((await load(await pack(directory, 'release.tar.gz'))).id).toBe(id);
    expect((await load('git:main', { cwd: repository })).id).toBe(id);
    expect((await load(repository)).id).toBe(id);
  });

  test('has one id whatever umask, mtimes and owners say', async () => {
    const one = await makeTree({ 'a/run': { file: 'x', mode: 0o755 }, 'a/data': { file: 'y', mode: 0o644 } });
    const other = await makeTree({ 'a/run': { file: 'x', mode: 0o700 }, 'a/data': { file: 'y', mode: 0o660 } });
    await chmod(join(other, 'a'), 0o2770);
    await run(other, 'touch', ['-d', '2001-01-01', 'a/run', 'a/data', 'a']);
    const { id, manifest } = await load(one);
    expect((await load(other)).id).toBe(id);
    expect((await load(await pack(other, 'x.tar', ['--owner=12345', '--mode=u+w']))).id).toBe(id);
    expect(manifest.map(entry => (entry.kind === 'link' ? '' : `${entry.path} ${entry.mode}`))).toEqual([
      'a 755',
      'a/data 644',
      'a/run 755',
    ]);
  });

  test('opens to the same bytes from every source', async () => {
    const directory = await makeTree(awkwardTree());
    await commitAll(directory);
    for (const source of [directory, await pack(directory, 'x.tar', ['--exclude=.git']), 'git:HEAD']) {
      const release = await load(source, { cwd: directory });
      expect(String(await collect(release.open(AWKWARD_NAMES[3] ?? ''))), source).toBe('content 3\n'.repeat(150));
      expect(await collect(release.open('with space'))).toHaveLength(0);
    }
  });

  test('keeps its empty directories', async () => {
    const directory = await makeTree({ a: { file: 'x' }, 'b/empty': { directory: true } });
    expect(await paths(directory)).toEqual(['a', 'b', 'b/empty']);
    expect(await paths(await pack(directory))).toEqual(['a', 'b', 'b/empty']);
  });

  test('is in byte order, a directory before what is in it', async () => {
    const directory = await makeTree({
      'a/x': { file: '' },
      'a.b': { file: '' },
      'a-b': { file: '' },
      '\xff': { file: '' },
      B: { file: '' },
    });
    expect(await paths(directory)).toEqual(['B', 'a', 'a-b', 'a.b', 'a/x', '\xff']);
  });
});

test('temporary files are private, and gone when the release is closed or refused', async () => {
  const temporary = await makeDirectory();
  const file = await pack(await makeTree({ a: { file: 'x' } }));
  const bad = await pack(await makeTree({ a: { link: '/etc' } }));
  const cut = join(await makeTree({ 'cut.tar': { file: '' } }), 'cut.tar');
  vi.stubEnv('TMPDIR', temporary);
  onTestFinished(() => void vi.unstubAllEnvs());
  const release = await load(file);
  const [directory, ...others] = await readTree(temporary);
  expect(directory).toMatch(/^d 700 fleetflip-/);
  expect(others).toEqual([expect.stringMatching(/^f 600 fleetflip-\S+\/spool x$/)]);
  await release.close();
  await release.close();
  expect(await codesOf(load(bad))).toEqual(['RELEASE_LINK_ESCAPES']);
  expect(await codesOf(load(cut))).toEqual(['RELEASE_CUT_SHORT']);
  expect(await readTree(temporary)).toEqual([]);
});

describe('.fleetflipignore', () => {
  const tree = {
    '.fleetflipignore': { file: '*.log\n/config\n!keep.log\nnode_modules/\nvoil\xc3\xa0\n' },
    '.git/HEAD': { file: 'ref: refs/heads/main\n' },
    'sub/.git': { file: 'gitdir: ../.git/modules/sub\n' },
    'a.log': { file: 'x' },
    'keep.log': { file: 'x' },
    'A.LOG': { file: 'x' },
    'config/secret': { file: 'x' },
    'Config/public': { file: 'x' },
    'deep/config/kept': { file: 'x' },
    'deep/node_modules/m/x': { file: 'x' },
    'only-logs/x.log': { file: 'x' },
    'sub/file': { file: 'x' },
    'voil\xc3\xa0': { file: 'x' },
    'voil\xc3': { file: 'x' },
    'bad\xff.log': { file: 'x' },
    'bad\xff': { file: 'x' },
  };
  const kept = [
    'A.LOG',
    'Config',
    'Config/public',
    'bad\xff',
    'deep',
    'deep/config',
    'deep/config/kept',
    'keep.log',
    'only-logs',
    'sub',
    'sub/file',
    'voil\xc3',
  ];

  test('leaves out what gitignore would, itself and every .git, from a directory and an archive', async () => {
    const directory = await makeTree(tree);
    expect(await paths(directory)).toEqual(kept);
    expect(await paths(await pack(directory))).toEqual(kept);
  });

  test('is read from the tree of a git ref', async () => {
    const { '.git/HEAD': _head, 'sub/.git': _gitlink, ...files } = tree;
    const directory = await makeTree(files);
    await commitAll(directory);
    await writeFile(join(directory, '.fleetflipignore'), '*\n');
    expect(await paths('git:HEAD', directory)).toEqual(kept);
  });

  test('leaves a directory standing whose files are all left out, also in an archive that does not name it', async () => {
    const directory = await makeTree({
      '.fleetflipignore': { file: '*.log\n' },
      a: { file: 'x' },
      'logs/x.log': { file: 'x' },
    });
    const file = join(await makeDirectory(), 'x.tar');
    await run(directory, 'tar', ['-cf', file, '.fleetflipignore', 'a', 'logs/x.log']);
    expect(await paths(directory)).toEqual(['a', 'logs']);
    expect(await paths(file)).toEqual(['a', 'logs']);
  });

  test('that is not a plain file is refused, so that nothing goes out by mistake', async () => {
    for (const directory of [
      await makeTree({ a: { file: 'x' }, rules: { file: 'a' }, '.fleetflipignore': { link: 'rules' } }),
      await makeTree({ a: { file: 'x' }, '.fleetflipignore/a': { file: 'x' } }),
    ]) {
      expect(await codesOf(load(directory))).toEqual(['RELEASE_IGNORE_FILE']);
      expect(await codesOf(load(await pack(directory)))).toEqual(['RELEASE_IGNORE_FILE']);
    }
  });

  test('also takes away what would be refused', async () => {
    const directory = await makeTree({
      '.fleetflipignore': { file: 'out\npipe\n' },
      a: { file: 'x' },
      out: { link: '/etc/passwd' },
    });
    await run(directory, 'mkfifo', ['pipe']);
    expect(await paths(directory)).toEqual(['a']);
    expect(await paths(await pack(directory))).toEqual(['a']);
  });
});

describe('refused', () => {
  test('what is not there, and what is no archive', async () => {
    const directory = await makeTree({
      'a.txt': { file: 'x' },
      'bad.tar': { file: 'x'.repeat(2048) },
      'bad.tgz': { file: 'x'.repeat(2048) },
    });
    expect(await codesOf(load('missing', { cwd: directory }))).toEqual(['RELEASE_NOT_FOUND']);
    expect(await codesOf(load('', { cwd: directory }))).toEqual(['RELEASE_NOT_FOUND']);
    for (const name of ['a.txt', 'bad.tar', 'bad.tgz'])
      expect(await codesOf(load(name, { cwd: directory })), name).toEqual(['RELEASE_NOT_ARCHIVE']);
    await run(directory, 'mkfifo', ['pipe.tar']);
    expect(await codesOf(load('pipe.tar', { cwd: directory }))).toEqual(['RELEASE_NOT_ARCHIVE']);
  });

  test('an empty release, also when everything is left out', async () => {
    const empty = await makeDirectory();
    const ignored = await makeTree({ '.fleetflipignore': { file: '*\n' }, a: { file: 'x' } });
    for (const source of [empty, await pack(empty), ignored, await pack(ignored)]) {
      expect(await codesOf(load(source)), source).toEqual(['RELEASE_EMPTY']);
    }
  });

  test('sockets, fifos and devices', async () => {
    const directory = await makeTree({ a: { file: 'x' } });
    await run(directory, 'mkfifo', ['pipe']);
    const server = createServer();
    await new Promise<void>(resolve => server.listen(join(directory, 'socket'), resolve));
    onTestFinished(() => new Promise<void>(resolve => server.close(() => resolve())));
    const failures = await failuresOf(load(directory));
    expect(failures.map(failure => failure.what).sort()).toEqual(['pipe is a fifo', 'socket is a socket']);
    expect(await codesOf(load(await pack(directory)))).toEqual(['RELEASE_SPECIAL_FILE']);
  });

  test('links that leave the release', async () => {
    const escaping = {
      absolute: { link: '/etc/passwd' },
      up: { link: '..' },
      'd/up': { link: '../../x' },
      'd/back': { link: '../d/../../x' },
      'd/e/root': { link: '../..' },
      'd/sly': { link: 'e/root/../x' },
    };
    const inside = {
      'd/fine': { link: '../d/e/../x' },
      'd/top': { link: '..' },
      loop: { link: 'loop' },
      same: { link: './/.' },
    };
    const directory = await makeTree({ ...escaping, ...inside, x: { file: 'x' } });
    for (const source of [directory, await pack(directory)]) {
      const failures = await failuresOf(load(source));
      expect(failures.map(failure => failure.code)).toEqual(Array(5).fill('RELEASE_LINK_ESCAPES'));
      for (const path of Object.keys(escaping)) {
        if (path !== 'd/e/root')
          expect(
            failures.some(failure => failure.what.includes(`link ${path} `)),
            path,
          ).toBe(true);
      }
    }
  });

  test('everything at once, as refusals of the preparation', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n';
    const directory = await makeTree({ out: { link: '/' }, 'video.mp4': { file: pointer }, fine: { file: 'x' } });
    await run(directory, 'mkfifo', ['pipe']);
    const failures = await failuresOf(load(directory));
    expect(failures.map(failure => failure.code).sort()).toEqual([
      'RELEASE_LFS',
      'RELEASE_LINK_ESCAPES',
      'RELEASE_SPECIAL_FILE',
    ]);
    for (const failure of failures) expect(failure).toMatchObject({ kind: 'refused', phase: 'prepare' });
  });

  test('a file that changes while it is read', async () => {
    const directory = await makeDirectory();
    const file = join(directory, 'big');
    await writeFile(file, Buffer.alloc(32 << 20));
    let settled = false;
    const attempt = codesOf(load(directory)).finally(() => {
      settled = true;
    });
    while (!settled) await appendFile(file, 'more');
    expect(await attempt).toEqual(['RELEASE_CHANGED']);
  });

  test('what an aborted signal no longer wants', async () => {
    const directory = await makeTree({ a: { file: 'x' } });
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    for (const source of [directory, await pack(directory)])
      await expect(load(source, { signal })).rejects.toBe(reason);
  });
});

test('a file of a gigabyte is read in pieces', async () => {
  const directory = await makeTree({ big: { file: '' } });
  await truncate(join(directory, 'big'), 1 << 30);
  const before = process.resourceUsage().maxRSS;
  expect((await load(directory)).manifest).toMatchObject([{ path: 'big', size: 1 << 30 }]);
  const kilobytes = process.resourceUsage().maxRSS - before;
  expect(kilobytes).toBeLessThan(200_000);
});

test('setuid, setgid and sticky bits of files are dropped with a warning', async () => {
  const directory = await makeTree({ 'bin/su': { file: 'x' }, plain: { file: 'x' } });
  await chmod(join(directory, 'bin/su'), 0o4755);
  for (const source of [directory, await pack(directory)]) {
    const release = await load(source);
    expect(release.warnings).toEqual(['bin/su loses its setuid, setgid or sticky bit']);
    expect(release.manifest[1]).toMatchObject({ path: 'bin/su', mode: '755' });
  }
});

describe('the label', () => {
  test('is what git describes in the directory, beside the archive and of the ref', async () => {
    const directory = await makeTree({ 'dist/a': { file: 'x' } });
    await commitAll(directory);
    await run(directory, 'git', ['tag', 'v1.2.3']);
    expect((await load(join(directory, 'dist'))).label).toBe('v1.2.3');
    await growTree(directory, { 'dist/a': { file: 'y' } });
    await run(directory, 'tar', ['-cf', 'x.tar', 'dist']);
    expect((await load('x.tar', { cwd: directory })).label).toBe('v1.2.3-dirty');
    expect((await load('git:main', { cwd: directory })).label).toBe('v1.2.3');
  });

  test('is empty without a repository, and what is asked for otherwise', async () => {
    const directory = await makeTree({ a: { file: 'x' } });
    expect((await load(directory)).label).toBe('');
    expect((await load(directory, { label: 'as asked' })).label).toBe('as asked');
  });

  test('has no control characters and at most a hundred others', async () => {
    const directory = await makeTree({ a: { file: 'x' } });
    expect((await load(directory, { label: 'a\x1b[31m\n\u202eb\u2028c' })).label).toBe('a[31mbc');
    const long = (await load(directory, { label: '😀'.repeat(101) })).label;
    expect([...long]).toHaveLength(100);
    expect(long).toBe('😀'.repeat(100));
  });
});

test('a directory that is a link is followed at the top only', async () => {
  const directory = await makeTree({ 'real/a': { file: 'x' }, current: { link: 'real' } });
  expect(await paths('current', directory)).toEqual(['a']);
  await mkdir(join(directory, 'y'));
  expect(await paths(directory)).toEqual(['current', 'real', 'real/a', 'y']);
});
