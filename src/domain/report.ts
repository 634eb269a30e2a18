/** Outcomes to exit codes, and the sentence that says what state the fleet is in. */

import type { Command, HostOutcome, Outcome, Result } from './event.ts';

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
  const count = countHosts(result.hosts.length);
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
      return describeSettled(result);
    case 'done':
      return (DONE[result.command] ?? (() => `${result.command}: done on ${count}.`))(count);
    case 'unchanged':
      return describeUnchanged(result);
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

const DONE: Readonly<Partial<Record<Command, (count: string) => string>>> = {
  check: count => `Ready: ${count}. Nothing was changed.`,
  unlock: count => `No lock is held on ${count}. No link moved.`,
  pack: () => 'The release is packed. No host was contacted.',
  adopt: count => `The live link points to a slot on ${count}.`,
};

function describeSettled({ hosts }: Result): string {
  const count = (outcome: HostOutcome): number => hosts.filter(host => host.outcome === outcome).length;
  const parts = [
    [count('confirmed'), 'confirmed'],
    [count('reverted'), 'put back'],
  ].flatMap(([number, what]) => (number === 0 ? [] : [`${number} ${what}`]));
  return `The fleet is settled: ${countHosts(hosts.length)}${parts.length === 0 ? '' : `, ${parts.join(', ')}`}.`;
}

/** Of commands that do not move links together, some hosts may have been changed. */
function describeUnchanged({ command, hosts }: Result): string {
  const failed = hosts.filter(host => host.error !== undefined).length;
  const some = `${failed} of ${countHosts(hosts.length)}`;
  if (command === 'check') return `${some} NOT ready. Nothing was changed.`;
  if (command === 'adopt' && failed > 0) return `${some} NOT adopted: see above.`;
  if (command === 'unlock')
    return failed > 0 ? `${some} NOT unlocked: see above. No link moved.` : 'No lock was taken away.';
  return 'The fleet is as it was: no link moved.';
}

export function countHosts(count: number): string {
  return count === 1 ? '1 host' : `${count} hosts`;
}
