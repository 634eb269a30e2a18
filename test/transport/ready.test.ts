import type { Socket } from 'node:net';
import type { Connection as Client, ServerChannel } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../../src/ports.ts';
import { failureOf } from '../support/failures.ts';
import { until } from '../support/until.ts';
import { startServer, type TestServer } from './server.ts';
import { connect, makeSetting, run, type Setting } from './setting.ts';

let setting: Setting;
let server: TestServer;
/** The server's side of the connection. */
let there: { readonly client: Client; readonly socket: Socket };
/** The channel of each command, by its text. */
let channels: Map<string, ServerChannel>;
beforeEach(async () => {
  setting = await makeSetting();
  channels = new Map();
});
afterEach(async () => {
  await setting.end();
  await server.close();
});

async function reach(keepalive = { interval: 15_000, count: 4 }): Promise<Connection> {
  server = await startServer({
    ready(client, socket) {
      there = { client, socket };
    },
    exec: (command, channel) => void channels.set(command, channel),
  });
  await setting.know(server);
  return connect(setting.connector({ keepalive }), setting.host(server));
}

async function serverSide(command: string): Promise<ServerChannel> {
  return until(() => {
    const channel = channels.get(command);
    if (channel === undefined) throw new Error(`the server has not seen ${command}`);
    return channel;
  });
}

async function readAll(stream: NodeJS.ReadableStream): Promise<string> {
  let read = '';
  for await (const chunk of stream) read += String(chunk);
  return read;
}

describe('a connection that is ready', () => {
  it('ends without a crash when it is reset, and what is running on it with it', async () => {
    const connection = await reach();
    const channel = await connection.exec('waits');
    const reading = readAll(channel.stdout);
    there.socket.resetAndDestroy();
    expect(await connection.closed).toMatchObject({ code: 'ECONNRESET' });
    expect(await channel.exit).toEqual({ code: null, signal: null });
    expect(await reading).toBe('');
    expect(await failureOf(connection.exec('hello'))).toMatchObject({
      kind: 'lost',
      code: 'CONNECTION_LOST',
      what: expect.stringContaining(`ann@127.0.0.1 port ${server.port}`),
    });
  });

  it('ends when the server ends it, and a command that was never answered is lost with it', async () => {
    const connection = await reach();
    there.client.removeAllListeners('session').on('session', () => there.client.end());
    expect(await failureOf(connection.exec('hello'))).toMatchObject({ kind: 'lost', code: 'CONNECTION_LOST' });
    expect(await connection.closed).toBe(null);
  });

  it('ends when the server answers no keepalive any more, and not before', async () => {
    const connection = await reach({ interval: 30, count: 2 });
    let pings = 0;
    let ended = false;
    void connection.closed.then(() => {
      ended = true;
    });
    there.socket.on('data', () => {
      pings += 1;
    });
    await until(() => expect(pings).toBeGreaterThan(5));
    expect(ended).toBe(false);
    const channel = await connection.exec('waits');
    there.socket.removeAllListeners('data').resume();
    expect(await connection.closed).toMatchObject({ message: 'Keepalive timeout' });
    expect(await channel.exit).toEqual({ code: null, signal: null });
  });

  it('goes on as long as anything comes, though what it asks waits behind an upload', async () => {
    const connection = await reach({ interval: 30, count: 2 });
    const channel = await connection.exec('upload');
    const theirs = await serverSide('upload');
    let asked = 0;
    there.socket
      .removeAllListeners('data')
      .on('data', () => {
        asked += 1;
      })
      .resume();
    let ended = false;
    void connection.closed.then(() => {
      ended = true;
    });
    theirs.write('x');
    for await (const _ of channel.stdout) {
      if (asked > 10) break;
      setImmediate(() => theirs.write('x'));
    }
    expect(ended).toBe(false);
    expect(await connection.closed).toMatchObject({ message: 'Keepalive timeout' });
  });

  it('tells a status, a signal and the lack of both apart', async () => {
    const connection = await reach();
    const ends: Readonly<Record<string, (channel: ServerChannel) => void>> = {
      status: channel => channel.exit(3),
      signal: channel => channel.exit('KILL'),
      neither: () => undefined,
    };
    const exits: unknown[] = [];
    for (const [command, tell] of Object.entries(ends)) {
      const channel = await connection.exec(command);
      channel.stdout.resume();
      const theirs = await serverSide(command);
      tell(theirs);
      theirs.end();
      exits.push(await channel.exit);
    }
    expect(exits).toEqual([
      { code: 3, signal: null },
      { code: null, signal: 'SIGKILL' },
      { code: null, signal: null },
    ]);
  });

  it('says so when the server opens no further channel', async () => {
    const connection = await reach();
    there.client.removeAllListeners('session').on('session', (_accept, reject) => reject());
    expect(await failureOf(connection.exec('hello'))).toMatchObject({
      kind: 'failed',
      code: 'CHANNEL_REFUSED',
      hint: expect.stringContaining('MaxSessions'),
    });
  });

  it('lets go of a channel that is given up at once, and goes on with others', async () => {
    const connection = await reach();
    const channel = await connection.exec('silent');
    const reading = readAll(channel.stdout);
    channel.destroy();
    expect(await channel.exit).toEqual({ code: null, signal: null });
    await expect(reading).rejects.toThrow('the channel was given up');
    const other = run(connection, 'other');
    const theirs = await serverSide('other');
    theirs.write('still here');
    theirs.exit(0);
    theirs.end();
    expect(await other).toEqual({ printed: 'still here', code: 0 });
  });

  it('is closed even if the server does not hear the goodbye', async () => {
    const connection = await reach();
    there.socket.removeAllListeners('data').removeAllListeners('end').pause();
    connection.close();
    await connection.closed;
    await expect(connection.exec('hello')).rejects.toThrow(/CONNECTION_LOST/);
  });
});
