/** A test's own program in a process of its own: it gets JSON, says a word when it is ready, and a last line of JSON. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface Child {
  readonly pid: number;
  /** Resolves with the first line. */
  readonly ready: Promise<string>;
  send(text: string): void;
  endInput(): void;
  /** Resolves at the process's end with its last line; null when that was cut off by a signal. */
  readonly end: Promise<{ readonly line: string; readonly signal: NodeJS.Signals | null }>;
}

export function startChild(program: string, task: unknown): Child {
  const child = spawn(process.execPath, [program, JSON.stringify(task)], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout });
  let line = '';
  lines.on('line', text => {
    line = text;
  });
  return {
    pid: child.pid ?? 0,
    ready: once(lines, 'line').then(([text]) => String(text)),
    send: text => void child.stdin.write(text),
    endInput: () => void child.stdin.end(),
    end: watchEnd(child, () => line),
  };
}

async function watchEnd(
  child: ChildProcess,
  line: () => string,
): Promise<{ line: string; signal: NodeJS.Signals | null }> {
  await once(child, 'close');
  return { line: line(), signal: child.signalCode };
}
