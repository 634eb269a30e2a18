/** Connections to the hosts of a fleet: bounded handshakes, shared bastions, retries where a server drops us unread. */

import type { Duplex } from 'node:stream';
import { FleetflipError } from '../domain/error.ts';
import type { Host, JumpHost } from '../domain/fleet.ts';
import type { Connector } from '../ports.ts';
import { gatherLogin } from './credentials.ts';
import { connectFailure } from './failures.ts';
import { judgeHostKey, preferredKeyTypes } from './host-key.ts';
import { lookupName } from './known-hosts.ts';
import { connectSsh2, type ForwardingConnection } from './ssh2-connection.ts';
import { createTurnstile } from './turnstile.ts';

export interface Ssh2Options {
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
  /** The login where the inventory names none. */
  readonly username: string;
  /** Milliseconds for a handshake. Default 20,000. */
  readonly timeout?: number;
  /** Handshakes in flight per address or bastion. Default 8: below sshd's default MaxStartups of 10. */
  readonly maxHandshakes?: number;
}

const RETRIES = 3;

export function createSsh2Connector(options: Ssh2Options): Connector {
  const bastions = new Map<string, Promise<ForwardingConnection>>();
  const turnstile = createTurnstile(options.maxHandshakes ?? 8);

  async function open(
    host: Host,
    hop: JumpHost,
    via: ForwardingConnection | null,
    signal: AbortSignal,
  ): Promise<ForwardingConnection> {
    const { ssh } = host;
    const username = hop.user ?? options.username;
    const login = await gatherLogin({
      host: host.name,
      username,
      identity: ssh.identity,
      home: options.home,
      agent: options.env.SSH_AUTH_SOCK,
    });
    const attempt = { host: host.name, address: hop.address, port: hop.port, username, tried: login.described };
    const question = {
      host: host.name,
      address: hop.address,
      port: hop.port,
      file: ssh.knownHosts,
      policy: ssh.hostKeys,
    };
    const keyTypes = await preferredKeyTypes(ssh.knownHosts, lookupName(hop.address, hop.port));
    const sock = via === null ? undefined : await forward(host, via, hop);
    const timeout = options.timeout ?? 20_000;
    return connectSsh2({
      attempt,
      login,
      sock,
      keyTypes,
      judge: key => judgeHostKey({ ...question, key }),
      timeout,
      signal,
    });
  }

  async function openPatiently(
    host: Host,
    hop: JumpHost,
    via: ForwardingConnection | null,
    signal: AbortSignal,
  ): Promise<ForwardingConnection> {
    const gate = via === null ? `${hop.address}:${hop.port}` : 'bastion';
    for (let attempt = 1; ; attempt++) {
      try {
        return await turnstile.pass(gate, () => open(host, hop, via, signal));
      } catch (thrown) {
        if (attempt >= RETRIES || signal.aborted || !wasDropped(thrown)) throw thrown;
        await new Promise(resolve => setTimeout(resolve, attempt * 200 + Math.random() * 300));
      }
    }
  }

  /** The last bastion of the chain; shared by all hosts behind it. */
  async function passBastions(host: Host, signal: AbortSignal): Promise<ForwardingConnection | null> {
    let via: ForwardingConnection | null = null;
    let path = '';
    for (const hop of host.ssh.jump) {
      path += `/${hop.user ?? ''}@${hop.address}:${hop.port}`;
      const before: ForwardingConnection | null = via;
      const shared: Promise<ForwardingConnection> = bastions.get(path) ?? openPatiently(host, hop, before, signal);
      bastions.set(path, shared);
      shared.then(
        connection => void connection.closed.then(() => bastions.delete(path)),
        () => bastions.delete(path),
      );
      via = await shared.catch(thrown => {
        throw behindBastion(host, hop, thrown);
      });
    }
    return via;
  }

  return {
    async connect(host, { signal }) {
      const via = await passBastions(host, signal);
      const { user, port } = host.ssh;
      return openPatiently(host, { ...(user === undefined ? {} : { user }), address: host.address, port }, via, signal);
    },
    async close() {
      const open = await Promise.allSettled(bastions.values());
      for (const bastion of open) if (bastion.status === 'fulfilled') bastion.value.close();
    },
  };
}

async function forward(host: Host, via: ForwardingConnection, hop: JumpHost): Promise<Duplex> {
  try {
    return await via.forward(hop.address, hop.port);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw connectFailure(
      { host: host.name },
      {
        code: 'BASTION_FAILED',
        what: `the bastion could not reach ${hop.address} port ${hop.port}: ${reason}`,
        hint: 'Correct the address, or allow TCP forwarding on the bastion',
      },
    );
  }
}

/** A host key or login of the bastion is its own failure, said of the host that waits behind it. */
function behindBastion(host: Host, hop: JumpHost, thrown: unknown): FleetflipError {
  if (!(thrown instanceof FleetflipError)) throw thrown;
  const { failure } = thrown;
  return new FleetflipError(
    { ...failure, host: host.name, what: `at the bastion ${hop.address}: ${failure.what}` },
    { cause: thrown },
  );
}

/** sshd's MaxStartups closes connections before the handshake. */
function wasDropped(thrown: unknown): boolean {
  return thrown instanceof FleetflipError && thrown.failure.code === 'CONNECTION_LOST';
}
