/** The shells and tools of a host: all of busybox, or those of this machine with another sh. */

import { existsSync } from 'node:fs';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { execute } from '../support/process.ts';

export type ShellName = 'bash' | 'busybox' | 'dash';

export interface Shell {
  readonly name: ShellName;
  readonly program: string;
}

/** Those that are on this machine. With FLEETFLIP_REQUIRE_SHELLS set a missing one is an error. */
export function findShells(): readonly Shell[] {
  const names: readonly ShellName[] = ['bash', 'busybox', 'dash'];
  const found = names.flatMap(name => {
    const program = ['/bin', '/usr/bin', '/usr/local/bin'].map(place => join(place, name)).find(existsSync);
    return program === undefined ? [] : [{ name, program }];
  });
  const missing = names.filter(name => !found.some(shell => shell.name === name));
  if (missing.length > 0 && process.env.FLEETFLIP_REQUIRE_SHELLS)
    throw new Error(`not on this machine: ${missing.join(', ')}`);
  if (missing.length > 0) console.info(`no host has ${missing.join(' or ')}: not on this machine`);
  return found;
}

export interface Userland {
  /** Of a login, without the fakes. */
  readonly path: string;
  readonly loginShell: string;
}

export interface UserlandPlan {
  readonly shell: Shell;
  /** Is made. */
  readonly directory: string;
  /** What the host takes the directory for. */
  readonly seen: string;
  /** The PATH of this machine's tools. */
  readonly tools: string;
  /** A static busybox does not look for programs that it has itself: nothing can be put before them. */
  readonly withoutAsh: boolean;
}

export async function makeUserland({ shell, directory, seen, tools, withoutAsh }: UserlandPlan): Promise<Userland> {
  await mkdir(directory, { recursive: true });
  if (shell.name === 'busybox') {
    await execute(shell.program, ['--install', '-s', directory]);
    if (withoutAsh) await rm(join(directory, 'sh'));
    return { path: withoutAsh ? `${seen}:/bin` : seen, loginShell: join(seen, 'sh') };
  }
  await symlink(shell.program, join(directory, 'sh'));
  return { path: `${seen}:${tools}`, loginShell: shell.program };
}
