/** One SSH connection by ssh2, from the handshake to its end, as the port wants it. */

import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { Client, type ClientChannel, type ConnectConfig } from 'ssh2';
import { type Failure, FleetflipError } from '../domain/error.ts';
import type { Channel, Connection, Exit } from '../ports.ts';
import { strictAlgorithms } from './algorithms.ts';
import { createAuthHandler, type Login } from './credentials.ts';
import { type Attempt, connectFailure, explainConnectError, interrupted } from './failures.ts';

export interface Keepalive {
  /** Milliseconds. */
  readonly interval: number;
  /** So many without an answer end the connection. */
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

/** A connection that can also reach further hosts. */
export interface ForwardingConnection extends Connection {
  forward(address: string, port: number): Promise<Duplex>;
}

/** How long a server may take to close after our goodbye. */
const GOODBYE = 1000;

/** @throws FleetflipError with phase `connect`. */
export async function connectSsh2(handshake: Handshake): Promise<ForwardingConnection> {
  const { attempt, signal } = handshake;
  if (signal.aborted) throw interrupted(attempt.host);
  const client = new Client();
  const sock = handshake.sock ?? connect({ host: attempt.address, port: attempt.port, noDelay: true });
  const verifier = createVerifier(handshake);
  const ended = watchEnd(client).then(reason => {
    sock.destroy();
    return verifier.refusal() ?? reason;
  });
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      sock.destroy();
      reject(interrupted(attempt.host));
    };
    signal.addEventListener('abort', stop, { once: true });
    client.once('ready', () => {
      signal.removeEventListener('abort', stop);
      resolve();
    });
    void ended.then(reason => {
      signal.removeEventListener('abort', stop);
      reject(explainEnd(attempt, reason));
    });
    client.connect(configure(handshake, sock, verifier.verify));
  });
  return wrap({ client, sock, attempt, closed: ended });
}

function explainEnd(attempt: Attempt, reason: Error | null): FleetflipError {
  if (reason instanceof FleetflipError) return reason;
  return explainConnectError(attempt, reason ?? new Error('the server closed the connection'));
}

interface Verifier {
  readonly verify: (key: Buffer, answer: (valid: boolean) => void) => void;
  /** Why a key was refused; null when none was. */
  readonly refusal: () => FleetflipError | null;
}

/** Each key is judged once, however often the connection changes its session keys. */
function createVerifier({ attempt, judge }: Handshake): Verifier {
  const verdicts = new Map<string, Promise<Failure | null>>();
  let refusal: FleetflipError | null = null;
  return {
    refusal: () => refusal,
    // ssh2 takes every answer but false for yes, a promise too: the verdict goes through its callback only.
    verify(key, answer) {
      const text = key.toString('base64');
      const verdict = verdicts.get(text) ?? judge(key).catch(thrown => unreadable(attempt, thrown));
      verdicts.set(text, verdict);
      void verdict.then(failure => {
        if (failure !== null) refusal ??= new FleetflipError(failure);
        answer(failure === null);
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
    keepaliveCountMax: keepalive.count,
  };
}

/** Listens for the connection's whole life: an error without a listener would end the process. */
function watchEnd(client: Client): Promise<Error | null> {
  return new Promise(resolve => {
    client.on('error', (error: Error) => {
      if (!isAboutOneKey(error)) resolve(error);
    });
    client.once('close', () => resolve(null));
  });
}

/** An SSH agent that does not answer, or a key that does not sign: the next way to log in is tried. */
function isAboutOneKey(error: Error): boolean {
  return ('level' in error && error.level === 'agent') || /^Error (while )?signing/.test(error.message);
}

interface Ready {
  readonly client: Client;
  readonly sock: Duplex;
  readonly attempt: Attempt;
  readonly closed: Promise<Error | null>;
}

function wrap({ client, sock, attempt, closed }: Ready): ForwardingConnection {
  let isClosed = false;
  void closed.then(() => {
    isClosed = true;
  });

  /** ssh2 answers by callback, throws, or is silent when the connection ends. */
  function ask<T>(question: (answer: (error: Error | undefined, value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      void closed.then(reason => reject(reason ?? new Error('the connection is closed')));
      question((error, value) => (error === undefined ? resolve(value) : reject(error)));
    });
  }

  return {
    closed,
    async exec(command) {
      try {
        const stream = await ask<ClientChannel>(answer => client.exec(command, answer));
        return channelOf(stream, closed);
      } catch (thrown) {
        throw noChannel(attempt, isClosed, thrown);
      }
    },
    forward: (address, port) => ask(answer => client.forwardOut('127.0.0.1', 0, address, port, answer)),
    close() {
      client.end();
      const impatience = setTimeout(() => sock.destroy(), GOODBYE);
      impatience.unref();
      void closed.then(() => clearTimeout(impatience));
    },
  };
}

function noChannel(attempt: Attempt, isClosed: boolean, thrown: unknown): FleetflipError {
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  const lost = isClosed || /^(No response from server|Not connected)/.test(reason);
  return connectFailure(attempt, {
    kind: lost ? 'lost' : 'failed',
    code: lost ? 'CONNECTION_LOST' : 'CHANNEL_REFUSED',
    what: lost ? `the connection was lost: ${reason}` : `the host opened no channel for a command: ${reason}`,
    hint: lost
      ? 'Look at the network and at the SSH server'
      : 'Look at MaxSessions of the SSH server; the account must be allowed to run commands',
  });
}

function channelOf(stream: ClientChannel, closed: Promise<unknown>): Channel {
  let told: Exit = { code: null, signal: null };
  let end: (exit: Exit) => void = () => undefined;
  const exit = new Promise<Exit>(resolve => {
    end = resolve;
  });
  stream.on('error', () => undefined);
  stream.on('exit', (code: number | null, signal?: string) => {
    told = { code, signal: signal ?? null };
  });
  stream.once('close', () => end(told));
  void closed.then(() => {
    stream.destroy();
    end(told);
  });
  return {
    stdin: stream,
    stdout: stream,
    stderr: stream.stderr,
    exit,
    destroy() {
      stream.destroy();
      // ssh2's own destroy only asks the server to close: here whoever reads or writes is let go at once.
      Duplex.prototype.destroy.call(stream, new Error('the channel was given up'));
      end(told);
    },
  };
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
