/** Hosts that are cut off at a fault point while the coordinator lives. */

import { deploy } from '../../src/index.ts';
import { tellPoints } from '../support/points.ts';
import type { Arena } from './arena.ts';
import type { Network } from './network.ts';
import { strikeAt, type WasStruck } from './strike.ts';

export interface Cut {
  readonly point: string;
  /** How many hosts are lost, the one at the point first. */
  readonly count: number;
  /** `cut`: the connections are reset. `hold`: they go silent, and what was sent arrives when the network is back. */
  readonly how: 'cut' | 'hold';
}

/** The points of the second phase, without the clock's further readings. */
export async function listFlipPoints(arena: Arena, network: Network): Promise<readonly string[]> {
  const points: string[] = [];
  const { path } = await arena.makeRelease();
  const connector = tellPoints(network.connect(), point => void points.push(point));
  const result = await deploy(network.fleet, path, { connector });
  if (result.exitCode !== 0) throw new Error(`an undisturbed deployment failed: ${JSON.stringify(result)}`);
  const armed = points.findIndex(point => point.includes('asks arm'));
  return points.slice(armed).filter(point => !/(clock|beat) #/.test(point));
}

export async function cutAt(arena: Arena, network: Network, cut: Cut): Promise<WasStruck> {
  const lost = chooseLost(arena, cut);
  return strikeAt(arena, {
    name: `${cut.how} ${lost.join(', ')}`,
    point: cut.point,
    fleet: network.fleet,
    connector: network.connect(),
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
