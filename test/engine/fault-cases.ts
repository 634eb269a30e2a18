/** The ways in which one host fails before a flip is ordered, and what has to come of each. */

import type { Failure } from '../../src/domain/error.ts';
import type { Faults } from '../support/embedded.ts';
import type { RunWith } from './faulty-fleet.ts';

/** What the idle slot of a host is left as. */
export type Idle =
  /** Neither slot nor record has changed. */
  | 'untouched'
  /** Recorded as unproven. */
  | 'unproven'
  /** All of it is there, and nobody has looked. */
  | 'whole'
  /** Proven, and ready for a flip. */
  | 'staged';

export interface Case extends Faults, Pick<Failure, 'kind' | 'code' | 'phase'> {
  readonly name: string;
  readonly how?: RunWith;
  /** Of the host that fails, and of the others. */
  readonly leaves: readonly [Idle, Idle];
  /** Its end is not heard by the host, which keeps its lock for a while. */
  readonly silent?: true;
}

export const NOTHING = ['untouched', 'untouched'] as const;
export const KEEPALIVE = { ssh: { keepalive: { interval: 1000, count: 3 } } };

export const CONNECTING: readonly Case[] = [
  {
    name: 'refuses the login',
    refuseLogin: true,
    kind: 'refused',
    code: 'LOGIN_FAILED',
    phase: 'connect',
    leaves: NOTHING,
  },
  {
    name: 'hangs in the handshake',
    hangInHandshake: true,
    how: { ssh: { timeout: 4000 } },
    kind: 'timed-out',
    code: 'HANDSHAKE_TIMEOUT',
    phase: 'connect',
    leaves: NOTHING,
  },
  {
    name: 'answers nonsense from the start',
    nonsenseAfterBytes: 0,
    kind: 'failed',
    code: 'AGENT_NOT_STARTED',
    phase: 'connect',
    leaves: NOTHING,
  },
  {
    name: 'drops in the prelude',
    dropAfterBytes: 100,
    kind: 'lost',
    code: 'CONNECTION_LOST',
    phase: 'connect',
    leaves: NOTHING,
  },
  {
    name: 'drops when it is asked for the lock',
    dropAfterBytes: 10,
    from: ' lock ',
    kind: 'lost',
    code: 'CONNECTION_LOST',
    phase: 'lock',
    leaves: NOTHING,
  },
  {
    name: 'answers nonsense when it is asked for the lock',
    nonsenseAfterBytes: 10,
    from: ' lock ',
    kind: 'unknown',
    code: 'AGENT_NONSENSE',
    phase: 'lock',
    leaves: NOTHING,
  },
  {
    name: 'drops when it is probed',
    dropAfterBytes: 2,
    from: ' probe ',
    kind: 'lost',
    code: 'CONNECTION_LOST',
    phase: 'probe',
    leaves: NOTHING,
  },
  {
    name: 'answers nonsense when it is probed',
    nonsenseAfterBytes: 2,
    from: ' probe ',
    kind: 'unknown',
    code: 'AGENT_NONSENSE',
    phase: 'probe',
    leaves: NOTHING,
  },
  {
    name: 'falls silent when it is probed',
    blackHoleAfterBytes: 2,
    from: ' probe ',
    how: KEEPALIVE,
    silent: true,
    kind: 'lost',
    code: 'CONNECTION_LOST',
    phase: 'probe',
    leaves: NOTHING,
  },
];

export const STAGING: readonly Case[] = [
  {
    name: 'drops in the lists',
    dropAfterBytes: 600,
    from: "'lists'",
    kind: 'lost',
    code: 'UPLOAD_LOST',
    phase: 'stage',
    leaves: ['unproven', 'whole'],
  },
  ...[1, 5000, 300_000].map(
    (bytes): Case => ({
      name: `drops after ${bytes} bytes of the archive`,
      dropAfterBytes: 20 + bytes,
      from: "'archive'",
      kind: 'lost',
      code: 'UPLOAD_LOST',
      phase: 'stage',
      leaves: ['unproven', 'whole'],
    }),
  ),
  {
    name: 'falls silent in the archive',
    blackHoleAfterBytes: 300_000,
    from: "'archive'",
    how: KEEPALIVE,
    silent: true,
    kind: 'lost',
    code: 'UPLOAD_LOST',
    phase: 'stage',
    leaves: ['unproven', 'whole'],
  },
  {
    name: 'answers nonsense in the archive',
    nonsenseAfterBytes: 300_000,
    from: "'archive'",
    kind: 'unknown',
    code: 'AGENT_NONSENSE',
    phase: 'stage',
    leaves: ['unproven', 'whole'],
  },
  {
    name: 'ends its commands without a status',
    exitWithoutStatus: true,
    kind: 'unknown',
    code: 'NO_EXIT_STATUS',
    phase: 'stage',
    leaves: ['unproven', 'whole'],
  },
  {
    name: 'drops when it is asked for its proof',
    dropAfterBytes: 10,
    from: ' prove ',
    kind: 'lost',
    code: 'CONNECTION_LOST',
    phase: 'verify',
    leaves: ['unproven', 'staged'],
  },
  {
    name: 'answers nonsense when it is asked for its proof',
    nonsenseAfterBytes: 10,
    from: ' prove ',
    kind: 'unknown',
    code: 'AGENT_NONSENSE',
    phase: 'verify',
    leaves: ['unproven', 'staged'],
  },
  {
    name: 'falls silent when it is asked for its proof',
    blackHoleAfterBytes: 10,
    from: ' prove ',
    how: KEEPALIVE,
    silent: true,
    kind: 'lost',
    code: 'CONNECTION_LOST',
    phase: 'verify',
    leaves: ['unproven', 'staged'],
  },
];
