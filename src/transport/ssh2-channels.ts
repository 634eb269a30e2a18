/** What is done over a connection of ssh2 that is ready: commands, forwarding, and its end. */

import { Duplex } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import type { FleetflipError } from '../domain/error.ts';
import type { Channel, Connection, Exit } from '../ports.ts';
import { type Attempt, connectFailure, describeGoal } from './failures.ts';

/** A connection that can also reach further hosts. */
export interface ForwardingConnection extends Connection {
  /** Whom it reaches, for people: `ann@10.0.0.1 port 22`. */
  readonly goal: string;
  forward(address: string, port: number): Promise<Duplex>;
}

export interface Ready {
  readonly client: Client;
  readonly sock: Duplex;
  readonly attempt: Attempt;
  readonly closed: Promise<Error | null>;
}

/** ssh2's callback: an error or a value. */
type Answer<T> = (error: Error | undefined, value?: T) => void;

/** How long a server may take to close after our goodbye. */
const GOODBYE = 1000;

export function wrap({ client, sock, attempt, closed }: Ready): ForwardingConnection {
  let isClosed = false;
  void closed.then(() => {
    isClosed = true;
  });

  /** ssh2 answers by callback, throws, or is silent when the connection ends. */
  function ask<T>(question: (answer: Answer<T>) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      void closed.then(reason => reject(reason ?? new Error('the connection is closed')));
      question((error, value) => (value === undefined ? reject(error) : resolve(value)));
    });
  }

  return {
    goal: describeGoal(attempt),
    closed,
    async exec(command) {
      try {
        // Made inside the callback: a short command's exit status can stand in the same packets as the channel.
        return await ask<Channel>(answer =>
          client.exec(command, (error, stream) => {
            if (error === undefined) answer(undefined, channelOf(stream, closed));
            else answer(error);
          }),
        );
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
  const goal = describeGoal(attempt);
  return connectFailure(attempt, {
    kind: lost ? 'lost' : 'failed',
    code: lost ? 'CONNECTION_LOST' : 'CHANNEL_REFUSED',
    what: lost
      ? `the connection to ${goal} was lost: ${reason}`
      : `${goal}: the host opened no channel for a command: ${reason}`,
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
