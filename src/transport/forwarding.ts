/** The way through a bastion: a channel to the next server, and its failures told of the host that waits behind it. */

import type { Duplex } from 'node:stream';
import { FleetflipError } from '../domain/error.ts';
import type { JumpHost } from '../domain/fleet.ts';
import { abortable, limitTime } from '../waiting.ts';
import { connectFailure } from './failures.ts';
import type { ForwardingConnection } from './ssh2-channels.ts';

export interface Forwarding {
  /** The host's name. */
  readonly host: string;
  readonly via: ForwardingConnection;
  readonly hop: JumpHost;
  readonly signal: AbortSignal;
  /** Milliseconds. */
  readonly timeout: number;
}

/** @throws FleetflipError `BASTION_FAILED` */
export async function forward({ host, via, hop, signal, timeout }: Forwarding): Promise<Duplex> {
  const opening = via.forward(hop.address, hop.port);
  const limit = limitTime(timeout, signal);
  try {
    return await abortable(opening, limit);
  } catch (thrown) {
    opening.then(
      late => late.destroy(),
      () => undefined,
    );
    const reason = limit.aborted ? 'it did not answer in time' : explainRefusal(thrown);
    throw connectFailure(
      { host },
      {
        kind: limit.aborted ? 'timed-out' : 'failed',
        code: 'BASTION_FAILED',
        what: `the bastion ${via.goal} could not reach ${hop.address} port ${hop.port}: ${reason}`,
        hint: 'Correct the address, or allow TCP forwarding on the bastion',
      },
    );
  }
}

/** A host key or login of the bastion is its own failure. */
export function blameBastion(host: string, thrown: unknown): unknown {
  if (!(thrown instanceof FleetflipError)) return thrown;
  const { failure } = thrown;
  return new FleetflipError({ ...failure, host, what: `at a bastion: ${failure.what}` }, { cause: thrown });
}

/** Why a server opens no channel (RFC 4254, 5.1). */
const REASONS: Readonly<Record<number, string>> = {
  1: 'it is prohibited',
  2: 'the connection failed',
  3: 'it knows no forwarding',
  4: 'it has no resources left',
};

function explainRefusal(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const said = thrown.message.replace(/^\(SSH\) Channel open failure: /, '');
  const reason = 'reason' in thrown ? REASONS[Number(thrown.reason)] : undefined;
  return [reason, said].filter(Boolean).join(': ');
}
