/** The command as a process, never older than the sources. */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buildSources } from '../support/built.ts';

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Each line of standard output as JSON; throws where one is none. */
  json(): readonly Record<string, unknown>[];
}

export interface Running {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly stdout: () => string;
  readonly ended: Promise<Ran>;
}

export async function start(cwd: string, ...args: readonly string[]): Promise<Running> {
  const program = join(await buildSources(), 'src/cli/main.js');
  const env = { ...process.env, CI: '1' };
  const child = spawn(process.execPath, [program, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    stdout += part;
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    stderr += part;
  });
  const json = () =>
    stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line));
  const ended = once(child, 'close').then(([code]) => ({ code, stdout, stderr, json }));
  return { child, stdout: () => stdout, ended };
}

export async function run(cwd: string, ...args: readonly string[]): Promise<Ran> {
  return (await start(cwd, ...args)).ended;
}
