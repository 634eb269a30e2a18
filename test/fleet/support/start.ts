/** The five hosts that the same tests run on, of either kind: FLEETFLIP_TEST_FLEET says which. */

import { startDockerFleet } from '../docker/fleet.ts';
import { startSshdFleet } from '../sshd/fleet.ts';
import type { TestFleet } from './fleet.ts';

/** web01 is the bastion of web04. On web05 a release that nobody recorded is live, and its link says `./foo_l/`. */
export async function startFiveHosts(): Promise<TestFleet> {
  if (process.env.FLEETFLIP_TEST_FLEET === 'docker') return startDockerFleet();
  const fleet = await startSshdFleet({ count: 5, behindBastion: 'web04' });
  const { root, run } = fleet.host('web05');
  await run(`
    cd '${root}'
    mkdir foo_l
    echo 'made by hand' >foo_l/index.html
    ln -s ./foo_l/ foo
    [ "$(id -u)" -ne 0 ] || chown -hR deploy:www foo foo_l`);
  return fleet;
}
