/** The built command, run as a person runs it. */

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { FleetEvent, Result } from '../../../src/domain/event.ts';

const MAIN = join(import.meta.dirname, '../../../dist/cli/main.js');

export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  /** The last line: the result, or what a reading command reports. */
  readonly result: Result;
  readonly events: readonly FleetEvent[];
  readonly stderr: string;
}

export interface Summary {
  readonly code: number | null;
  readonly outcome: string;
  /** `phase CODE: what happened` of every host that failed. */
  readonly failed: Readonly<Record<string, string>>;
}

/** What a test has to know of a run's end, and whoever reads why it failed. */
export function summarize({ code, result }: Ended): Summary {
  const failed = result.hosts.flatMap(({ name, error }) =>
    error === undefined ? [] : [[name, `${error.phase} ${error.code}: ${error.what}`]],
  );
  return { code, outcome: result.outcome, failed: Object.fromEntries(failed) };
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** @param args command and options, without the inventory */
export function fleetflip(inventory: string, ...args: readonly string[]): Promise<Ended> {
  return start(inventory, ...args).ended;
}

export function start(inventory: string, ...args: readonly string[]): Running {
  const child = spawn(process.execPath, [MAIN, ...args, '-i', inventory, '--output', 'json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = new Promise<number | null>(resolve => child.once('exit', resolve));
  const ended = Promise.all([exit, text(child.stdout), text(child.stderr)]).then(([code, stdout, stderr]) => {
    // What a signal cuts off is no line.
    const lines = stdout.split('\n').slice(0, -1);
    const events = lines.map((line): FleetEvent => JSON.parse(line));
    const last = events.at(-1);
    if (code !== null && last === undefined) throw new Error(`it ended with ${code} and printed: ${stderr}`);
    return { code, result: last as Result, events, stderr };
  });
  return { child, ended };
}
