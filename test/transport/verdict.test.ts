import { mkdir, rm, writeFile } from 'node:fs/promises';
import type { Connection as Client } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Failure } from '../../src/domain/error.ts';
import { fingerprint } from '../../src/transport/host-key.ts';
import { connectSsh2 } from '../../src/transport/ssh2-connection.ts';
import { failureOf } from '../support/failures.ts';
import { until } from '../support/until.ts';
import { type Keys, makeKeys, parse, startServer, type TestServer } from './server.ts';
import { connect, makeSetting, run, type Setting } from './setting.ts';

let setting: Setting;
let server: TestServer;
let logins: number;
let clients: Client[];
beforeEach(async () => {
  setting = await makeSetting();
  logins = 0;
  clients = [];
  server = await startServer({
    hostKeys: [makeKeys()],
    logIn(context) {
      logins += 1;
      context.accept();
    },
    ready: client => void clients.push(client),
  });
});
afterEach(async () => {
  await setting.end();
  await server.close();
});

/** New session keys at the server's wish. ssh2 has no way to change the host key: its protocol holds it by type. */
async function rekey(keys?: Keys): Promise<void> {
  for (const client of clients) {
    if (keys !== undefined)
      Reflect.get(Reflect.get(client, '_protocol'), '_hostKeys')['ssh-ed25519'] = parse(keys.private);
    await new Promise<void>(resolve => {
      client.once('close', resolve);
      client.rekey(() => resolve());
    });
  }
}

describe('the verdict on a host key', () => {
  it('is no before any login when the key is unknown, changed, revoked or cannot be looked up', async () => {
    const { address, port, key } = server;
    const name = `[${address}]:${port}`;
    const files: Readonly<Record<string, string | null>> = {
      HOST_KEY_UNKNOWN: '',
      HOST_KEY_CHANGED: `${name} ${makeKeys().public}\n`,
      HOST_KEY_REVOKED: `${name} ${key}\n@revoked * ${key}\n`,
      HOST_KEY_UNCHECKED: null,
    };
    for (const [code, text] of Object.entries(files)) {
      await rm(setting.knownHosts, { recursive: true, force: true });
      if (text === null) await mkdir(setting.knownHosts);
      else await writeFile(setting.knownHosts, text);
      expect(await failureOf(connect(setting.connector(), setting.host(server)))).toMatchObject({ code });
    }
    expect(logins).toBe(0);
  });

  it('is remembered when the connection changes its session keys', async () => {
    await setting.know(server);
    const connection = await connect(setting.connector(), setting.host(server));
    await setting.know();
    await rekey();
    expect(await run(connection, 'hello')).toEqual({ printed: 'hello', code: 0 });
    await expect(connect(setting.connector(), setting.host(server))).rejects.toThrow(/HOST_KEY_UNKNOWN/);
  });

  it('is no for another key in the middle of a connection, which ends with the reason', async () => {
    await setting.know(server);
    const connection = await connect(setting.connector(), setting.host(server));
    const other = makeKeys();
    await rekey(other);
    const reason = await connection.closed;
    expect(reason?.message).toContain('HOST_KEY_CHANGED');
    expect(reason?.message).toContain(fingerprint(parse(other.public).getPublicSSH()));
    await expect(connection.exec('hello')).rejects.toThrow(/CONNECTION_LOST.*|HOST_KEY_CHANGED/);
  });

  it.each([null, 'no'])('that comes when the connection has gone harms nobody (%s)', async verdict => {
    let judged = false;
    let decide: (verdict: Failure | null) => void = () => undefined;
    const deciding = new Promise<Failure | null>(resolve => {
      decide = resolve;
    });
    const control = new AbortController();
    const { address, port } = server;
    const connecting = connectSsh2({
      attempt: { host: 'web1', address, port, username: 'ann', tried: () => [] },
      login: { next: () => false, describe: () => [] },
      sock: undefined,
      keyTypes: [],
      judge(key) {
        judged = key.length > 0;
        return deciding;
      },
      timeout: 60_000,
      keepalive: { interval: 0, count: 0 },
      signal: control.signal,
    });
    await until(() => expect(judged).toBe(true));
    control.abort();
    expect(await failureOf(connecting)).toMatchObject({ code: 'INTERRUPTED' });
    await until(() => expect(server.open()).toBe(0));
    const failure = { kind: 'refused', code: 'HOST_KEY_UNKNOWN', phase: 'connect', what: '', hint: '' } as const;
    decide(verdict === null ? null : failure);
    await deciding;
    expect(logins).toBe(0);
  });
});
