/** Connections to the hosts of a fleet: bounded handshakes, shared bastions, retries where a server drops us unread. */

import { setTimeout as wait } from 'node:timers/promises';
import { FleetflipError } from '../domain/error.ts';
import type { Host, JumpHost } from '../domain/fleet.ts';
import type { Connector } from '../ports.ts';
import { createBastions } from './bastions.ts';
import { gatherLogin } from './credentials.ts';
import { interrupted } from './failures.ts';
import { blameBastion, forward } from './forwarding.ts';
import { judgeHostKey, preferredKeyTypes } from './host-key.ts';
import { lookupName } from './known-hosts.ts';
import type { ForwardingConnection } from './ssh2-channels.ts';
import { connectSsh2, type Keepalive } from './ssh2-connection.ts';
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
  /**
   * How often a host is tried that drops us in the handshake. Default 12, in about ten seconds: at MaxStartups sshd drops
   * every third connection by chance, whoever else is at the door.
   */
  readonly tries?: number;
  /** Default: 15,000 ms and 4. */
  readonly keepalive?: Keepalive;
}

/** One way to one server: the host itself or a bastion before it. */
interface Leg {
  readonly host: Host;
  readonly hop: JumpHost;
  /** The last bastion before it. */
  readonly via: ForwardingConnection | null;
  readonly gate: string;
}

export function createSsh2Connector(options: Ssh2Options): Connector {
  const { timeout = 20_000, tries = 12, keepalive = { interval: 15_000, count: 4 } } = options;
  const bastions = createBastions();
  const turnstile = createTurnstile(options.maxHandshakes ?? 8);

  async function open({ host, hop, via }: Leg, signal: AbortSignal): Promise<ForwardingConnection> {
    const { ssh } = host;
    const username = hop.user ?? options.username;
    const login = await gatherLogin({
      host: host.name,
      username,
      identity: ssh.identity,
      home: options.home,
      agent: options.env.SSH_AUTH_SOCK,
    });
    const { address, port } = hop;
    const question = { host: host.name, address, port, file: ssh.knownHosts, policy: ssh.hostKeys };
    // A file that cannot be read is reported by the verdict, which needs it too.
    const keyTypes = await preferredKeyTypes(ssh.knownHosts, lookupName(address, port)).catch(() => []);
    const sock = via === null ? undefined : await forward({ host: host.name, via, hop, signal, timeout });
    return connectSsh2({
      attempt: { host: host.name, address, port, username, tried: login.describe },
      login,
      sock,
      keyTypes,
      judge: key => judgeHostKey({ ...question, key }),
      timeout,
      keepalive,
      signal,
    });
  }

  async function openPatiently(leg: Leg, signal: AbortSignal): Promise<ForwardingConnection> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await turnstile.pass(leg.gate, signal, () => open(leg, signal));
      } catch (thrown) {
        if (signal.aborted) throw interrupted(leg.host.name);
        if (!wasDropped(thrown)) throw thrown;
        if (attempt >= tries) throw countTries(thrown, tries);
        await wait(Math.min(attempt * 200, 1000) + Math.random() * 300, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** The last bastion of the chain; shared by all hosts that go there in the same way. */
  async function passBastions(
    host: Host,
    signal: AbortSignal,
  ): Promise<{ via: ForwardingConnection | null; way: string }> {
    const { identity, knownHosts, hostKeys, jump } = host.ssh;
    let way = jump.length === 0 ? '' : JSON.stringify([identity, knownHosts, hostKeys]);
    let via: ForwardingConnection | null = null;
    for (const hop of jump) {
      const leg: Leg = { host, hop, via, gate: gateOf(hop, via, way) };
      way += ` ${hop.user ?? ''}@${hop.address}:${hop.port}`;
      try {
        via = await bastions.reach(way, signal, attempt => openPatiently(leg, attempt));
      } catch (thrown) {
        throw signal.aborted ? interrupted(host.name) : blameBastion(host.name, thrown);
      }
    }
    return { via, way };
  }

  return {
    async connect(host, { signal }) {
      const { via, way } = await passBastions(host, signal);
      const { user, port } = host.ssh;
      const hop: JumpHost = { ...(user === undefined ? {} : { user }), address: host.address, port };
      return openPatiently({ host, hop, via, gate: gateOf(hop, via, way) }, signal);
    },
    close: () => bastions.close(),
  };
}

function gateOf(hop: JumpHost, via: ForwardingConnection | null, way: string): string {
  return via === null ? `${hop.address}:${hop.port}` : way;
}

/** sshd's MaxStartups closes connections before the handshake. A login that failed is never tried again by itself. */
function wasDropped(thrown: unknown): thrown is FleetflipError {
  return thrown instanceof FleetflipError && thrown.failure.code === 'CONNECTION_DROPPED';
}

function countTries(thrown: FleetflipError, tries: number): FleetflipError {
  const { failure } = thrown;
  return new FleetflipError({ ...failure, what: `${failure.what} (tried ${tries} times)` }, { cause: thrown });
}
