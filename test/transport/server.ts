/** SSH servers in the test's own process, whose every step the test can see, hold up or spoil. */

import { once } from 'node:events';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import ssh2, { type Algorithms, type AuthContext, type Connection, type ParsedKey, type ServerChannel } from 'ssh2';

export interface Keys {
  readonly private: string;
  /** In OpenSSH's form, without a comment. */
  readonly public: string;
}

export type KeyKind = 'ed25519' | 'ecdsa' | 'rsa';

/** ssh2 makes a malformed Ed25519 key now and then: another is made then. */
export function makeKeys(kind: KeyKind = 'ed25519'): Keys {
  for (;;) {
    const made =
      kind === 'ed25519'
        ? ssh2.utils.generateKeyPairSync('ed25519')
        : kind === 'ecdsa'
          ? ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 })
          : ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 });
    if (!(ssh2.utils.parseKey(made.private) instanceof Error)) return { ...made, public: made.public.trim() };
  }
}

export function parse(key: string): ParsedKey {
  const parsed = ssh2.utils.parseKey(key);
  if (parsed instanceof Error) throw parsed;
  return parsed;
}

/** What a server does with a caller; what is left out is done as it should be. */
export interface Manners {
  readonly hostKeys?: readonly Keys[];
  readonly algorithms?: Algorithms;
  /** Takes a connection before SSH is spoken on it. Resolves with whether SSH goes on. */
  readonly meet?: (socket: Socket, count: number) => boolean | Promise<boolean>;
  readonly logIn?: (context: AuthContext, client: Connection) => void;
  readonly ready?: (client: Connection, socket: Socket) => void;
  readonly exec?: (command: string, channel: ServerChannel) => void;
  /** Called for every connection that is to be forwarded; false: never answered. */
  readonly forward?: (address: string, port: number) => boolean;
}

export interface TestServer {
  readonly address: string;
  readonly port: number;
  /** How the first key stands in known_hosts after the name. */
  readonly key: string;
  /** Connections that came in so far. */
  readonly met: () => number;
  /** Connections that are open now. */
  readonly open: () => number;
  /** The largest number of connections that were in the handshake at one time. */
  readonly crowd: () => number;
  close(): Promise<void>;
}

const SHARED = makeKeys();

/** On a free port. Without `logIn` everyone may log in; without `exec` a command is answered with its own text. */
export async function startServer(manners: Manners = {}, address = '127.0.0.1'): Promise<TestServer> {
  const { hostKeys = [SHARED], algorithms = {} } = manners;
  const sockets = new Set<Socket>();
  const shaking = new Set<Socket>();
  let met = 0;
  let crowd = 0;
  const listener = createServer(socket => {
    met += 1;
    sockets.add(socket);
    shaking.add(socket);
    crowd = Math.max(crowd, shaking.size);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      sockets.delete(socket);
      shaking.delete(socket);
    });
    void Promise.resolve(manners.meet?.(socket, met) ?? true).then(goesOn => {
      // Unread, a socket would never tell that the other side has gone.
      if (!goesOn) return void socket.resume();
      const server = new ssh2.Server({ hostKeys: hostKeys.map(keys => keys.private), algorithms }, client => {
        client.once('ready', () => shaking.delete(socket));
        attend({ client, socket, manners });
      });
      server.injectSocket(socket);
    });
  });
  const port = await listen(listener, address);
  return {
    address,
    port,
    key: hostKeys[0]?.public ?? '',
    met: () => met,
    open: () => sockets.size,
    crowd: () => crowd,
    async close() {
      for (const socket of sockets) socket.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}

async function listen(listener: Server, address: string): Promise<number> {
  listener.listen(0, address);
  await once(listener, 'listening');
  const bound = listener.address();
  if (typeof bound !== 'object' || bound === null) throw new Error('the server has no port');
  return bound.port;
}

interface Attended {
  readonly client: Connection;
  readonly socket: Socket;
  readonly manners: Manners;
}

function attend({ client, socket, manners }: Attended): void {
  client.on('error', () => undefined);
  client.on('authentication', context => (manners.logIn ?? (() => context.accept()))(context, client));
  client.once('ready', () => {
    client.on('session', accept => {
      accept().on('exec', (acceptExec, _reject, { command }) => (manners.exec ?? echo)(command, acceptExec()));
    });
    client.on('tcpip', (accept, reject, { destIP, destPort }) => {
      if (manners.forward?.(destIP, destPort) === false) return;
      const target = dial(destPort, destIP);
      target.once('error', () => reject());
      target.once('connect', () => join(target, accept()));
    });
    manners.ready?.(client, socket);
  });
}

function echo(command: string, channel: ServerChannel): void {
  channel.write(command);
  channel.exit(0);
  channel.end();
}

function join(target: Socket, channel: ServerChannel): void {
  target.removeAllListeners('error');
  target.on('error', () => channel.end());
  channel.on('error', () => target.destroy());
  channel.once('close', () => target.destroy());
  target.pipe(channel).pipe(target);
}
