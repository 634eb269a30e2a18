/** Hosts that are cut off at a fault point while the coordinator lives. */

import { type Connector, deploy } from '../../src/index.ts';
import { makeLate } from '../support/lateness.ts';
import { meddle } from '../support/meddler.ts';
import { tellPoints } from '../support/points.ts';
import type { Arena } from './arena.ts';
import type { Network } from './network.ts';
import { strikeAt, type WasStruck } from './strike.ts';

export interface Cut {
  readonly point: string;
  /** Whether the second host acknowledges the first instant late, so that it is cancelled. */
  readonly late: boolean;
  /** How many hosts are lost, the one at the point first. */
  readonly count: number;
  /** `cut`: the connections are reset. `hold`: they go silent, and what was sent arrives when the network is back. */
  readonly how: 'cut' | 'hold';
}

/** The points of the second phase, and those that only an instant that is cancelled has. */
export async function listFlipPoints(arena: Arena, network: Network): Promise<readonly Pick<Cut, 'point' | 'late'>[]> {
  const usual = await listPoints(arena, network, false);
  const more = (await listPoints(arena, network, true)).filter(point => / at #| cancel/.test(point));
  return [...usual.map(point => ({ point, late: false })), ...more.map(point => ({ point, late: true }))];
}

/** Without the clock's further readings. */
async function listPoints(arena: Arena, network: Network, late: boolean): Promise<readonly string[]> {
  const points: string[] = [];
  const { path } = await arena.makeRelease();
  const connector = tellPoints(connect(arena, network, late), point => void points.push(point));
  const result = await deploy(network.fleet, path, { connector });
  if (result.exitCode !== 0) throw new Error(`an undisturbed deployment failed: ${JSON.stringify(result)}`);
  const armed = points.findIndex(point => point.includes('asks arm'));
  return points.slice(armed).filter(point => !/(now|beat) #/.test(point));
}

function connect(arena: Arena, network: Network, late: boolean): Connector {
  const host = arena.hosts[1]?.name ?? '';
  return late ? meddle(network.connect(), makeLate({ host, times: 1, putOff: 3 })) : network.connect();
}

export async function cutAt(arena: Arena, network: Network, cut: Cut): Promise<WasStruck> {
  const lost = chooseLost(arena, cut);
  return strikeAt(arena, {
    name: `${cut.how} ${lost.join(', ')}`,
    point: cut.point,
    fleet: network.fleet,
    connector: connect(arena, network, cut.late),
    strike() {
      for (const host of lost) network.relay(host)[cut.how]();
    },
    heal: () => network.mend(),
  });
}

function chooseLost(arena: Arena, { point, count }: Cut): readonly string[] {
  const names = arena.hosts.map(host => host.name);
  const first = names.findIndex(name => point.startsWith(`${name} `));
  return [...names.slice(first), ...names.slice(0, first)].slice(0, count);
}
