/**
 * What a user can meet: a stable code, the host, the phase, what happened and what to do next.
 * Programmer errors stay plain `Error`s.
 */

/** Refused, failed, timed out, lost and unknown are different things and stay different up to the screen. */
export type FailureKind = 'refused' | 'failed' | 'timed-out' | 'lost' | 'unknown';

export type Phase =
  | 'prepare'
  | 'connect'
  | 'lock'
  | 'probe'
  | 'plan'
  | 'stage'
  | 'verify'
  | 'arm'
  | 'flip'
  | 'check'
  | 'decide'
  | 'confirm'
  | 'revert'
  | 'unlock';

/** A failure as data. Events, reports and JSON carry this shape. */
export interface Failure {
  readonly kind: FailureKind;
  /** Stable, upper case, such as `HOST_KEY_CHANGED`. */
  readonly code: string;
  readonly phase: Phase;
  readonly host?: string;
  /** What happened, one sentence, without the host's name in front. */
  readonly what: string;
  /** What to do next, one sentence. */
  readonly hint: string;
}

/** A failure thrown. Carries one failure or several that were found together; the message lists them all. */
export class FleetflipError extends Error {
  readonly failures: readonly Failure[];

  constructor(failures: Failure | readonly Failure[], options?: { cause?: unknown }) {
    const list = Array.isArray(failures) ? (failures as readonly Failure[]) : [failures as Failure];
    super(list.map(describeFailure).join('\n'), options);
    this.name = 'FleetflipError';
    this.failures = list;
  }

  /** The first failure: the whole of it when there is only one. */
  get failure(): Failure {
    const first = this.failures[0];
    if (first === undefined) throw new Error('a FleetflipError without a failure');
    return first;
  }
}

/** `web01: what happened (CODE). What to do.` on one line. */
export function describeFailure(failure: Failure): string {
  const where = failure.host === undefined ? '' : `${failure.host}: `;
  return `${where}${failure.what} (${failure.code}). ${failure.hint}`;
}

/** Any thrown value as a failure of a phase; what is not a FleetflipError becomes code `INTERNAL`. */
export function toFailure(thrown: unknown, context: { phase: Phase; host?: string }): Failure {
  if (thrown instanceof FleetflipError) return { ...thrown.failure, ...(context.host ? { host: context.host } : {}) };
  return {
    kind: 'failed',
    code: 'INTERNAL',
    phase: context.phase,
    ...(context.host ? { host: context.host } : {}),
    what: thrown instanceof Error ? thrown.message : String(thrown),
    hint: 'This is a defect of fleetflip: please report it with --log',
  };
}
