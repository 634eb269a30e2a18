/** A network between a coordinator and a host that can be cut, or go silent and come back. */

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Relay {
  readonly port: number;
  /** Resets every connection; new ones are reset at once. */
  cut(): void;
  /** Carries nothing any more, neither bytes nor ends; new connections are taken and get no answer. */
  hold(): void;
  /** Carries on; what was held back arrives late. */
  mend(): void;
  close(): void;
}

export async function startRelay(target: number): Promise<Relay> {
  let state: 'open' | 'cut' | 'held' = 'open';
  const near = new Set<Socket>();
  const all = new Set<Socket>();

  function attend(socket: Socket): void {
    const other = connect(target, '127.0.0.1');
    for (const one of [socket, other]) {
      all.add(one);
      one.on('error', () => undefined).once('close', () => all.delete(one));
      if (state === 'held') one.pause();
    }
    near.add(socket);
    socket.once('close', () => near.delete(socket));
    join(socket, other);
    join(other, socket);
  }

  const server = createServer({ noDelay: true }, socket => {
    if (state === 'cut') socket.resetAndDestroy();
    else attend(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    cut() {
      state = 'cut';
      for (const socket of near) socket.resetAndDestroy();
    },
    hold() {
      state = 'held';
      for (const socket of all) socket.pause();
    },
    mend() {
      state = 'open';
      for (const socket of all) socket.resume();
    },
    close() {
      server.close();
      for (const socket of all) socket.destroy();
    },
  };
}

/** Without `pipe`, which would resume a socket that is held. */
function join(from: Socket, to: Socket): void {
  from.on('data', chunk => void to.write(chunk));
  from.once('end', () => to.end());
  from.once('close', () => to.destroy());
}
