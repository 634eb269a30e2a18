/** Other programs, and what they cost. */

import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';

export interface Cost {
  /** Seconds. */
  readonly wall: number;
  /** Seconds of processor time of the program and all that it started on this side. */
  readonly cpu: number;
  /** MB of memory of its largest process. */
  readonly memory: number;
}

export interface Program {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
}

/** Resolves with what it printed. @throws Error when it fails */
export async function execute(program: string, args: readonly string[], options: Program = {}): Promise<string> {
  const { env = process.env, cwd, input = '' } = options;
  const child = spawn(program, args, { env, ...(cwd === undefined ? {} : { cwd }), stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  let said = '';
  let complained = '';
  child.stdout.on('data', chunk => {
    said += chunk;
  });
  child.stderr.on('data', chunk => {
    complained += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0)
    throw new Error(`${program} ${args.join(' ')} ended with ${code}\n${complained.slice(-4000)}${said.slice(-4000)}`);
  return said;
}

/** Runs a program under time(1). @throws Error when it fails */
export async function measure(program: string, args: readonly string[], options: Program = {}): Promise<Cost> {
  const file = `/dev/shm/fleetflip-bench-cost-${process.pid}`;
  await execute('/usr/bin/time', ['-q', '-o', file, '-f', '%e %U %S %M', program, ...args], options);
  const [wall = 0, user = 0, system = 0, kilobytes = 0] = (await readFile(file, 'utf8'))
    .trim()
    .split(/\s+/)
    .map(Number);
  return { wall, cpu: user + system, memory: kilobytes / 1024 };
}
