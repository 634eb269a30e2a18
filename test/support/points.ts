/**
 * The fault points of a run: every call through the connection ports, told by name before it goes on. A name says the
 * host, the channel and the step, such as `demo1 serve-1 asks arm`, and is the same in every run, in whatever order the
 * hosts answer.
 */

import { Readable, Writable } from 'node:stream';
import type { Channel, Connection, Connector } from '../../src/ports.ts';

export type OnPoint = (point: string) => void;

export function tellPoints(connector: Connector, onPoint: OnPoint): Connector {
  const name = createNames();
  return {
    async connect(host, options) {
      onPoint(name(`${host.name} connect`));
      const connection = await connector.connect(host, options);
      onPoint(name(`${host.name} connected`));
      return watchConnection(connection, step => onPoint(name(`${host.name} ${step}`)));
    },
    close: () => connector.close(),
  };
}

/** Numbers what happens more than once. */
function createNames(): (base: string) => string {
  const counts = new Map<string, number>();
  return base => {
    const count = (counts.get(base) ?? 0) + 1;
    counts.set(base, count);
    return count === 1 ? base : `${base} #${count}`;
  };
}

function watchConnection(connection: Connection, onStep: OnPoint): Connection {
  let channels = 0;
  return {
    closed: connection.closed,
    async exec(command) {
      const channel = `channel-${++channels}`;
      onStep(`${channel} exec`);
      const opened = await connection.exec(command);
      onStep(`${channel} opened`);
      return watchChannel(opened, step => onStep(`${channel} ${step}`));
    },
    close: () => connection.close(),
  };
}

function watchChannel(channel: Channel, onStep: OnPoint): Channel {
  const asked = new Map<string, string>();
  return { ...channel, stdin: watchInput(channel, asked, onStep), stdout: watchOutput(channel, asked, onStep) };
}

function watchInput({ stdin, destroy }: Channel, asked: Map<string, string>, onStep: OnPoint): Writable {
  const input = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const [, id, verb] = /^(\d+) ([a-z-]+)[ \n]/.exec(chunk.toString('latin1', 0, 100)) ?? [];
      if (id !== undefined && verb !== undefined) asked.set(id, verb);
      onStep(verb === undefined ? 'sends' : `asks ${verb}`);
      stdin.write(chunk, () => done());
    },
    final(done) {
      onStep('ends its input');
      stdin.end(() => done());
    },
    destroy(error, done) {
      if (error !== null) destroy();
      done(error);
    },
  });
  return input.on('error', () => undefined);
}

/** An answer's last line, the prelude's and the upload's words are points; what comes before them is not. */
function watchOutput({ stdout }: Channel, asked: Map<string, string>, onStep: OnPoint): Readable {
  async function* listen(): AsyncIterable<Buffer> {
    let rest = '';
    for await (const chunk of stdout) {
      const lines = (rest + Buffer.from(chunk).toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const step = nameAnswer(line, asked);
        if (step !== null) onStep(`hears ${step}`);
      }
      yield Buffer.from(chunk);
    }
  }
  return Readable.from(listen()).on('error', () => undefined);
}

function nameAnswer(line: string, asked: ReadonlyMap<string, string>): string | null {
  const [, id = ''] = /^(\d+) (?:ok$|no )/.exec(line) ?? [];
  const [, word] = /fleetflip [0-9a-f]{24} ([a-z]+)/.exec(line) ?? [];
  if (/^(done|failed .*)$/.test(line)) return 'the upload';
  return asked.get(id) ?? word ?? null;
}
