/** An SSH agent on a socket, whose answers the test can hold back or refuse. */

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { AgentProtocol, type ParsedKey } from 'ssh2';
import { type Keys, parse } from './server.ts';

export interface TestAgent {
  /** For SSH_AUTH_SOCK. */
  readonly path: string;
  close(): Promise<void>;
}

export interface AgentManners {
  readonly keys: readonly Keys[];
  /** Resolves with whether it signs. Default: at once. */
  readonly sign?: () => Promise<boolean>;
  /** Resolves when the keys are told. Default: at once. */
  readonly list?: () => Promise<void>;
}

export async function startAgent(path: string, { keys, sign, list }: AgentManners): Promise<TestAgent> {
  const parsed = keys.map(pair => parse(pair.private));
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    const protocol = new AgentProtocol(false);
    protocol.on('error', () => undefined);
    protocol.on('identities', request => {
      void (list?.() ?? Promise.resolve()).then(() => protocol.getIdentitiesReply(request, parsed));
    });
    protocol.on('sign', (request, key, data) => {
      const own = parsed.find(one => same(one, key));
      void (sign?.() ?? Promise.resolve(true)).then(willing => {
        if (willing && own !== undefined) protocol.signReply(request, own.sign(data));
        else protocol.failureReply(request);
      });
    });
    protocol.pipe(socket).pipe(protocol);
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    path,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function same(one: ParsedKey, other: ParsedKey): boolean {
  return one.getPublicSSH().equals(other.getPublicSSH());
}
