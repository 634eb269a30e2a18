/** Other programs, and waiting for what they do. */

import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';

export interface Program {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Exit codes that are no failure. */
  readonly accept?: readonly number[];
}

/** Runs a program to its end; resolves with what it printed. */
export function execute(program: string, args: readonly string[], options: Program = {}): Promise<string> {
  const { accept = [], ...rest } = options;
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: 1 << 28, ...rest }, (error, stdout, stderr) => {
      if (error === null || accept.includes(Number(error.code))) return resolve(stdout);
      reject(new Error(`${program} ${args.join(' ')}: ${error.code ?? error.signal}\n${stderr}${stdout}`));
    });
  });
}

/** Looks again and again until it holds. @param what for the error when it does not within two minutes */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const limit = AbortSignal.timeout(120_000);
  while (!(await holds())) {
    if (limit.aborted) throw new Error(`it never came to this: ${what}`);
    await pause(20);
  }
}
