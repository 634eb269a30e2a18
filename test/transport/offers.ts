/** What a client offers in its handshake, read from the bytes that it sends before anything is encrypted. */

import type { Socket } from 'node:net';

export interface Offer {
  readonly kex: readonly string[];
  readonly hostKey: readonly string[];
  readonly cipher: readonly string[];
  readonly mac: readonly string[];
  readonly compress: readonly string[];
}

/** Answers with a banner alone, and resolves with the client's KEXINIT. */
export function readOffer(socket: Socket): Promise<Offer> {
  socket.write('SSH-2.0-reader\r\n');
  return new Promise(resolve => {
    let seen = Buffer.alloc(0);
    socket.on('data', chunk => {
      seen = Buffer.concat([seen, chunk]);
      const packet = seen.subarray(seen.indexOf('\r\n') + 2);
      if (seen.includes('\r\n') && packet.length >= 4 && packet.length >= 4 + packet.readUInt32BE(0))
        resolve(parseKexinit(packet));
    });
  });
}

/** Length, padding, message number and cookie come before the lists; from the third on there is one for each way. */
function parseKexinit(packet: Buffer): Offer {
  let at = 4 + 1 + 1 + 16;
  const next = (): readonly string[] => {
    const begin = at + 4;
    at = begin + packet.readUInt32BE(at);
    return packet.subarray(begin, at).toString().split(',');
  };
  const [kex, hostKey] = [next(), next()];
  const [cipher, mac, compress] = [
    [...next(), ...next()],
    [...next(), ...next()],
    [...next(), ...next()],
  ];
  return { kex, hostKey, cipher, mac, compress };
}
