/** A connector on whose conversations somebody reads along, who can alter and hold what is said. */

import { Readable, Writable } from 'node:stream';
import type { Channel, Connector } from '../../src/ports.ts';

export interface Meddler {
  /** @returns the words that the host reads instead */
  onRequest(host: string, verb: string, words: readonly string[]): Promise<readonly string[]>;
  /** Resolves when the answer may go on. */
  onAnswer(host: string, verb: string): Promise<void>;
}

export function meddle(connector: Connector, meddler: Meddler): Connector {
  return {
    async connect(host, options) {
      const connection = await connector.connect(host, options);
      return {
        closed: connection.closed,
        exec: async command => meddleWith(await connection.exec(command), host.name, meddler),
        close: () => connection.close(),
      };
    },
    close: () => connector.close(),
  };
}

function meddleWith(channel: Channel, host: string, { onRequest, onAnswer }: Meddler): Channel {
  const asked = new Map<string, string>();

  async function alter(chunk: Buffer): Promise<Buffer> {
    const [, id, verb, rest] = /^(\d+) ([a-z-]+)(.*)\n$/.exec(chunk.toString('latin1')) ?? [];
    if (id === undefined || verb === undefined) return chunk;
    asked.set(id, verb);
    const words = await onRequest(host, verb, (rest ?? '').split(' ').slice(1));
    return Buffer.from(`${[id, verb, ...words].join(' ')}\n`, 'latin1');
  }

  async function* hear(): AsyncIterable<Buffer> {
    for await (const chunk of channel.stdout) {
      const [, id = ''] = /^(\d+) (?:ok$|no )/m.exec(Buffer.from(chunk).toString('latin1')) ?? [];
      const verb = asked.get(id);
      if (verb !== undefined) await onAnswer(host, verb);
      yield Buffer.from(chunk);
    }
  }

  const stdin = new Writable({
    write(chunk: Buffer, _encoding, done) {
      alter(chunk).then(altered => channel.stdin.write(altered, () => done()), done);
    },
    final: done => void channel.stdin.end(() => done()),
  });
  return { ...channel, stdin: stdin.on('error', () => undefined), stdout: Readable.from(hear()) };
}
