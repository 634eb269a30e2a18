/** Whether a host can take part at all: its programs, its rights, its name. */

import { show } from './bytes.ts';
import type { Failure } from './error.ts';
import type { Observation } from './slot.ts';

/** A refusal of the plan, as data. */
export function refuse(host: string, code: string, what: string, hint: string): Failure {
  return { kind: 'refused', phase: 'plan', host, code, what, hint };
}

export function checkReadiness(observation: Observation): readonly Failure[] {
  const { host, missing, rename, writable } = observation;
  const failures: Failure[] = [];
  if (missing.length > 0)
    failures.push(
      refuse(
        host,
        'MISSING_PROGRAM',
        `the host lacks ${missing.join(', ')}`,
        `Install ${missing.join(', ')} on this host`,
      ),
    );
  if (!writable)
    failures.push(
      refuse(
        host,
        'NOT_WRITABLE',
        'the login may not write to the root directory',
        'Give the login write permission to the root directory',
      ),
    );
  else if (rename === null)
    failures.push(
      refuse(
        host,
        'NO_RENAME',
        'no program of this host renames onto a link atomically',
        'Install GNU coreutils or busybox on this host',
      ),
    );
  return [...failures, ...checkName(observation)];
}

function checkName(observation: Observation): readonly Failure[] {
  const { host, live } = observation;
  switch (live.kind) {
    case 'none':
      return [];
    case 'link':
      if (live.slot !== null) return [];
      return [
        refuse(
          host,
          'LINK_ELSEWHERE',
          `the live link points to ${show(live.text)}, which is none of the slots`,
          'Run fleetflip adopt, or name that directory in app.slots',
        ),
      ];
    case 'directory':
      return [
        refuse(
          host,
          'NAME_IS_DIRECTORY',
          'the name of the live link is a real directory',
          'Run fleetflip adopt, which turns it into a slot',
        ),
      ];
    case 'other':
      return [
        refuse(host, 'NAME_IS_FILE', 'the name of the live link is a file', 'Move it away, or choose another app.name'),
      ];
  }
}
