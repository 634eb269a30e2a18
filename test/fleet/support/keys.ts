/** Keys of hosts and of logins. */

import { readFile, rename, rm } from 'node:fs/promises';
import { execute, until } from './process.ts';

/** Makes a key in the file, in place of one that is there. */
export async function makeKey(file: string): Promise<void> {
  await rm(file, { force: true });
  await execute('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file]);
}

/** The public half, as known_hosts has it. */
export async function readKey(file: string): Promise<string> {
  return (await readFile(`${file}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ').trim();
}

export interface KeyChange {
  /** The server's key. */
  readonly file: string;
  /** Makes the server read the file again. */
  readonly reload: () => Promise<unknown>;
  /** Prints what the server shows now. */
  readonly scan: () => Promise<string>;
}

/** Resolves, when the server shows its new key, with what gives the old one back. */
export async function changeKey({ file, reload, scan }: KeyChange): Promise<() => Promise<void>> {
  const use = async (): Promise<void> => {
    await reload();
    await untilShown(file, scan);
  };
  for (const half of [file, `${file}.pub`]) await rename(half, half.replace(file, `${file}.old`));
  await makeKey(file);
  await use();
  return async () => {
    for (const half of [`${file}.old`, `${file}.old.pub`]) await rename(half, half.replace('.old', ''));
    await use();
  };
}

/** Waits until the server shows the key in the file. */
export async function untilShown(file: string, scan: () => Promise<string>): Promise<void> {
  const key = await readKey(file);
  await until(`the server shows ${file}`, async () => (await scan()).includes(key));
}
