/** A relay that counts what passes. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Meter {
  readonly port: number;
  /** Bytes to the host and from it since the last reading. */
  read(): { readonly sent: number; readonly received: number };
  stop(): void;
}

export async function startMeter(host: string, port: number): Promise<Meter> {
  let [sent, received] = [0, 0];
  const server = createServer(near => {
    const far = connect(port, host);
    pass(near, far, bytes => {
      sent += bytes;
    });
    pass(far, near, bytes => {
      received += bytes;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    read() {
      const was = { sent, received };
      [sent, received] = [0, 0];
      return was;
    },
    stop: () => void server.close(),
  };
}

function pass(from: Socket, to: Socket, count: (bytes: number) => void): void {
  from.on('data', chunk => count(chunk.length));
  from.on('error', () => to.destroy());
  from.pipe(to);
}
