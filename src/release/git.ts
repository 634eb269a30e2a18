/** A git ref as a source, through `git archive`; labels by `git describe`. */

import { spawn } from 'node:child_process';
import nanoSpawn from 'nano-spawn';
import { readStream } from './archive.ts';
import { releaseError } from './problems.ts';
import type { Source } from './source.ts';

/** @throws FleetflipError `RELEASE_GIT`, `RELEASE_SUBMODULE` */
export async function readGit(ref: string, cwd: string): Promise<Source> {
  const commit = await resolveCommit(ref, cwd);
  const top = (await git(cwd, ['rev-parse', '--show-toplevel']).catch(() => null))?.trim() ?? cwd;
  const modules = (await git(top, ['ls-tree', '-r', '-z', commit]))
    .split('\0')
    .filter(line => line.startsWith('160000 '));
  if (modules.length > 0) {
    const names = modules.map(line => line.slice(line.indexOf('\t') + 1)).join(', ');
    throw releaseError(
      'RELEASE_SUBMODULE',
      `${ref} has submodules, which git archive leaves empty: ${names}`,
      'Release a directory or an archive that contains them',
    );
  }
  let ended: Promise<number | null> = Promise.resolve(null);
  const source = await readStream(() => {
    const child = spawn('git', ['archive', '--format=tar', commit], { cwd: top, stdio: ['ignore', 'pipe', 'ignore'] });
    ended = new Promise(resolve => child.once('close', resolve));
    return child.stdout;
  }, false);
  if ((await ended) === 0) return source;
  await source.close();
  throw releaseError('RELEASE_GIT', `git archive of ${ref} failed`, 'Try it by hand: git archive');
}

/** What git calls the state of a directory, or of a ref; empty where git knows nothing. */
export async function describe(cwd: string, ref?: string): Promise<string> {
  const args = ref === undefined ? ['--dirty'] : [ref];
  return (await git(cwd, ['describe', '--always', '--tags', ...args]).catch(() => '')).trim();
}

async function resolveCommit(ref: string, cwd: string): Promise<string> {
  try {
    if (ref.startsWith('-')) throw new Error('an option is no ref');
    return (await git(cwd, ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`])).trim();
  } catch {
    const inside = await git(cwd, ['rev-parse', '--git-dir']).catch(() => null);
    const what = inside === null ? `${cwd} is in no git repository` : `git knows no ${ref}`;
    throw releaseError('RELEASE_GIT', what, 'Name a branch, tag or commit of the repository you stand in');
  }
}

async function git(cwd: string, args: readonly string[]): Promise<string> {
  return (await nanoSpawn('git', [...args], { cwd, env: { LC_ALL: 'C' } })).stdout;
}
