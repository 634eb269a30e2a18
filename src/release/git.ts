/** A git ref as a source, through `git archive`; labels by `git describe`. */

import { execFile, spawn } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { type ByteString, fromBytes, fromText, show } from '../domain/bytes.ts';
import type { FleetflipError } from '../domain/error.ts';
import { readStream } from './archive.ts';
import { releaseError } from './problems.ts';
import type { Found, Source } from './source.ts';

export interface GitSource extends Source {
  readonly commit: string;
}

/** @throws FleetflipError `RELEASE_GIT`, and what a tar is refused for */
export async function readGit(ref: string, cwd: string, signal?: AbortSignal): Promise<GitSource> {
  const commit = await resolveCommit(ref, cwd);
  try {
    const bare = (await git(cwd, ['rev-parse', '--is-bare-repository'])) === 'true';
    const top = bare ? cwd : fromUtf8(await git(cwd, ['rev-parse', '--show-toplevel']));
    const modules = new Set(findSubmodules(await git(top, ['ls-tree', '-r', '-z', '--full-tree', commit])));
    const source = await archive(commit, top, signal);
    return { ...source, commit, entries: source.entries.map(entry => mark(entry, modules)) };
  } catch (thrown) {
    throw isGitFailure(thrown) ? gitError(`git could not give ${ref}: ${reason(thrown)}`) : thrown;
  }
}

/** What git calls the state of a directory, or of a commit; empty where git knows nothing. */
export async function describe(cwd: string, commit?: string): Promise<string> {
  const args = commit === undefined ? ['--dirty'] : [commit];
  return fromUtf8(await git(cwd, ['describe', '--always', '--tags', ...args]).catch(() => ''));
}

async function archive(commit: string, top: string, signal?: AbortSignal): Promise<Source> {
  const child = spawn('git', [...PLAIN, 'archive', '--format=tar', commit], {
    cwd: top,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && { signal }),
  });
  // Attached at once: node throws away what a child that has ended left unread.
  const output = child.stdout.pipe(new PassThrough());
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-10_000);
  });
  const ended = new Promise<number | null>(resolve => child.once('close', resolve));
  child.once('error', error => output.destroy(error));
  try {
    const source = await readStream(output);
    if ((await ended) === 0) return source;
    await source.close();
  } catch (thrown) {
    // Whatever is left is read, so that git ends and tells whether the fault was its own.
    child.stdout.resume();
    if ((await ended) === 0) throw thrown;
  }
  throw gitError(`git archive failed: ${firstLine(stderr)}`);
}

/** What is committed must not become another release by somebody's own settings. */
const PLAIN = ['core.autocrlf=false', 'core.eol=lf', 'tar.umask=0022'].flatMap(setting => ['-c', setting]);

function findSubmodules(listing: ByteString): readonly ByteString[] {
  const lines = listing.split('\0').filter(line => line.startsWith('160000 '));
  return lines.map(line => line.slice(line.indexOf('\t') + 1));
}

function mark(entry: Found, modules: ReadonlySet<ByteString>): Found {
  return modules.has(entry.path) ? { kind: 'submodule', path: entry.path } : entry;
}

async function resolveCommit(ref: string, cwd: string): Promise<string> {
  try {
    await git(cwd, ['rev-parse', '--git-dir']);
  } catch (thrown) {
    throw gitError(`git cannot be asked for ${ref} in ${cwd}: ${reason(thrown)}`);
  }
  const unknown = (): FleetflipError => gitError(`git knows no commit ${JSON.stringify(ref)}`);
  if (ref === '' || ref.startsWith('-') || ref.includes('\0')) throw unknown();
  return git(cwd, ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`]).catch(() => Promise.reject(unknown()));
}

function gitError(what: string): FleetflipError {
  const hint = what.includes('dubious ownership')
    ? 'If you trust the repository: git config --global --add safe.directory, with its directory'
    : 'Name a branch, tag or commit of the repository you stand in';
  return releaseError('RELEASE_GIT', what, hint);
}

/** What git prints, as bytes, without the last newline. */
async function git(cwd: string, args: readonly string[]): Promise<ByteString> {
  const options = { cwd, env: environment(), encoding: 'buffer', maxBuffer: 1 << 28 } as const;
  const { stdout } = await promisify(execFile)('git', [...args], options);
  return fromBytes(stdout).replace(/\n$/, '');
}

/** Messages are in one language. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C' };
}

function isGitFailure(thrown: unknown): boolean {
  return thrown instanceof Error && 'cmd' in thrown && 'stderr' in thrown;
}

function reason(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if ('code' in thrown && thrown.code === 'ENOENT') return 'there is no git, or no such directory';
  const stderr = 'stderr' in thrown ? String(thrown.stderr) : '';
  return firstLine(stderr === '' ? thrown.message : stderr);
}

function firstLine(text: string): string {
  const [line = ''] = text.trim().split('\n');
  return show(fromText(line.replace(/^(fatal|error): /, '')));
}

function fromUtf8(bytes: ByteString): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
