/** One connection by ssh2, from its first byte to the moment it is ready, and the word that it has ended. */

import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { Client, type ConnectConfig } from 'ssh2';
import { type Failure, FleetflipError } from '../domain/error.ts';
import { strictAlgorithms } from './algorithms.ts';
import { createAuthHandler, type Login } from './credentials.ts';
import { type Attempt, explainEnding, interrupted, type Stage } from './failures.ts';
import { type ForwardingConnection, wrap } from './ssh2-channels.ts';

/** A server is asked for an answer at every interval; when nothing at all has come for `count` of them, the connection ends. */
export interface Keepalive {
  /** Milliseconds; 0: never. */
  readonly interval: number;
  readonly count: number;
}

export interface Handshake {
  readonly attempt: Attempt;
  readonly login: Login;
  /** Through a bastion. */
  readonly sock: Duplex | undefined;
  readonly keyTypes: readonly string[];
  /** Resolves with null for the right key; asked again at every rekey. */
  readonly judge: (key: Buffer) => Promise<Failure | null>;
  /** Milliseconds. */
  readonly timeout: number;
  readonly keepalive: Keepalive;
  /** Ends the handshake; a connection that is ready stays. */
  readonly signal: AbortSignal;
}

/** @throws FleetflipError with phase `connect`. */
export async function connectSsh2(handshake: Handshake): Promise<ForwardingConnection> {
  const { attempt, signal } = handshake;
  if (signal.aborted) {
    handshake.sock?.destroy();
    throw interrupted(attempt.host);
  }
  const client = new Client();
  const sock = handshake.sock ?? connect({ host: attempt.address, port: attempt.port, noDelay: true });
  const verifier = createVerifier(handshake);
  const stage = watchStage(client);
  const ended = watchEnd(client).then(reason => {
    sock.destroy();
    return verifier.end() ?? reason;
  });
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      sock.destroy();
      reject(interrupted(attempt.host));
    };
    signal.addEventListener('abort', stop, { once: true });
    client.once('ready', () => {
      signal.removeEventListener('abort', stop);
      watchSilence(client, sock, handshake.keepalive);
      resolve();
    });
    void ended.then(reason => {
      signal.removeEventListener('abort', stop);
      reject(reason instanceof FleetflipError ? reason : explainEnding(attempt, { stage: stage(), reason }));
    });
    client.connect(configure(handshake, sock, verifier.verify));
  });
  return wrap({ client, sock, attempt, closed: ended });
}

/**
 * Whatever comes is a sign of life. ssh2 itself counts only answers to what it asks, and these wait behind an upload: over a
 * slow link it would end healthy connections, where the server tells all along what it has taken.
 */
function watchSilence(client: Client, sock: Duplex, { interval, count }: Keepalive): void {
  if (interval === 0) return;
  const patience = setTimeout(
    () => {
      client.emit('error', Object.assign(new Error('Keepalive timeout'), { level: 'client-timeout' }));
      sock.destroy();
    },
    interval * (count + 1),
  );
  sock.on('data', () => patience.refresh());
  sock.once('close', () => clearTimeout(patience));
}

function watchStage(client: Client): () => Stage {
  let stage: Stage = 'dial';
  client.once('connect', () => {
    stage = 'handshake';
  });
  client.once('handshake', () => {
    stage = 'login';
  });
  return () => stage;
}

interface Verifier {
  readonly verify: (key: Buffer, answer: (valid: boolean) => void) => void;
  /** The connection has ended: a verdict that comes later is nobody's. @returns why a key was refused, if one was */
  readonly end: () => FleetflipError | null;
}

/** Each key is judged once, however often the connection changes its session keys. */
function createVerifier({ attempt, judge }: Handshake): Verifier {
  const verdicts = new Map<string, Promise<Failure | null>>();
  let refusal: FleetflipError | null = null;
  let ended = false;
  return {
    end() {
      ended = true;
      return refusal;
    },
    // ssh2 takes every answer but false for yes, a promise too: the verdict goes through its callback only.
    verify(key, answer) {
      const text = key.toString('base64');
      const verdict = verdicts.get(text) ?? judge(key).catch(thrown => unreadable(attempt, thrown));
      verdicts.set(text, verdict);
      void verdict.then(failure => {
        if (failure !== null) refusal ??= new FleetflipError(failure);
        // ssh2 throws at an answer after the end.
        if (!ended) answer(failure === null);
      });
    },
  };
}

function configure(handshake: Handshake, sock: Duplex, hostVerifier: Verifier['verify']): ConnectConfig {
  const { attempt, login, keyTypes, timeout, keepalive } = handshake;
  return {
    sock,
    username: attempt.username,
    algorithms: strictAlgorithms(keyTypes),
    hostVerifier,
    authHandler: createAuthHandler(login) as NonNullable<ConnectConfig['authHandler']>,
    readyTimeout: timeout,
    keepaliveInterval: keepalive.interval,
    keepaliveCountMax: Number.POSITIVE_INFINITY,
  };
}

/** Listens for the connection's whole life: an error without a listener would end the process. */
function watchEnd(client: Client): Promise<Error | null> {
  return new Promise(resolve => {
    client.on('error', (error: Error) => {
      if (!isAboutOneKey(error)) resolve(error);
    });
    client.once('end', () => resolve(null));
    client.once('close', () => resolve(null));
  });
}

/** An SSH agent that does not answer, or a key that does not sign: the next way to log in is tried. */
function isAboutOneKey(error: Error): boolean {
  return ('level' in error && error.level === 'agent') || /^Error (while )?signing/.test(error.message);
}

function unreadable(attempt: Attempt, thrown: unknown): Failure {
  const what = `the host key could not be checked: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
  return {
    kind: 'failed',
    code: 'HOST_KEY_UNCHECKED',
    phase: 'connect',
    host: attempt.host,
    what,
    hint: 'Correct ssh.knownHosts',
  };
}
