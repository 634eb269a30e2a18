/**
 * A coordinator as a process of its own, which kills itself at a fault point. It is told everything in its first
 * argument, says `ready`, starts when a line comes on its standard input, and ends by telling what came of it.
 */

import { once } from 'node:events';
import { dirname } from 'node:path';
import { deploy, loadInventory, type Result, type RunOptions, recover } from '../../src/index.ts';
import { createSsh2Connector } from '../../src/transport/index.ts';
import { tellPoints } from './points.ts';

/** What the parent hands over as the first argument, as JSON. */
export interface Task {
  readonly command: 'deploy' | 'recover';
  readonly inventory: string;
  /** Of `deploy`. */
  readonly source: string;
  /** Where it kills itself; null: nowhere. */
  readonly killAt: string | null;
  /** Milliseconds of the guard's patience, instead of the inventory's. */
  readonly window?: number;
}

/** What it tells when it comes to its end. */
export interface Told {
  readonly points: readonly string[];
  readonly result: Result;
}

const task = JSON.parse(process.argv[2] ?? '{}') as Task;
const points: string[] = [];
const home = dirname(task.inventory);
const connector = tellPoints(createSsh2Connector({ env: {}, home, username: 'demo' }), point => {
  points.push(point);
  if (point === task.killAt) process.kill(process.pid, 'SIGKILL');
});
const loaded = await loadInventory(task.inventory);
const { confirmWithin } = loaded.strategy;
const fleet = { ...loaded, strategy: { ...loaded.strategy, confirmWithin: task.window ?? confirmWithin } };
process.stdout.write('ready\n');
await once(process.stdin, 'data');
// The parent's end is this process's end too.
process.stdin.on('end', () => process.exit(1));
const options: RunOptions = { connector, owner: 'coordinator@test' };
const result = await (task.command === 'deploy' ? deploy(fleet, task.source, options) : recover(fleet, options));
const told: Told = { points, result };
process.stdout.write(`${JSON.stringify(told)}\n`, () => process.exit(result.exitCode));
