/** From the options of a command to the context that it runs in. */

import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { homedir, hostname, userInfo } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from '../domain/event.ts';
import type { Fleet } from '../domain/fleet.ts';
import { loadAgent } from '../host/index.ts';
import type { Clock } from '../ports.ts';
import { createSsh2Connector } from '../transport/index.ts';
import { limitTime } from '../waiting.ts';
import { type Context, chooseHosts, type RunOptions, stamp } from './context.ts';

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  async sleep(milliseconds, signal) {
    await wait(milliseconds, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  },
  timeout: milliseconds => limitTime(milliseconds),
};

/** @throws FleetflipError when `only` matches nothing. */
export async function prepare(command: Command, fleet: Fleet, options: RunOptions): Promise<Context> {
  const hosts = chooseHosts(fleet, options.only);
  const user = userInfo().username;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? randomBytes;
  return {
    command,
    fleet,
    hosts,
    partial: hosts.length < fleet.hosts.length,
    deployment: nameDeployment(clock.now(), random),
    owner: options.owner ?? `${user}@${hostname()}`,
    connector: options.connector ?? createSsh2Connector({ env: process.env, home: homedir(), username: user }),
    agent: await loadAgent(),
    clock,
    wait: options.wait ?? 0,
    random: () => random(12).toString('hex'),
    jitter: () => random(4).readUInt32BE() / 2 ** 32,
    signal: shareable(options.signal),
    emit: stamp(options.emit, clock),
  };
}

/** Every host of a fleet listens to it. */
function shareable(signal: AbortSignal | undefined): AbortSignal {
  const shared = AbortSignal.any(signal === undefined ? [] : [signal]);
  setMaxListeners(0, shared);
  return shared;
}

/** Sorts by time and reads well: `20260102T030405Z-1a2b3c`. */
function nameDeployment(now: number, random: (bytes: number) => Buffer): string {
  const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
  return `${time}-${random(3).toString('hex')}`;
}
