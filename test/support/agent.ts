/** Sessions with the agent of a local host, and what a host's record holds. */

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/engine/prepare.ts';
import { loadAgent, openSession } from '../../src/host/index.ts';
import { stage } from '../../src/index.ts';
import type { ArmRequest, Connector, HostSession } from '../../src/ports.ts';
import type { LocalFleet } from './local-fleet.ts';

export const LOCK = { owner: 'o', command: 'deploy', lease: 30_000 };

export interface Agents {
  /** @param connector default: the fleet's */
  open(connector?: Connector): Promise<HostSession>;
  close(): void;
}

export function createAgents(local: LocalFleet): Agents {
  const sessions: HostSession[] = [];
  return {
    async open(connector = local.connector) {
      const [host] = local.fleet.hosts;
      if (host === undefined) throw new Error('no host');
      const connection = await connector.connect(host, { signal: new AbortController().signal });
      const session = await openSession({
        connection,
        host,
        agent: await loadAgent(),
        persist: true,
        random: () => Math.random().toString(36).slice(2),
        clock: systemClock,
        manifests: new Map(),
        patience: 60_000,
      });
      sessions.push(session);
      return session;
    },
    close() {
      for (const session of sessions.splice(0)) session.close();
    },
  };
}

/** Stages a release of one file, and locks: what arming needs. */
export async function stageAndLock(local: LocalFleet, session: HostSession): Promise<ArmRequest> {
  const { release } = await stage(local.fleet, await local.release('1', { a: '1' }), { connector: local.connector });
  await session.lock({ deployment: 'd', ...LOCK });
  return {
    slot: 'foo_l',
    release: release ?? '',
    label: '',
    deployment: 'd',
    command: 'flip',
    owner: 'o',
    participants: ['web1'],
    decider: 'web1',
    window: 60_000,
  };
}

export function recordOf(local: LocalFleet, file = ''): string {
  return join(local.root('web1'), '.foo.fleetflip', file);
}

/** The states of the deployments in the record, such as `d.armed`. */
export function readRuns(local: LocalFleet): readonly string[] {
  return readdirSync(recordOf(local))
    .filter(name => name.startsWith('run.'))
    .map(name => name.split('.').slice(2).join('.'));
}

/** The process of the guard, from the word that it gave. */
export function guardPid(local: LocalFleet, deployment = 'd'): number {
  return Number(readlinkSync(recordOf(local, `guard.${deployment}`)).split(' ')[0]);
}

/** The process that holds the lock. */
export function holderPid(local: LocalFleet): number {
  const generations = readdirSync(recordOf(local, 'locks')).filter(name => name.startsWith('g.'));
  const newest = Math.max(...generations.map(name => Number(name.slice(2))));
  return Number(readlinkSync(recordOf(local, `locks/g.${newest}`)).split(' ')[0]);
}

/** Whether a process runs; one that only waits to be forgotten by its parent does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return readPs(pid);
  }
}

function readPs(pid: number): boolean {
  if (process.platform === 'linux') return false;
  try {
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('Z');
  } catch {
    return false;
  }
}
