/** A fleet of embedded SSH hosts that misbehave when they are told to. */

import { chmod, mkdir, mkdtemp, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type DemoHost, startDemoFleet } from '../../src/demo/fleet.ts';
import { AIMERS, UNFIT } from './aimers.ts';
import { buildSources } from './built.ts';
import type { Faults } from './faulty-host.ts';
import { readTree } from './local-fleet.ts';

export type { Faults } from './faulty-host.ts';

export interface EmbeddedHost extends DemoHost {
  /** From the next connection on; the faults before are forgotten. */
  setFaults(faults: Faults): Promise<void>;
  /** Puts a program in front of the host's PATH; with a fake `mv`, flips are made by it. @param script text of a sh script, without its first line */
  fake(program: string, script: string): Promise<void>;
  unfake(program: string): Promise<void>;
  /** What the live link says; null when there is none. */
  readLink(): Promise<string | null>;
  /** Every file and link of a slot with its text, links as `-> target`. */
  readSlot(slot: string): Promise<Record<string, string>>;
}

export interface EmbeddedFleet {
  readonly directory: string;
  /** For loadInventory. The app is `site`, its slots `site_l` and `site_r`. */
  readonly inventory: string;
  /** demo1 to demoN. */
  readonly hosts: readonly EmbeddedHost[];
  host(name: string): EmbeddedHost;
  /** Writes a release and resolves with its directory; a text `-> target` makes a link. */
  makeRelease(name: string, files: Readonly<Record<string, string>>): Promise<string>;
  /** Ends the hosts and removes the directory. */
  stop(): Promise<void>;
}

export async function startEmbeddedFleet(count: number): Promise<EmbeddedFleet> {
  const program = join(await buildSources(), 'test/support/faulty-host.js');
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-embedded-'));
  const fleet = await startDemoFleet({ directory, count, program });
  const hosts = fleet.hosts.map(equip);
  return {
    directory,
    inventory: fleet.inventory,
    hosts,
    host(name) {
      const found = hosts.find(host => host.name === name);
      if (found === undefined) throw new Error(`there is no embedded host ${name}`);
      return found;
    },
    makeRelease: (name, files) => writeRelease(join(directory, 'releases', name), files),
    async stop() {
      await fleet.stop();
      await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}

/** Fakes for `fake`. */
export const FAKES = {
  /** For `tar`. */
  diskFull: 'cat >/dev/null; echo "tar: write error: No space left on device" >&2; exit 2',
  /** For `tar`: never comes to its end, until it is unfaked or its host is gone. */
  stuck: 'while [ -e "$0" ]; do sleep 0.1; done; exit 1',
  /** For `df`: a disk with one block left. */
  noBlocks:
    'echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; echo "/dev/disk 1000 999 1 99% /"; exit 0',
  /** For `mv`: fails only when the last argument is that path, such as the live link. */
  failOn: (path: string): string =>
    `for last; do :; done\n[ "$last" != '${path}' ] || { echo "mv: I/O error" >&2; exit 1; }\nPATH=\${PATH#*:}\nexec mv "$@"`,
  /** For `mv`: fails when that path is the last argument once more. @param mark a file that remembers the first time */
  failOnSecond: (path: string, mark: string): string =>
    `for last; do :; done
if [ "$last" = '${path}' ]; then
  [ ! -e '${mark}' ] || { echo "mv: I/O error" >&2; exit 1; }
  : >'${mark}'
fi
PATH=\${PATH#*:}
exec mv "$@"`,
};

function equip(host: DemoHost): EmbeddedHost {
  let serial = 0;
  return {
    ...host,
    async setFaults(faults) {
      serial += 1;
      const file = join(host.directory, 'faults.json');
      // A host reads it for every connection, and must never read half of it.
      await writeFile(`${file}.${serial}`, JSON.stringify({ ...faults, serial }));
      await rename(`${file}.${serial}`, file);
    },
    async fake(program, script) {
      const put = async (file: string, text: string): Promise<void> => {
        await writeFile(join(host.bin, file), `#!/bin/sh\n${text}\n`);
        await chmod(join(host.bin, file), 0o755);
      };
      await put(program, script);
      if (program === 'mv') for (const aimer of AIMERS) await put(aimer, UNFIT);
    },
    unfake: program => rm(join(host.bin, program)),
    readLink: () => readlink(join(host.root, 'site')).catch(() => null),
    readSlot: slot => readTree(join(host.root, slot)),
  };
}

async function writeRelease(path: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(path, file)), { recursive: true });
    if (text.startsWith('-> ')) await symlink(text.slice(3), join(path, file));
    else await writeFile(join(path, file), text);
  }
  return path;
}
