/** What a connection that did not come about means, in the user's words. */

import { type Failure, FleetflipError } from '../domain/error.ts';
import { type AlgorithmKind, offered } from './algorithms.ts';

export interface Attempt {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly username: string;
  /** The ways to log in, and what came of them. */
  readonly tried: () => readonly string[];
}

/** How far a connection came: nothing answered yet, the handshake was going on, the login was. */
export type Stage = 'dial' | 'handshake' | 'login';

/** How a connection ended that was not ready yet. */
export interface Ending {
  readonly stage: Stage;
  /** An error of ssh2 or of the socket; null when the server just closed. */
  readonly reason: Error | null;
}

type Explained = Omit<Failure, 'phase' | 'host' | 'kind'> & { readonly kind?: Failure['kind'] };

/** Every message names user, address and port, and what was tried. */
export function explainEnding(attempt: Attempt, ending: Ending): FleetflipError {
  const { what, ...rest } = explain(attempt, ending);
  return connectFailure(attempt, { ...rest, what: `${describeGoal(attempt)}: ${what}` });
}

/** `ann@10.0.0.1 port 22` */
export function describeGoal({ username, address, port }: { username: string; address: string; port: number }): string {
  return `${username}@${address} port ${port}`;
}

function explain(attempt: Attempt, { stage, reason }: Ending): Explained {
  if (reason !== null && isAbout(reason, 'client-timeout', 'ETIMEDOUT')) return explainTimeout(attempt, stage);
  if (stage === 'login') return explainLogin(attempt, reason);
  if (stage === 'dial' && reason !== null) return explainDial(reason);
  const message = reason?.message ?? 'the server closed it';
  const [, kind] = /no matching (?:[CS]->[CS] )?(.*)/.exec(message) ?? [];
  if (kind !== undefined) return explainMismatch(kind);
  const dropped = reason === null || isAbout(reason, 'client-socket') || LOST.test(message);
  if (!dropped)
    return { code: 'HANDSHAKE_FAILED', what: message, hint: 'Look at what listens there: it must be an SSH server' };
  return {
    kind: 'lost',
    code: 'CONNECTION_DROPPED',
    what: `the connection ended in the handshake: ${message}`,
    hint: 'Look at the log of the SSH server, if it is one, and at its MaxStartups and PerSourcePenalties',
  };
}

/** What ssh2 says of a server that closed before its banner. */
const LOST = /^Connection lost before handshake/;

function explainDial(reason: Error): Explained {
  const code = 'code' in reason ? String(reason.code) : reason.message;
  const parts = reason instanceof AggregateError ? reason.errors : [];
  const places = parts.flatMap(part => (part instanceof Error && 'address' in part ? [String(part.address)] : []));
  const tried = places.length < 2 ? '' : ` (tried ${places.join(', ')})`;
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return {
        code: 'HOST_UNRESOLVED',
        what: `the name does not resolve: ${code}`,
        hint: 'Correct the address in the inventory',
      };
    case 'ECONNREFUSED':
      return {
        code: 'CONNECTION_REFUSED',
        what: `nothing listens there${tried}`,
        hint: 'Correct address and port, or start the SSH server',
      };
    default:
      return {
        code: 'HOST_UNREACHABLE',
        what: `it cannot be reached${tried}: ${code}`,
        hint: 'Look at the network, or correct the address in the inventory',
      };
  }
}

function explainTimeout(attempt: Attempt, stage: Stage): Explained {
  const late: Readonly<Record<Stage, string>> = {
    dial: 'no connection came about in time',
    handshake: 'the server did not finish the SSH handshake in time',
    login: `the login was not answered in time; ${describeTried(attempt)}`,
  };
  const hint = 'Look at the network and at the load of the server';
  return { kind: 'timed-out', code: 'HANDSHAKE_TIMEOUT', what: late[stage], hint };
}

/** ssh2 gives a server's own goodbye its number as the code. */
function explainLogin(attempt: Attempt, reason: Error | null): Explained {
  const tried = describeTried(attempt);
  if (reason !== null && 'code' in reason && typeof reason.code === 'number')
    return {
      kind: 'refused',
      code: 'LOGIN_FAILED',
      what: `the server ended the login: ${reason.message}; ${tried}`,
      hint: 'Name the right key with ssh.identity: servers count every key that is tried (MaxAuthTries)',
    };
  if (reason !== null && isAbout(reason, 'client-authentication'))
    return {
      kind: 'refused',
      code: 'LOGIN_FAILED',
      what: `the server refuses the login; ${tried}`,
      hint: 'Add your public key to authorized_keys on this host, or name another user or key',
    };
  return {
    kind: 'lost',
    code: 'CONNECTION_LOST',
    what: `the connection ended in the login: ${reason?.message ?? 'the server closed it'}; ${tried}`,
    hint: 'Look at the log of the SSH server: it may not want this user',
  };
}

function describeTried({ tried }: Attempt): string {
  const ways = tried();
  return `tried ${ways.length === 0 ? 'no key' : ways.join(', ')}`;
}

function explainMismatch(name: string): Explained {
  const kinds: readonly (readonly [AlgorithmKind, string])[] = [
    ['kex', 'key exchange algorithm'],
    ['serverHostKey', 'host key format'],
    ['cipher', 'cipher'],
    ['hmac', 'MAC'],
    ['compress', 'compression'],
  ];
  const kind = kinds.find(([, theirs]) => theirs === name)?.[0];
  const ours = kind === undefined ? '' : `: ${offered(kind).join(', ')}`;
  return {
    code: 'HANDSHAKE_FAILED',
    what: `the server and we share no ${name}`,
    hint: `Update the SSH server, or let it offer one of ours${ours}`,
  };
}

function isAbout(reason: Error, ...marks: readonly string[]): boolean {
  const level = 'level' in reason ? String(reason.level) : '';
  const code = 'code' in reason ? String(reason.code) : '';
  return marks.includes(level) || marks.includes(code);
}

/** The run was ended while this connection was being made. */
export function interrupted(host: string): FleetflipError {
  return connectFailure(
    { host },
    { code: 'INTERRUPTED', what: 'the run was interrupted before the host was reached', hint: 'Run it again' },
  );
}

export function connectFailure(attempt: { readonly host: string }, failure: Explained): FleetflipError {
  return new FleetflipError({ kind: 'failed', ...failure, phase: 'connect', host: attempt.host });
}
