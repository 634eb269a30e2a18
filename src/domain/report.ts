/** Outcomes to exit codes, and the sentence that says what state the fleet is in. */

import type { Outcome, Result } from './event.ts';

const EXIT_CODES: Readonly<Record<Outcome, number>> = {
  committed: 0,
  current: 0,
  staged: 0,
  settled: 0,
  done: 0,
  unchanged: 1,
  invalid: 2,
  reverted: 3,
  split: 4,
  unknown: 4,
  locked: 5,
};

export function exitCode(outcome: Outcome): number {
  return EXIT_CODES[outcome];
}

/** `v1.2.3 (sha256:0123456789ab)`, or the short id alone. */
export function nameRelease(release: string | null, label: string): string {
  const short = release === null ? 'no release of fleetflip' : release.slice(0, 'sha256:'.length + 12);
  return label === '' ? short : `${label} (${short})`;
}

/** One sentence, always the last line of a run. */
export function lastSentence(result: Result): string {
  const release = nameRelease(result.release, result.label);
  const count = result.hosts.length === 1 ? '1 host' : `${result.hosts.length} hosts`;
  const others = result.fleetSplit ? ' The hosts that were left out keep their release: the fleet is split.' : '';
  switch (result.outcome) {
    case 'committed':
      return `${release} is live on ${count}.${others}`;
    case 'current':
      return result.command === 'recover'
        ? `Nothing to settle: ${count} settled already.`
        : `${release} was live on ${count} already; nothing was changed.${others}`;
    case 'staged':
      return `${release} is staged on ${count} and verified; no link moved. Next: fleetflip flip.`;
    case 'settled':
      return `${count} settled.`;
    case 'done':
      return `${result.command}: done on ${count}.`;
    case 'unchanged':
      return 'The fleet is as it was: no link moved.';
    case 'invalid':
      return 'No host was contacted.';
    case 'reverted':
      return 'The fleet is back where it was: links moved, and every one was put back.';
    case 'split':
      return 'THE FLEET IS SPLIT: hosts serve different releases. Next: fleetflip recover.';
    case 'unknown':
      return 'THE STATE OF THE FLEET IS NOT KNOWN: see the hosts named above. Next: fleetflip recover.';
    case 'locked':
      return 'The fleet is as it was: another deployment holds it.';
  }
}
