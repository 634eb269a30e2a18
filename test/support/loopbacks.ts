/** The addresses at which this machine reaches itself. */

import { networkInterfaces } from 'node:os';

/** With FLEETFLIP_REQUIRE_SHELLS set, one without IPv6 is an error. */
export function findLoopbacks(): readonly string[] {
  const own = Object.values(networkInterfaces()).flatMap(one => one ?? []);
  const hasIpv6 = own.some(({ address }) => address === '::1');
  if (!hasIpv6 && process.env.FLEETFLIP_REQUIRE_SHELLS) throw new Error('this machine has no IPv6');
  return ['127.0.0.1', 'localhost', ...(hasIpv6 ? ['::1'] : [])];
}
