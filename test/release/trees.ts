/** Trees with awkward names in temporary directories, and what a tree on disk is, as comparable lines. */

import { execFile, spawnSync } from 'node:child_process';
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { type ByteString, fromBytes, fromText, toBytes } from '../../src/domain/bytes.ts';
import { FleetflipError } from '../../src/domain/error.ts';
import { type LoadReleaseOptions, loadRelease, type Release } from '../../src/release/index.ts';

const execute = promisify(execFile);

export type Node =
  | { readonly file: string; readonly mode?: number }
  | { readonly link: ByteString }
  | { readonly directory: true };

/** Byte string paths to what is there. Parents are made. */
export type Tree = Readonly<Record<ByteString, Node>>;

export const AWKWARD_NAMES: readonly ByteString[] = [
  'with space',
  ' leading and trailing ',
  'quo"te\'s `x` $HOME',
  'new\nline',
  'trailing newline\n',
  '-rf',
  '--exclude=*',
  'back\\slash',
  'back\\nslash',
  'tab\there',
  'star*?[a]',
  '#comment',
  '!negated',
  fromText('größe-日本-😀'),
  '\xff\xfe not utf-8 \x80',
  '\xe0\xa0',
  'n'.repeat(255),
  `${'d'.repeat(120)}/${'e'.repeat(120)}/${'f'.repeat(120)}`,
  `${'p'.repeat(97)}`,
  `${'p'.repeat(98)}`,
  `${'p'.repeat(99)}`,
  `-dir \xff\n/-file\\`,
];

export function awkwardTree(): Tree {
  const tree: Record<ByteString, Node> = {};
  for (const [at, name] of AWKWARD_NAMES.entries()) tree[name] = { file: `content ${at}\n`.repeat(at * 50) };
  tree['bin/run'] = { file: '#!/bin/sh\n', mode: 0o755 };
  tree['bin/group'] = { file: 'x', mode: 0o710 };
  tree['bin/block'] = { file: 'b'.repeat(512) };
  tree['links/short'] = { link: '../bin/run' };
  tree['links/awkward'] = { link: '../\xff\xfe not utf-8 \x80' };
  tree['links/newline'] = { link: '../new\nline' };
  tree['links/long'] = { link: `${'a'.repeat(150)}/${'b'.repeat(150)}` };
  tree['links/100'] = { link: 'c'.repeat(100) };
  tree['links/dangling'] = { link: 'nothing here' };
  return tree;
}

/** A directory that is gone after the test. */
export async function makeDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export async function makeTree(tree: Tree): Promise<string> {
  const directory = await makeDirectory();
  await growTree(directory, tree);
  return directory;
}

export async function growTree(directory: string, tree: Tree): Promise<void> {
  for (const [path, node] of Object.entries(tree)) {
    const parent = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
    await mkdir(place(directory, 'directory' in node ? path : parent), { recursive: true });
    if ('file' in node) {
      await writeFile(place(directory, path), node.file, 'latin1');
      await chmod(place(directory, path), node.mode ?? 0o644);
    } else if ('link' in node) {
      await symlink(Buffer.from(toBytes(node.link)), place(directory, path));
    }
  }
}

export function place(directory: string, path: ByteString): Buffer {
  return Buffer.concat([Buffer.from(`${directory}/`), toBytes(path)]);
}

/** `f 644 PATH CONTENT`, `d 755 PATH`, `l PATH -> TARGET`, in byte order. */
export async function readTree(directory: string, below = ''): Promise<string[]> {
  const names = await readdir(place(directory, below), { encoding: 'buffer' });
  const lines: string[] = [];
  for (const name of names) {
    const path = below === '' ? fromBytes(name) : `${below}/${fromBytes(name)}`;
    const file = place(directory, path);
    const stat = await lstat(file);
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isSymbolicLink()) lines.push(`l ${path} -> ${fromBytes(await readlink(file, { encoding: 'buffer' }))}`);
    else if (stat.isDirectory()) lines.push(`d ${mode} ${path}`, ...(await readTree(directory, path)));
    else lines.push(`f ${mode} ${path} ${fromBytes(await readFile(file))}`);
  }
  return lines.sort();
}

export async function run(cwd: string, command: string, args: readonly string[]): Promise<string> {
  const env = {
    ...process.env,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@example.com',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@example.com',
  };
  return (await execute(command, [...args], { cwd, env, maxBuffer: 1 << 28 })).stdout;
}

/** Makes the directory a repository with everything in it committed. */
export async function commitAll(directory: string): Promise<void> {
  await run(directory, 'git', ['init', '-q', '-b', 'main']);
  await run(directory, 'git', ['add', '-A', '-f']);
  await run(directory, 'git', ['commit', '-q', '--allow-empty', '-m', 'all']);
}

/** Loads a release that is closed after the test. */
export async function load(source: string, options: Partial<LoadReleaseOptions> = {}): Promise<Release> {
  const release = await loadRelease(source, { cwd: '/', ...options });
  onTestFinished(() => release.close());
  return release;
}

/** The codes of what was thrown, sorted. */
export async function codesOf(attempt: Promise<unknown>): Promise<readonly string[]> {
  return (await failuresOf(attempt)).map(failure => failure.code).sort();
}

export async function failuresOf(attempt: Promise<unknown>): Promise<FleetflipError['failures']> {
  const thrown = await attempt.then(
    () => new Error('nothing was thrown'),
    (error: unknown) => error,
  );
  if (thrown instanceof FleetflipError) return thrown.failures;
  throw thrown;
}

/** Each tar of this machine as a command line. */
export function tars(): readonly (readonly [string, ...string[]])[] {
  const known: readonly (readonly [string, ...string[]])[] = [
    ['tar'],
    ['busybox', 'tar'],
    ['bsdtar'],
    ['toybox', 'tar'],
  ];
  return known.filter(([command, ...args]) => spawnSync(command, [...args, '--help']).error === undefined);
}

export async function collect(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}
