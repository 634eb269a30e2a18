/** Words for phases, so that every view says the same. */

import type { Phase } from '../domain/error.ts';

export const DOING: Readonly<Record<Phase, string>> = {
  prepare: 'preparing',
  connect: 'connecting',
  lock: 'locking',
  probe: 'probing',
  plan: 'planning',
  stage: 'staging',
  verify: 'verifying',
  arm: 'arming',
  flip: 'flipping',
  check: 'checking',
  decide: 'deciding',
  confirm: 'confirming',
  revert: 'reverting',
  unlock: 'unlocking',
};

export const DONE: Readonly<Record<Phase, string>> = {
  prepare: 'prepared',
  connect: 'connected',
  lock: 'locked',
  probe: 'probed',
  plan: 'planned',
  stage: 'staged',
  verify: 'verified',
  arm: 'armed',
  flip: 'flipped',
  check: 'checked',
  decide: 'decided',
  confirm: 'confirmed',
  revert: 'reverted',
  unlock: 'unlocked',
};
