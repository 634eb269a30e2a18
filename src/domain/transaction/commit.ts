/** Phase two from the flip on, up to the settled fleet. */

import type { Outcome } from '../event.ts';
import { enterPhase, release } from './orders.ts';
import { decider, flipOrdered, measureSkew, movers, type State, type Step } from './state.ts';

/** If any link moved and not all did, or not together enough, the answer is revert. */
export function judgeFlip(state: State): Step {
  const all = movers(state).every(host => host.link === 'moved');
  if (!all || state.aborted) return startRevert(state);
  const measured = measureSkew(state);
  if (measured !== null && measured.skew - measured.error > state.settings.maxSkew) {
    const skew = measured.skew.toFixed(1);
    return startRevert({
      ...state,
      failures: [
        ...state.failures,
        {
          kind: 'refused',
          code: 'SKEW_TOO_LARGE',
          phase: 'flip',
          what: `the links moved ${skew} ms apart and strategy.maxSkew allows ${state.settings.maxSkew} ms`,
          hint: 'Deploy again, or allow more skew',
        },
      ],
    });
  }
  return enterPhase(state, 'decide', 'renew', movers(state));
}

/**
 * Every guard was renewed: the decider is asked to commit. Only its refusal makes a revert; without its answer the commit
 * may stand, and nothing is touched.
 */
export function decide(state: State): Step {
  const first = decider(state);
  if (first === undefined) throw new Error('no link is to move, and a commit is decided');
  if (state.decided === 'no') {
    if (state.aborted || state.hosts.some(host => host.failure !== null)) return startRevert(state);
    return enterPhase({ ...state, decided: 'asked' }, 'decide', 'confirm', [first]);
  }
  if (first.link === 'confirmed') return startConfirm({ ...state, decided: 'yes' });
  return first.link === 'unknown' ? release(state, 'unknown') : startRevert({ ...state, decided: 'no' });
}

function startConfirm(state: State): Step {
  const others = movers(state).filter(host => host.link !== 'confirmed');
  return others.length === 0 ? release(state, 'committed') : enterPhase(state, 'confirm', 'confirm', others);
}

export function finishConfirm(state: State): Step {
  const links = movers(state).map(host => host.link);
  if (links.every(link => link === 'confirmed')) return release(state, 'committed');
  return release(state, links.includes('unknown') || links.includes('moved') ? 'unknown' : 'split');
}

/** Puts back every host that was armed, moved, or may have been. */
export function startRevert(state: State): Step {
  const touched = movers(state).filter(host => host.link !== 'untouched');
  return touched.length === 0 ? release(state, 'unchanged') : enterPhase(state, 'revert', 'revert', touched);
}

export function finishRevert(state: State): Step {
  return release(state, judgeRevert(state));
}

/** Before a flip was ordered no link can have moved, whether or not every host has answered since. */
function judgeRevert(state: State): Outcome {
  if (!flipOrdered(state)) return 'unchanged';
  const links = movers(state).map(host => host.link);
  if (links.includes('unknown')) return 'unknown';
  if (!state.agreed && movers(state).every(host => host.stayed)) return 'unchanged';
  if (links.every(link => link === 'confirmed')) return 'committed';
  return links.includes('stuck') || links.includes('confirmed') ? 'split' : 'reverted';
}
