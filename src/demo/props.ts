/** What the story needs besides hosts: small sites to release, and a disk that can be spoiled and repaired. */

import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DemoHost } from './fleet.ts';

/** Writes a static site of that version to `<directory>/releases/<version>` and resolves with its path. */
export async function writeSite(directory: string, version: string): Promise<string> {
  const path = join(directory, 'releases', version);
  await mkdir(join(path, 'assets'), { recursive: true });
  await writeFile(
    join(path, 'index.html'),
    `<!doctype html><title>${version}</title><link rel=stylesheet href=assets/site.css><h1>Release ${version}</h1>\n`,
  );
  await writeFile(join(path, 'assets', 'site.css'), 'h1 { font-family: sans-serif }\n');
  return path;
}

/** From now on the host's tar says that all went well, and index.html is a byte too long. */
export async function breakDisk({ bin }: DemoHost): Promise<void> {
  await writeFile(
    join(bin, 'tar'),
    `#!/bin/sh
PATH=\${PATH#*:}
tar "$@"
code=$?
[ ! -f ./index.html ] || printf x >>./index.html
exit $code
`,
  );
  await chmod(join(bin, 'tar'), 0o755);
}

export async function repairDisk({ bin }: DemoHost): Promise<void> {
  await rm(join(bin, 'tar'), { force: true });
}
