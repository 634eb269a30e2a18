import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pack } from '../../src/index.ts';
import { loadRelease } from '../../src/release/index.ts';
import { failureOf } from '../support/failures.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

async function makeTree(name: string, order: readonly string[]): Promise<void> {
  await mkdir(join(cwd, name, 'empty'), { recursive: true });
  for (const file of order) {
    await writeFile(join(cwd, name, file), `content of ${file}`);
    await utimes(join(cwd, name, file), order.length, order.indexOf(file));
  }
  await chmod(join(cwd, name, 'run'), 0o700);
  await symlink('a', join(cwd, name, 'link'));
}

describe('packing', () => {
  it('gives the same bytes for the same release, whatever it comes from', async () => {
    await makeTree('one', ['a', 'b\n', 'run', 'x'.repeat(200)]);
    await makeTree('other', ['x'.repeat(200), 'run', 'b\n', 'a']);
    execFileSync('tar', ['-cf', 'tarred.tar', '-C', 'other', '.'], { cwd });
    await writeFile(join(cwd, 'other/.fleetflipignore'), 'left-out\n');
    await writeFile(join(cwd, 'other/left-out'), '');
    const packed = await Promise.all(
      ['one', 'other', 'tarred.tar'].map(source => pack(source, { cwd, to: `${source}.gz` })),
    );
    expect(new Set(packed.map(({ artifact }) => artifact.sha256)).size).toBe(1);
    const bytes = await readFile(join(cwd, 'one.gz'));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(packed[0]?.artifact.sha256);
    expect(packed[0]?.artifact.size).toBe(bytes.length);
    expect([...bytes.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
  });

  it('gives what is the same release again, and its id beside it', async () => {
    await makeTree('one', ['a', 'run']);
    const { release, artifact } = await pack('one', { cwd, to: 'v1.tar.gz' });
    expect(await readFile(join(cwd, 'v1.tar.gz.id'), 'utf8')).toBe(`${release}\n`);
    const again = await loadRelease('v1.tar.gz', { cwd });
    expect(again.id).toBe(release);
    await again.close();
    expect(artifact.file).toBe('v1.tar.gz');
    expect((await pack('one', { cwd })).artifact.file).toBe(`release-${release?.slice(7, 19)}.tar.gz`);
  });

  it('writes the whole file or none', async () => {
    await makeTree('one', ['a', 'run']);
    await mkdir(join(cwd, 'taken'));
    expect(await failureOf(pack('one', { cwd, to: 'taken' }))).toMatchObject({ code: 'PACK_NOT_WRITABLE' });
    expect(await failureOf(pack('one', { cwd, to: 'no/where' }))).toMatchObject({ code: 'PACK_NOT_WRITABLE' });
    expect(await failureOf(pack('nothing', { cwd }))).toMatchObject({ code: 'RELEASE_NOT_FOUND' });
    expect((await readdir(cwd)).filter(name => name.includes('.new'))).toEqual([]);
  });
});
