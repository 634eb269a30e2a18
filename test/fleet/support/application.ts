/** A real application to release: WordPress as Debian packs it, or what comes nearest on this machine. */

import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { execute } from './process.ts';

const CACHE = join(tmpdir(), `fleetflip-test-wordpress-${userInfo().uid}`);
const MODULES = join(import.meta.dirname, '../../../node_modules');
/** About as many files and bytes as WordPress. */
const STAND_INS = ['@types', 'fast-check', 'typescript', 'zod'];

/** Makes a release below the directory and resolves with its path. */
export async function makeApplication(directory: string): Promise<string> {
  const release = join(directory, 'first');
  const lack = await fetchWordPress();
  if (lack === null) {
    await execute('cp', ['-R', CACHE, release]);
  } else {
    if (process.env.FLEETFLIP_REQUIRE_WORDPRESS) throw new Error(`no WordPress to release: ${lack}`);
    for (const name of STAND_INS) await cp(join(MODULES, name), join(release, name), { recursive: true });
  }
  await mkdir(join(release, 'gone-in-the-next'));
  await writeFile(join(release, 'gone-in-the-next/page.html'), 'first');
  await describeRelease(release, lack);
  return release;
}

/** Makes the release that comes after it: files changed, one removed, and some with names that are hard to quote. */
export async function makeNextRelease(release: string): Promise<string> {
  const next = `${release}-next`;
  const script = 'find "$1" -name "*.js" -type f -exec sh -c \'for file; do echo "// next" >>"$file"; done\' sh {} +';
  await execute('cp', ['-R', release, next]);
  await execute('sh', ['-c', script, 'sh', next]);
  await rm(join(next, 'gone-in-the-next'), { recursive: true });
  const odd = join(next, '-odd names\n');
  await mkdir(odd);
  for (const name of ['-rf', 'a "b" \'c\' $(d) `e`', 'back\\slash', 'new\nline', 'größe', '*', ' ', '#!'])
    await writeFile(join(odd, name), name);
  await symlink('../-odd names\n/new\nline', join(odd, '-> link'));
  if (process.platform === 'linux') await writeFile(Buffer.from(`${odd}/\xff\xfe`, 'latin1'), 'no UTF-8');
  return next;
}

/** Says what it is that is released. */
async function describeRelease(release: string, lack: string | null): Promise<void> {
  const count = async (script: string): Promise<number> =>
    Number(await execute('sh', ['-c', script], { cwd: release }));
  const files = await count('find . -type f | wc -l');
  const kilobytes = await count('du -sk . | cut -f 1');
  const what = lack === null ? 'WordPress' : `not WordPress (${lack}) but node_modules/{${STAND_INS.join(',')}}`;
  console.info(`the release is ${what}: ${files} files, ${Math.round(kilobytes / 1024)} MB`);
}

const FETCH = `
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { echo 'this machine has no apt' >&2; exit 1; }
apt-get download -q wordpress
dpkg-deb -x wordpress_*.deb .
# Those into other packages would leave the release.
find usr/share/wordpress -type l -exec rm {} +`;

/** Leaves WordPress in the cache. Resolves with null, or with the reason why it is not there. */
async function fetchWordPress(): Promise<string | null> {
  if (existsSync(CACHE)) return null;
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-fetch-'));
  try {
    await execute('sh', ['-euc', FETCH], { cwd: directory });
    await rename(join(directory, 'usr/share/wordpress'), CACHE);
    return null;
  } catch (thrown) {
    const said = thrown instanceof Error ? thrown.message : String(thrown);
    return existsSync(CACHE) ? null : (said.trimEnd().split('\n').at(-1) ?? '');
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
