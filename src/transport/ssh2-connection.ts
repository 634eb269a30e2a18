/** One SSH connection by ssh2, from the handshake to its end, as the port wants it. */

import type { Duplex } from 'node:stream';
import { Client, type ClientChannel, type ConnectConfig } from 'ssh2';
import { type Failure, FleetflipError } from '../domain/error.ts';
import type { Channel, Connection, Exit } from '../ports.ts';
import { strictAlgorithms } from './algorithms.ts';
import { createAuthHandler, type Login } from './credentials.ts';
import { type Attempt, connectFailure, explainConnectError } from './failures.ts';

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
  readonly signal: AbortSignal;
}

/** A connection that can also reach further hosts. */
export interface ForwardingConnection extends Connection {
  forward(address: string, port: number): Promise<Duplex>;
}

/** @throws FleetflipError with phase `connect`. */
export async function connectSsh2(handshake: Handshake): Promise<ForwardingConnection> {
  const client = new Client();
  const ended = watchEnd(client);
  const verdicts = new Map<string, Promise<Failure | null>>();
  const refusals: Failure[] = [];

  // ssh2 takes every answer but false for yes, a promise too: the verdict goes through its callback only.
  function verify(key: Buffer, answer: (valid: boolean) => void): void {
    const text = key.toString('base64');
    const verdict = verdicts.get(text) ?? handshake.judge(key);
    verdicts.set(text, verdict);
    verdict.then(
      failure => {
        if (failure !== null) refusals.push(failure);
        answer(failure === null);
      },
      (thrown: unknown) => {
        refusals.push(unreadable(handshake.attempt, thrown));
        answer(false);
      },
    );
  }

  await new Promise<void>((resolve, reject) => {
    const fail = (reason: Error): void => {
      client.destroy();
      const [refusal] = refusals;
      reject(refusal === undefined ? explainConnectError(handshake.attempt, reason) : new FleetflipError(refusal));
    };
    handshake.signal.addEventListener('abort', () => fail(new Error('interrupted')), { once: true });
    client.once('ready', resolve);
    void ended.then(reason => fail(reason ?? new Error('the server closed the connection')));
    client.connect(configure(handshake, verify));
  });
  return wrap(client, handshake.attempt, ended);
}

function configure(
  handshake: Handshake,
  hostVerifier: (key: Buffer, answer: (valid: boolean) => void) => void,
): ConnectConfig {
  const { attempt, sock, login, keyTypes, timeout } = handshake;
  return {
    host: attempt.address,
    port: attempt.port,
    username: attempt.username,
    ...(sock === undefined ? {} : { sock }),
    algorithms: strictAlgorithms(keyTypes),
    hostVerifier,
    authHandler: createAuthHandler(login) as NonNullable<ConnectConfig['authHandler']>,
    readyTimeout: timeout,
    keepaliveInterval: 15_000,
    keepaliveCountMax: 4,
  };
}

/** Listens for the connection's whole life: an error without a listener would end the process. */
function watchEnd(client: Client): Promise<Error | null> {
  return new Promise(resolve => {
    let reason: Error | null = null;
    client.on('error', (error: Error) => {
      reason ??= error;
      resolve(reason);
    });
    client.once('close', () => resolve(reason));
  });
}

function wrap(client: Client, attempt: Attempt, closed: Promise<Error | null>): ForwardingConnection {
  const refused = (thrown: unknown): FleetflipError =>
    connectFailure(attempt, {
      kind: 'lost',
      code: thrown instanceof Error && 'reason' in thrown ? 'CHANNEL_REFUSED' : 'CONNECTION_LOST',
      what: `the host opened no channel: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      hint: 'Look at the network, and at MaxSessions of the SSH server',
    });
  return {
    closed,
    exec: command =>
      new Promise((resolve, reject) => {
        void closed.then(reason => reject(refused(reason ?? new Error('the connection is closed'))));
        try {
          client.exec(command, (error, stream) =>
            error === undefined ? resolve(channelOf(stream, closed)) : reject(refused(error)),
          );
        } catch (thrown) {
          reject(refused(thrown));
        }
      }),
    forward: (address, port) =>
      new Promise((resolve, reject) => {
        void closed.then(reason => reject(reason ?? new Error('the connection is closed')));
        try {
          client.forwardOut('127.0.0.1', 0, address, port, (error, stream) =>
            error === undefined ? resolve(stream) : reject(error),
          );
        } catch (thrown) {
          reject(thrown);
        }
      }),
    close: () => client.end(),
  };
}

function channelOf(stream: ClientChannel, closed: Promise<unknown>): Channel {
  let end: Exit = { code: null, signal: null };
  stream.on('error', () => undefined);
  stream.on('exit', (code: number | null, signal?: string) => {
    end = { code, signal: signal ?? null };
  });
  const exit = new Promise<Exit>(resolve => {
    stream.once('close', () => resolve(end));
    void closed.then(() => resolve(end));
  });
  void closed.then(() => stream.destroy());
  return { stdin: stream, stdout: stream, stderr: stream.stderr, exit, destroy: () => stream.destroy() };
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
