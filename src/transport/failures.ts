/** What a connection that did not come about means, in the user's words. */

import { type Failure, FleetflipError } from '../domain/error.ts';

export interface Attempt {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly username: string;
  readonly tried: readonly string[];
}

/** @param reason an error of ssh2 or of the socket */
export function explainConnectError(attempt: Attempt, reason: Error): FleetflipError {
  const where = `${attempt.address} port ${attempt.port}`;
  const code = 'code' in reason ? String(reason.code) : '';
  const level = 'level' in reason ? String(reason.level) : '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return connectFailure(attempt, {
      code: 'HOST_UNRESOLVED',
      what: `the name ${attempt.address} does not resolve`,
      hint: 'Correct the address in the inventory',
    });
  if (code === 'ECONNREFUSED')
    return connectFailure(attempt, {
      code: 'CONNECTION_REFUSED',
      what: `nothing listens on ${where}`,
      hint: 'Correct the port, or start the SSH server',
    });
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH')
    return connectFailure(attempt, {
      code: 'HOST_UNREACHABLE',
      what: `there is no route to ${where}: ${code}`,
      hint: 'Look at the network, or correct the address in the inventory',
    });
  if (code === 'ETIMEDOUT' || level === 'client-timeout')
    return connectFailure(attempt, {
      kind: 'timed-out',
      code: 'HANDSHAKE_TIMEOUT',
      what: `${where} did not finish the SSH handshake in time`,
      hint: 'Look at the network and at the load of the server',
    });
  if (level === 'client-authentication') {
    const tried = attempt.tried.length === 0 ? 'there was no key to try' : `tried ${attempt.tried.join(', ')}`;
    return connectFailure(attempt, {
      kind: 'refused',
      code: 'LOGIN_FAILED',
      what: `${attempt.username} may not log in (${tried})`,
      hint: 'Add your public key to authorized_keys on this host, or name another user or key',
    });
  }
  if (/no matching/i.test(reason.message))
    return connectFailure(attempt, {
      code: 'HANDSHAKE_FAILED',
      what: `the server and we share no algorithm: ${reason.message}`,
      hint: 'Update the SSH server',
    });
  return connectFailure(attempt, {
    kind: 'lost',
    code: 'CONNECTION_LOST',
    what: `the connection to ${where} was lost: ${reason.message}`,
    hint: 'Look at the network and at the SSH server',
  });
}

/** The run was ended while this connection was being made. */
export function interrupted(host: string): FleetflipError {
  return connectFailure(
    { host },
    { code: 'INTERRUPTED', what: 'the run was interrupted before the host was reached', hint: 'Run it again' },
  );
}

export function connectFailure(
  attempt: { readonly host: string },
  failure: { kind?: Failure['kind']; code: string; what: string; hint: string },
): FleetflipError {
  const { kind = 'failed', code, what, hint } = failure;
  return new FleetflipError({ kind, code, phase: 'connect', host: attempt.host, what, hint });
}
