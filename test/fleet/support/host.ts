/** What every kind of host can do, made of the little in which they differ. */

import { AIMERS, UNFIT } from '../../support/aimers.ts';
import { refuseToMoveLink } from './faults.ts';
import { APP, type TestHost } from './fleet.ts';

/** A host as its kind gives it. */
export interface Machine extends Pick<TestHost, 'name' | 'root' | 'flaws' | 'run' | 'show' | 'changeKey'> {
  /** Comes before everything else in the login's PATH, but not in that of `run`. */
  readonly bin: string;
  /** Whom the link belongs to; null where `run` has no more rights than the login. */
  readonly login: string | null;
  /** Everything in which fleetflip could leave something, the root included. */
  readonly watched: readonly string[];
}

export function equip({ bin, watched, login, ...machine }: Machine): TestHost {
  const { root, run } = machine;
  const link = `${root}/${APP}`;
  const host: TestHost = {
    ...machine,
    readLink: () => run(`readlink -n '${link}' || :`),
    list: async () => (await Promise.all(watched.map(directory => run(LIST(directory))))).join('').split('\n'),
    async fake(program, script) {
      const real = (await run(`command -v ${program} || :`)).trim();
      const file = `${bin}/${program}`;
      await run(`cat >'${file}' <<'END OF FAKE'\n#!/bin/sh\nreal=${real}\n${script}\nEND OF FAKE\nchmod 755 '${file}'`);
      if (program === 'mv') for (const aimer of AIMERS) await host.fake(aimer, UNFIT);
    },
    async unfake(program) {
      await run(`rm '${bin}/${program}'`);
      if (program === 'mv') for (const aimer of AIMERS) await host.unfake(aimer);
    },
    async guardLink() {
      if (login === null) {
        await host.fake('mv', refuseToMoveLink(host));
        return () => host.unfake('mv');
      }
      // In a directory like /tmp nobody renames onto what is not his.
      await run(`chown -h root '${link}'; chmod +t '${root}'`);
      return () => run(`chown -h '${login}' '${link}'; chmod -t '${root}'`);
    },
  };
  return host;
}

// Without the mtime of the directory itself: whoever makes something in it and does not own it cannot set that back.
const LIST = (directory: string): string => `
cd '${directory}'
stat -c '%n %i %f %u %g' .
find . ! -name . -exec stat -c '%n %i %f %u %g %s %Y' -- {} +
find . -type f -exec sha256sum -- {} +`;
