import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { failureOf } from '../support/failures.ts';
import { findLoopbacks } from '../support/loopbacks.ts';
import { type Manners, makeKeys, startServer, type TestServer } from './server.ts';
import { connect, makeSetting, run, type Setting } from './setting.ts';

let setting: Setting;
const servers: TestServer[] = [];
beforeEach(async () => {
  setting = await makeSetting();
});
afterEach(async () => {
  await setting.end();
  for (const server of servers.splice(0)) await server.close();
});

/** A server that is in known_hosts. */
async function serve(manners: Manners = {}, address?: string): Promise<TestServer> {
  const server = await startServer(manners, address);
  servers.push(server);
  await setting.know(...servers);
  return server;
}

const at = ({ port }: { port: number }): string => `ann@127.0.0.1 port ${port}: `;

describe('a connection', () => {
  it.each(findLoopbacks())('to %s runs commands until it is closed', async address => {
    const server = await serve({}, address);
    const connection = await connect(setting.connector(), setting.host(server));
    expect(await run(connection, 'hello')).toEqual({ printed: 'hello', code: 0 });
    connection.close();
    expect(await connection.closed).toBe(null);
    await expect(connection.exec('hello')).rejects.toThrow(/CONNECTION_LOST/);
  });

  it('fails where nothing listens, and names address, port and user', async () => {
    const server = await serve();
    await server.close();
    servers.length = 0;
    expect(await failureOf(connect(setting.connector(), setting.host(server, { user: 'bob' })))).toEqual({
      kind: 'failed',
      code: 'CONNECTION_REFUSED',
      phase: 'connect',
      host: 'web1',
      what: `bob@127.0.0.1 port ${server.port}: nothing listens there`,
      hint: 'Correct address and port, or start the SSH server',
    });
  });

  it('fails where the name does not resolve', async () => {
    const failure = await failureOf(connect(setting.connector(), setting.host({ address: 'no.invalid', port: 22 })));
    expect(failure).toMatchObject({
      code: 'HOST_UNRESOLVED',
      what: expect.stringMatching(/^ann@no\.invalid port 22: /),
    });
  });

  it('fails when the server says nothing, or no more after its banner', async () => {
    for (const banner of ['', 'SSH-2.0-silent\r\n']) {
      const server = await serve({ meet: socket => !socket.write(banner) && false });
      const failure = await failureOf(connect(setting.connector({ timeout: 500 }), setting.host(server)));
      expect(failure).toMatchObject({ kind: 'timed-out', code: 'HANDSHAKE_TIMEOUT' });
      expect(failure.what).toBe(`${at(server)}the server did not finish the SSH handshake in time`);
    }
  });

  it('is tried again when the server drops it in the handshake, as sshd does when too many come at a time', async () => {
    const server = await serve({
      meet(socket, count) {
        if (count === 1) socket.destroy();
        if (count === 2) socket.end('SSH-2.0-busy\r\n');
        return count === 3;
      },
    });
    const connection = await connect(setting.connector(), setting.host(server));
    expect(await run(connection, 'hello')).toEqual({ printed: 'hello', code: 0 });
    expect(server.met()).toBe(3);
  });

  it('fails when the server drops it every time, and says how often it was tried', async () => {
    const server = await serve({ meet: socket => !socket.end('SSH-2.0-busy\r\n') && false });
    const failure = await failureOf(connect(setting.connector({ tries: 3 }), setting.host(server)));
    expect(failure).toMatchObject({
      kind: 'lost',
      code: 'CONNECTION_DROPPED',
      hint: expect.stringContaining('MaxStartups'),
    });
    expect(failure.what).toMatch(
      new RegExp(`^${at(server)}the connection ended in the handshake: .* \\(tried 3 times\\)$`),
    );
    expect(server.met()).toBe(3);
  });

  it('fails where something else listens', async () => {
    const server = await serve({ meet: socket => !socket.end('HTTP/1.1 400 Bad Request\r\n\r\n') && false });
    const failure = await failureOf(connect(setting.connector({ tries: 2 }), setting.host(server)));
    expect(failure).toMatchObject({ code: 'CONNECTION_DROPPED', what: expect.stringContaining(at(server)) });
  });

  it('fails at once when what the server speaks is not what SSH is', async () => {
    for (const speech of ['SSH-1.5-old\r\n', `SSH-2.0-x\r\n${'\xff'.repeat(100)}`]) {
      const server = await serve({ meet: socket => !socket.write(speech, 'latin1') && false });
      const failure = await failureOf(connect(setting.connector(), setting.host(server)));
      expect(failure).toMatchObject({ code: 'HANDSHAKE_FAILED', what: expect.stringContaining(at(server)) });
      expect(server.met()).toBe(1);
    }
  });

  it('fails when there is no common algorithm, and names the kind and ours', async () => {
    const server = await serve({ algorithms: { kex: ['diffie-hellman-group14-sha1'] } });
    expect(await failureOf(connect(setting.connector(), setting.host(server)))).toMatchObject({
      code: 'HANDSHAKE_FAILED',
      what: `${at(server)}the server and we share no key exchange algorithm`,
      hint: expect.stringContaining('curve25519-sha256'),
    });
    const old = await serve({ algorithms: { hmac: ['hmac-sha1'], cipher: ['aes128-ctr'] } });
    expect((await failureOf(connect(setting.connector(), setting.host(old)))).what).toContain('share no MAC');
  });

  it('fails when the server has no key of a kind that is known', async () => {
    const [ed25519, ecdsa] = [makeKeys(), makeKeys('ecdsa')];
    const server = await serve({ hostKeys: [ecdsa] });
    await setting.know({ ...server, key: ed25519.public });
    const failure = await failureOf(connect(setting.connector(), setting.host(server)));
    expect(failure).toMatchObject({ kind: 'refused', code: 'HOST_KEY_CHANGED' });
    expect(failure.what).toContain(`${setting.knownHosts}:1`);
  });

  it('asks for the kind of key that is known, where the server has several', async () => {
    const keys = [makeKeys(), makeKeys('ecdsa'), makeKeys('rsa')];
    for (const known of keys) {
      const server = await serve({ hostKeys: keys });
      await setting.know({ ...server, key: known.public });
      const connection = await connect(setting.connector(), setting.host(server));
      expect((await run(connection, 'hello')).code).toBe(0);
    }
  });
});
