import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../../src/ports.ts';
import { failureOf } from '../support/failures.ts';
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

async function serve(manners: Manners): Promise<TestServer> {
  const server = await startServer({ hostKeys: [makeKeys()], ...manners });
  servers.push(server);
  await setting.know(...servers);
  return server;
}

/** Servers that stop at a stage, and tell when a client has come so far. */
const STAGES: Readonly<Record<string, (reached: () => void) => Manners>> = {
  'before the banner': reached => ({
    meet() {
      reached();
      return false;
    },
  }),
  'in the key exchange': reached => ({
    meet(socket) {
      socket.write('SSH-2.0-silent\r\n');
      socket.on('data', chunk => chunk.length > 100 && reached());
      return false;
    },
  }),
  'in the login': reached => ({ logIn: reached }),
  'between two tries': reached => ({
    meet(socket) {
      socket.once('close', reached).destroy();
      return false;
    },
  }),
};

describe('a run that is interrupted', () => {
  it.each(Object.keys(STAGES))('lets go of a connection that is %s', async stage => {
    const control = new AbortController();
    let tell: () => void = () => undefined;
    const reached = new Promise<void>(resolve => {
      tell = resolve;
    });
    const server = await serve(STAGES[stage]?.(tell) ?? {});
    const connecting = failureOf(connect(setting.connector(), setting.host(server), control));
    await reached;
    control.abort();
    expect(await connecting).toMatchObject({ code: 'INTERRUPTED', phase: 'connect', host: 'web1' });
    await until(() => expect(server.open()).toBe(0));
  });

  it('begins no connection', async () => {
    const server = await serve({});
    const control = new AbortController();
    control.abort();
    expect(await failureOf(connect(setting.connector(), setting.host(server), control))).toMatchObject({
      code: 'INTERRUPTED',
    });
    expect(server.met()).toBe(0);
  });

  it('lets those go that wait at the gate, without a byte to the server', async () => {
    const server = await serve({ meet: () => false });
    const connector = setting.connector({ maxHandshakes: 1 });
    const control = new AbortController();
    const connecting = ['web1', 'web2', 'web3'].map(name =>
      failureOf(connect(connector, setting.host(server, { name }), control)),
    );
    await until(() => expect(server.met()).toBe(1));
    control.abort();
    expect((await Promise.all(connecting)).map(({ host, code }) => [host, code])).toEqual([
      ['web1', 'INTERRUPTED'],
      ['web2', 'INTERRUPTED'],
      ['web3', 'INTERRUPTED'],
    ]);
    expect(server.met()).toBe(1);
  });

  it('leaves a connection that is ready', async () => {
    const server = await serve({});
    const control = new AbortController();
    const connection = await connect(setting.connector(), setting.host(server), control);
    control.abort();
    expect(await run(connection, 'hello')).toEqual({ printed: 'hello', code: 0 });
  });
});

describe('a run that is interrupted on its way through a bastion', () => {
  async function reach(bastion: Manners, target: Manners = {}): Promise<{ bastion: TestServer; target: TestServer }> {
    return { bastion: await serve(bastion), target: await serve(target) };
  }

  it('lets go when the bastion does not answer, or the host behind it', async () => {
    let asked = 0;
    const silent = await reach({
      forward() {
        asked += 1;
        return false;
      },
    });
    const behind = await reach({}, { meet: () => false });
    for (const { bastion, target } of [silent, behind]) {
      const control = new AbortController();
      const host = setting.host(target, { jump: [{ address: bastion.address, port: bastion.port }] });
      const connecting = failureOf(connect(setting.connector(), host, control));
      await until(() => expect(asked + behind.target.met()).toBeGreaterThan(target === silent.target ? 0 : 1));
      control.abort();
      expect(await connecting).toMatchObject({ code: 'INTERRUPTED', host: 'web1' });
      await until(() => expect(target.open()).toBe(0));
    }
  });

  it('ends the connection to the bastion only when nobody waits for it any more', async () => {
    let open: (goesOn: boolean) => void = () => undefined;
    const { bastion, target } = await reach({
      meet: () =>
        new Promise(resolve => {
          open = resolve;
        }),
    });
    const connector = setting.connector();
    const jump = [{ address: bastion.address, port: bastion.port }];
    const controls = [new AbortController(), new AbortController(), new AbortController()];
    const connecting = controls.map((control, at) =>
      connect(connector, setting.host(target, { name: `web${at}`, jump }), control),
    );
    const [first, second, third] = connecting.map(one => one.catch((thrown: Error): Error => thrown));
    await until(() => expect(bastion.met()).toBe(1));
    controls[0]?.abort();
    expect(await first).toMatchObject({ message: expect.stringContaining('INTERRUPTED') });
    expect(bastion.open()).toBe(1);
    open(true);
    for (const connection of [await second, await third])
      expect(await run(connection as Connection, 'hello')).toEqual({ printed: 'hello', code: 0 });
    controls[1]?.abort();
    expect(await run((await third) as Connection, 'hello')).toEqual({ printed: 'hello', code: 0 });
  });

  it('ends an attempt for which nobody waits, and makes another for the next host', async () => {
    let count = 0;
    const { bastion, target } = await reach({ meet: () => ++count > 1 });
    const connector = setting.connector();
    const jump = [{ address: bastion.address, port: bastion.port }];
    const control = new AbortController();
    const connecting = ['web1', 'web2'].map(name =>
      failureOf(connect(connector, setting.host(target, { name, jump }), control)),
    );
    await until(() => expect(bastion.met()).toBe(1));
    control.abort();
    for (const failure of await Promise.all(connecting)) expect(failure.code).toBe('INTERRUPTED');
    await until(() => expect(bastion.open()).toBe(0));
    const connection = await connect(connector, setting.host(target, { name: 'web3', jump }));
    expect(await run(connection, 'hello')).toEqual({ printed: 'hello', code: 0 });
  });
});
