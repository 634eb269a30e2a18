/** Phase two: the flip and everything after it, up to the settled fleet. */

import type { Outcome } from '../event.ts';
import { enterPhase, release } from './orders.ts';
import { decider, measureSkew, movers, type State, type Step } from './state.ts';

export function startFlip(state: State): Step {
  const hosts = state.hosts.map(host => ({ ...host, flipOrdered: host.part !== null && !host.part.current }));
  const ordered = { ...state, hosts };
  return enterPhase(ordered, 'flip', movers(ordered));
}

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
  const first = decider(state);
  return enterPhase({ ...state, decided: 'asked' }, 'decide', first === undefined ? [] : [first]);
}

/** Only a refusal of the decider makes a revert; without its answer the commit may stand, and nothing is touched. */
export function decide(state: State): Step {
  const first = decider(state);
  if (first?.link === 'confirmed') {
    const others = movers(state).filter(host => host.name !== first.name);
    const decided: State = { ...state, decided: 'yes' };
    return others.length === 0 ? release(decided, 'committed') : enterPhase(decided, 'confirm', others);
  }
  return first?.link === 'moved' ? startRevert({ ...state, decided: 'no' }) : release(state, 'unknown');
}

export function finishConfirm(state: State): Step {
  return release(state, movers(state).every(host => host.link === 'confirmed') ? 'committed' : 'unknown');
}

/** Puts back every host that was armed, moved, or may have been. */
export function startRevert(state: State): Step {
  const touched = movers(state).filter(host => host.link !== 'untouched');
  return touched.length === 0 ? release(state, 'unchanged') : enterPhase(state, 'revert', touched);
}

export function finishRevert(state: State): Step {
  return release(state, judgeRevert(state));
}

function judgeRevert(state: State): Outcome {
  const links = movers(state).map(host => host.link);
  if (links.includes('stuck')) return 'split';
  if (links.includes('unknown')) return 'unknown';
  return anyLinkMoved(state) ? 'reverted' : 'unchanged';
}

/** Once a flip was ordered, a link may have moved: only a run that ended before it left every link alone. */
function anyLinkMoved(state: State): boolean {
  return movers(state).some(host => host.flipOrdered);
}
