/** Questions to the person at the terminal. */

import { createInterface } from 'node:readline/promises';
import { fromText, show } from '../domain/bytes.ts';
import type { HeldLock } from '../index.ts';

/** @returns false where there is nobody to ask. */
export async function askYes(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    process.stderr.write(`${question} There is no terminal to ask; nothing was done.\n`);
    return false;
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim());
  } finally {
    prompt.close();
  }
}

export function describeHolders(holders: readonly HeldLock[]): string {
  return holders
    .map(
      ({ host, owner, command, deployment, since }) =>
        `${host}: held by ${show(fromText(owner))}, who runs ${command} (deployment ${deployment}) since ${new Date(since * 1000).toISOString()}`,
    )
    .join('\n');
}
