import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JumpHost } from '../../src/domain/fleet.ts';
import { failureOf } from '../support/failures.ts';
import { findLoopbacks } from '../support/loopbacks.ts';
import { until } from '../support/until.ts';
import { type Manners, makeKeys, startServer, type TestServer } from './server.ts';
import { connect, makeSetting, run, type Setting } from './setting.ts';

let setting: Setting;
let servers: TestServer[];
beforeEach(async () => {
  setting = await makeSetting();
  servers = [];
});
afterEach(async () => {
  await setting.end();
  for (const server of servers) await server.close();
});

/** Servers with these manners, all in known_hosts, each with a key of its own. */
async function serve(...manners: readonly Manners[]): Promise<TestServer[]> {
  servers = await Promise.all(manners.map(one => startServer({ hostKeys: [makeKeys()], ...one })));
  await setting.know(...servers);
  return servers;
}

const hop = ({ address, port }: TestServer, user?: string): JumpHost => ({
  ...(user === undefined ? {} : { user }),
  address,
  port,
});

describe('a host behind bastions', () => {
  it.each(findLoopbacks())('is reached at %s', async address => {
    const bastion = await startServer({ hostKeys: [makeKeys()] }, address);
    const target = await startServer({ hostKeys: [makeKeys()] }, address);
    servers = [bastion, target];
    await setting.know(bastion, target);
    const connection = await connect(setting.connector(), setting.host(target, { jump: [hop(bastion)] }));
    expect(await run(connection, 'hello')).toEqual({ printed: 'hello', code: 0 });
  });

  it('is reached through a chain of two, each asked only for the next', async () => {
    const asked: string[][] = [[], []];
    const note = (at: number) => (_address: string, port: number) => Boolean(asked[at]?.push(String(port)));
    const users: string[] = [];
    const logIn: Manners['logIn'] = context => {
      if (context.method === 'publickey' && context.signature !== undefined) users.push(context.username);
      context.accept();
    };
    const [outer, inner, target] = await serve({ forward: note(0), logIn }, { forward: note(1), logIn }, { logIn });
    if (!outer || !inner || !target) throw new Error('no servers');
    const host = setting.host(target, { user: 'deploy', jump: [hop(outer, 'ops'), hop(inner)] });
    const connection = await connect(setting.connector(), host);
    expect(await run(connection, 'hello')).toEqual({ printed: 'hello', code: 0 });
    expect(asked).toEqual([[String(inner.port)], [String(target.port)]]);
    expect(users).toEqual(['ops', 'ann', 'deploy']);
  });

  it('shares one connection to each bastion with all hosts that go the same way', async () => {
    const [outer, inner, ...targets] = await serve({}, {}, {}, {}, {}, {});
    if (!outer || !inner) throw new Error('no servers');
    const connector = setting.connector();
    const jump = [hop(outer), hop(inner)];
    const both = targets.flatMap((target, at) => [
      setting.host(target, { name: `a${at}`, jump }),
      setting.host(target, { name: `b${at}`, jump }),
    ]);
    const connections = await Promise.all(both.map(host => connect(connector, host)));
    for (const connection of connections) expect((await run(connection, 'hello')).printed).toBe('hello');
    expect(servers.map(server => server.met())).toEqual([1, 1, 2, 2, 2, 2]);
    const alone = setting.host(inner, { jump: [hop(outer)] });
    await connect(connector, alone);
    expect(outer.met()).toBe(1);
  });

  it('waits at a gate of its bastion while as many handshakes are going on there as are allowed', async () => {
    const [bastion, target] = await serve({}, { meet: () => new Promise(resolve => setImmediate(resolve, true)) });
    if (!bastion || !target) throw new Error('no servers');
    const connector = setting.connector({ maxHandshakes: 3 });
    const hosts = Array.from({ length: 12 }, (_, at) =>
      setting.host(target, { name: `web${at}`, jump: at % 2 === 0 ? [] : [hop(bastion)] }),
    );
    await Promise.all(hosts.map(host => connect(connector, host)));
    expect(target.met()).toBe(12);
    // Three at the target's own gate, and three behind the bastion.
    expect(target.crowd()).toBeLessThanOrEqual(6);
    const direct = hosts.map(host => ({ ...host, ssh: { ...host.ssh, jump: [] } }));
    const alone = await startServer();
    await setting.know(...servers, alone);
    await Promise.all(direct.map(host => connect(connector, { ...host, ssh: { ...host.ssh, port: alone.port } })));
    expect(alone.crowd()).toBe(3);
    await alone.close();
  });

  it('is reached through a new connection after the bastion has gone', async () => {
    const [bastion, target] = await serve({ ready: (_client, socket) => void sockets.push(socket) }, {});
    if (!bastion || !target) throw new Error('no servers');
    const connector = setting.connector();
    const host = setting.host(target, { jump: [hop(bastion)] });
    const first = await connect(connector, host);
    for (const socket of sockets) socket.destroy();
    await first.closed;
    await expect(first.exec('hello')).rejects.toThrow(/CONNECTION_LOST/);
    expect(await run(await connect(connector, host), 'hello')).toEqual({ printed: 'hello', code: 0 });
    expect(bastion.met()).toBe(2);
  });
  const sockets: { destroy(): void }[] = [];
});

describe('a bastion that fails', () => {
  it('is told of every host behind it, with its own address and user', async () => {
    const [bastion, target] = await serve({ logIn: context => context.reject(['publickey']) }, {});
    if (!bastion || !target) throw new Error('no servers');
    const connector = setting.connector();
    const names = ['web1', 'web2', 'web3'];
    const failures = await Promise.all(
      names.map(name => failureOf(connect(connector, setting.host(target, { name, jump: [hop(bastion, 'ops')] })))),
    );
    expect(failures.map(({ host, code }) => [host, code])).toEqual(names.map(name => [name, 'LOGIN_FAILED']));
    for (const { what } of failures)
      expect(what).toContain(`at a bastion: ops@127.0.0.1 port ${bastion.port}: the server refuses the login`);
    expect([bastion.met(), target.met()]).toEqual([1, 0]);
  });

  it('with a key that is unknown is not asked for anything', async () => {
    const [outer, inner, target] = await serve({}, {}, {});
    if (!outer || !inner || !target) throw new Error('no servers');
    await setting.know(outer, target);
    const host = setting.host(target, { jump: [hop(outer), hop(inner)] });
    const failure = await failureOf(connect(setting.connector(), host));
    expect(failure).toMatchObject({ host: 'web1', code: 'HOST_KEY_UNKNOWN' });
    expect(failure.what).toMatch(new RegExp(`^at a bastion: the host key .* of 127.0.0.1 port ${inner.port} `));
    expect(target.met()).toBe(0);
  });

  it('in reaching the host says which bastion could not reach what', async () => {
    const [bastion, target] = await serve({}, {});
    if (!bastion || !target) throw new Error('no servers');
    await target.close();
    servers = [bastion];
    expect(await failureOf(connect(setting.connector(), setting.host(target, { jump: [hop(bastion)] })))).toMatchObject(
      {
        kind: 'failed',
        code: 'BASTION_FAILED',
        what: expect.stringContaining(
          `the bastion ann@127.0.0.1 port ${bastion.port} could not reach 127.0.0.1 port ${target.port}`,
        ),
      },
    );
  });

  it('to answer is given up in time', async () => {
    const [bastion, target] = await serve({ forward: () => false }, {});
    if (!bastion || !target) throw new Error('no servers');
    const connector = setting.connector({ timeout: 1000 });
    expect(await failureOf(connect(connector, setting.host(target, { jump: [hop(bastion)] })))).toMatchObject({
      kind: 'timed-out',
      code: 'BASTION_FAILED',
    });
  });

  it('is ended with its connector, and no bastion is left open', async () => {
    const [outer, inner, target] = await serve({}, {}, {});
    if (!outer || !inner || !target) throw new Error('no servers');
    const connector = setting.connector();
    const connection = await connect(connector, setting.host(target, { jump: [hop(outer), hop(inner)] }));
    connection.close();
    await connector.close();
    await until(() => expect(servers.map(server => server.open())).toEqual([0, 0, 0]));
  });
});
