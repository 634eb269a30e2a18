/** A host fetches the artifact itself. Where it cannot, that is told, and the release is sent to it as ever. */

import { FleetflipError } from '../domain/error.ts';
import type { Working } from './bring.ts';

/** @returns whether the host did; false: nothing was changed that a stage does not put right */
export async function pull({ part, session, hands, signal }: Working): Promise<boolean> {
  const artifact = hands.release?.artifact ?? null;
  if (part.pull === null || artifact === null) return false;
  const { emit, deployment } = hands.context;
  const { host, slot, release, label, live: from } = part;
  const { copy } = part.pull;
  try {
    const request = { slot, release, label, deployment, from, copy, mtime: hands.instant(), artifact };
    const bytes = await session.pull(request, signal);
    hands.bytesPulled.set(host, bytes);
    emit({ kind: 'pulled', host, bytes, total: artifact.size });
    return true;
  } catch (thrown) {
    if (!(thrown instanceof FleetflipError) || thrown.failure.code !== 'PULL_FAILED') throw thrown;
    const { code, what, hint } = thrown.failure;
    emit({ kind: 'warning', host, code, what, hint });
    return false;
  }
}
