import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../../src/ports.ts';
import { failureOf } from '../support/failures.ts';
import { until } from '../support/until.ts';
import { type AgentManners, startAgent, type TestAgent } from './agent.ts';
import { type Keys, type Manners, makeKeys, parse, startServer, type TestServer } from './server.ts';
import { connect, makeSetting, type Setting } from './setting.ts';

let setting: Setting;
let offered: string[];
const closing: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  setting = await makeSetting();
  offered = [];
});
afterEach(async () => {
  await setting.end();
  for (const one of closing.splice(0)) await one.close();
});

/** Takes these keys alone, and writes down every key that is offered. */
function takes(...keys: readonly Keys[]): NonNullable<Manners['logIn']> {
  const allowed = keys.map(pair => parse(pair.public).getPublicSSH());
  return context => {
    if (context.method !== 'publickey') return context.reject(['publickey']);
    if (context.signature === undefined) offered.push(context.key.data.toString('base64'));
    if (allowed.some(key => key.equals(context.key.data))) context.accept();
    else context.reject(['publickey']);
  };
}

const base64 = (keys: Keys): string => keys.public.split(' ')[1] ?? '';

async function serve(logIn: NonNullable<Manners['logIn']>): Promise<TestServer> {
  const server = await startServer({ logIn });
  closing.push(server);
  await setting.know(server);
  return server;
}

async function serveAgent(manners: AgentManners): Promise<TestAgent> {
  const agent = await startAgent(join(setting.home, 'agent'), manners);
  closing.push(agent);
  return agent;
}

function logIn(server: TestServer, agent?: TestAgent, identity: readonly string[] = []): Promise<Connection> {
  const env = agent === undefined ? {} : { SSH_AUTH_SOCK: agent.path };
  return connect(setting.connector({ env, timeout: 20_000 }), setting.host(server, { identity }));
}

describe('a login', () => {
  it('tries all keys of the agent in their order, then the usual files', async () => {
    const keys = [makeKeys(), makeKeys('ecdsa'), makeKeys('rsa')];
    const server = await serve(takes(setting.keys));
    await logIn(server, await serveAgent({ keys }));
    expect(offered).toEqual([...keys, setting.keys].map(base64));
  });

  it('is made with the one key of several that the server takes', async () => {
    for (const kind of ['ed25519', 'ecdsa', 'rsa'] as const) {
      const right = makeKeys(kind);
      const agent = await serveAgent({ keys: [makeKeys(), right, makeKeys()] });
      await logIn(await serve(takes(right)), agent);
      await agent.close();
    }
    expect(offered).toHaveLength(6);
  });

  it('goes on with the files when there is no agent, or one that does not sign', async () => {
    const server = await serve(takes(setting.keys));
    await logIn(server, { path: join(setting.home, 'none'), close: async () => undefined });
    const agentKey = makeKeys();
    const both = await serve(takes(setting.keys, agentKey));
    await logIn(both, await serveAgent({ keys: [agentKey], sign: async () => false }));
    expect(offered).toEqual([setting.keys, agentKey, setting.keys].map(base64));
  });

  it('that is refused names all that was tried, and is not tried again', async () => {
    const server = await serve(takes());
    const agent = await serveAgent({ keys: [makeKeys(), makeKeys()] });
    const file = join(setting.home, '.ssh', 'id_ed25519');
    expect(await failureOf(logIn(server, agent))).toEqual({
      kind: 'refused',
      code: 'LOGIN_FAILED',
      phase: 'connect',
      host: 'web1',
      what: `ann@127.0.0.1 port ${server.port}: the server refuses the login; tried the SSH agent (2 keys), ${file}`,
      hint: 'Add your public key to authorized_keys on this host, or name another user or key',
    });
    expect(server.met()).toBe(1);
  });

  it('that has nothing to try says so', async () => {
    await rm(join(setting.home, '.ssh', 'id_ed25519'));
    const failure = await failureOf(logIn(await serve(takes())));
    expect(failure).toMatchObject({
      code: 'LOGIN_FAILED',
      what: expect.stringContaining('tried nothing, for there is no SSH agent and none of the usual keys'),
    });
  });

  it('that the server ends after too many keys is refused, with what helps', async () => {
    const keys = Array.from({ length: 8 }, () => makeKeys());
    let tries = 0;
    const server = await serve((context, client) => {
      tries += 1;
      if (tries > 6) disconnect(client);
      else context.reject(['publickey']);
    });
    expect(await failureOf(logIn(server, await serveAgent({ keys })))).toMatchObject({
      kind: 'refused',
      code: 'LOGIN_FAILED',
      what: expect.stringContaining(
        'the server ended the login: NO_MORE_AUTH_METHODS_AVAILABLE; tried the SSH agent (8 keys)',
      ),
      hint: expect.stringContaining('ssh.identity'),
    });
    expect(server.met()).toBe(1);
  });

  it('that the server never answers, or breaks off, is not tried again', async () => {
    const silent = await serve(() => undefined);
    const late = await failureOf(connect(setting.connector({ timeout: 1000 }), setting.host(silent)));
    expect(late).toMatchObject({
      kind: 'timed-out',
      what: expect.stringContaining('the login was not answered in time'),
    });
    const rude = await serve((_context, client) => client.end());
    expect(await failureOf(logIn(rude))).toMatchObject({ kind: 'lost', code: 'CONNECTION_LOST' });
    expect([silent.met(), rude.met()]).toEqual([1, 1]);
  });

  it.each(['list', 'sign'] as const)('survives an agent that answers %s when the connection has gone', async late => {
    const right = makeKeys();
    let asked = false;
    let answer: () => void = () => undefined;
    const held = new Promise<void>(resolve => {
      answer = resolve;
    });
    const hold = async (): Promise<void> => {
      asked = true;
      await held;
    };
    const sign = async (): Promise<boolean> => hold().then(() => true);
    const agent = await serveAgent({ keys: [right], ...(late === 'list' ? { list: hold } : { sign }) });
    const control = new AbortController();
    const server = await serve(takes(right));
    const connector = setting.connector({ env: { SSH_AUTH_SOCK: agent.path } });
    const connecting = connect(connector, setting.host(server), control);
    await until(() => expect(asked).toBe(true));
    control.abort();
    expect(await failureOf(connecting)).toMatchObject({ code: 'INTERRUPTED' });
    await until(() => expect(server.open()).toBe(0));
    answer();
    // What the agent says goes through its socket and ssh2; an exception there would fail this run.
    for (let count = 0; count < 20; count++) await turn();
  });
});

describe('a named key', () => {
  const named = (): string => join(setting.home, 'deploy key');

  it('is the only one that is tried', async () => {
    const [key, other] = [makeKeys(), makeKeys()];
    await writeFile(named(), key.private);
    await logIn(await serve(takes(key)), await serveAgent({ keys: [other] }), [named()]);
    expect(offered).toEqual([base64(key)]);
  });

  it('that is missing, has a passphrase or is none ends the run before the server is asked', async () => {
    const server = await serve(takes());
    expect(await failureOf(logIn(server, undefined, [named()]))).toMatchObject({
      kind: 'refused',
      code: 'KEY_UNREADABLE',
      what: expect.stringContaining(`${named()} cannot be read: ENOENT`),
    });
    await writeFile(
      named(),
      ssh2.utils.generateKeyPairSync('ed25519', { passphrase: 'x', cipher: 'aes256-ctr', rounds: 1 }).private,
    );
    expect(await failureOf(logIn(server, undefined, [named()]))).toMatchObject({ code: 'KEY_ENCRYPTED' });
    await writeFile(named(), 'no key');
    expect(await failureOf(logIn(server, undefined, [named()]))).toMatchObject({ code: 'KEY_UNREADABLE' });
    expect(server.met()).toBe(0);
  });
});

/** As sshd does: types do not know it. */
function disconnect(client: object): void {
  Reflect.get(client, '_protocol').disconnect(14);
}
