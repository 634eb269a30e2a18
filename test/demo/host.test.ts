import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeKeys } from '../../src/demo/keys.ts';
import { type EmbeddedFleet, type EmbeddedHost, startEmbeddedFleet } from '../support/embedded.ts';
import { forwardTo, logIn, run } from './client.ts';

let fleet: EmbeddedFleet;
let host: EmbeddedHost;
beforeAll(async () => {
  fleet = await startEmbeddedFleet(2);
  host = fleet.host('demo1');
});
afterAll(() => fleet.stop());
beforeEach(() => host.setFaults({}));

function readGot(): Promise<string> {
  return readFile(join(host.directory, 'got'), 'utf8');
}

describe('an embedded host', () => {
  it('runs a command in a sh of its own directory, and tells both outputs and the status', async () => {
    const client = await logIn(host);
    const ran = await run(client, 'pwd; echo "$HOME"; echo no >&2; exit 7');
    expect(ran.stdout.toString()).toBe(`${host.directory}\n${host.directory}\n`);
    expect(ran).toMatchObject({ stderr: 'no\n', code: 7 });
    client.end();
  });

  it('tells the signal that ended a command', async () => {
    const client = await logIn(host);
    expect(await run(client, 'kill -KILL $$')).toMatchObject({ code: null, signal: expect.stringMatching(/KILL$/) });
    client.end();
  });

  it('carries more than a window of bytes both ways, exactly', async () => {
    const client = await logIn(host);
    const sent = randomBytes(6_000_000).toString('base64');
    const out = await run(client, 'cat >got && cat got', sent);
    expect([out.stdout.toString() === sent, out.code]).toEqual([true, 0]);
    const err = await run(client, 'cat got >&2');
    expect([err.stderr === sent, err.code]).toEqual([true, 0]);
    client.end();
  });

  it('ends the input of a command whose client has gone, and lets it finish', async () => {
    const client = await logIn(host);
    client.exec('echo started; { cat; echo the end; } >part; mv part got', (_error, channel) => {
      channel.write('half a li');
      channel.once('data', () => client.destroy());
    });
    await vi.waitFor(async () => expect(await readGot()).toBe('half a lithe end\n'), { timeout: 10_000 });
  });

  it('finds a faked program before the real one', async () => {
    await host.fake('df', 'echo faked');
    const client = await logIn(host);
    expect((await run(client, 'df -Pk .')).stdout.toString()).toBe('faked\n');
    await host.unfake('df');
    expect((await run(client, 'df -Pk .')).stdout.toString()).not.toBe('faked\n');
    client.end();
  });

  it('is a bastion to another one', async () => {
    const bastion = await logIn(host);
    const inner = await logIn(fleet.host('demo2'), { sock: await forwardTo(bastion, fleet.host('demo2').port) });
    expect((await run(inner, 'pwd')).stdout.toString()).toBe(`${fleet.host('demo2').directory}\n`);
    inner.end();
    await expect(forwardTo(bastion, 1)).rejects.toThrow();
    bastion.end();
  });

  it('takes no key but the one', async () => {
    await expect(logIn(host, { privateKey: makeOtherKey() })).rejects.toThrow(/authentication/);
  });

  it('is gone when it is stopped', async () => {
    const other = await startEmbeddedFleet(1);
    const [only] = other.hosts;
    if (only === undefined) throw new Error('no host');
    const client = await logIn(only);
    const closed = new Promise<void>(resolve => void client.on('close', () => resolve()));
    await other.stop();
    await closed;
    await expect(logIn(only, { privateKey: makeOtherKey() })).rejects.toThrow(/ECONNREFUSED/);
  });
});

describe('a host told to misbehave', () => {
  it('refuses the login', async () => {
    await host.setFaults({ refuseLogin: true });
    await expect(logIn(host)).rejects.toThrow(/authentication/);
  });

  it('hangs in the handshake', async () => {
    await host.setFaults({ hangInHandshake: true });
    await expect(logIn(host, { readyTimeout: 300 })).rejects.toThrow(/Timed out/);
  });

  it('drops the connection at the very byte', async () => {
    await host.setFaults({ dropAfterBytes: 100_000 });
    const client = await logIn(host);
    expect(await run(client, 'wc -c', 'x'.repeat(99_990))).toMatchObject({ code: 0 });
    expect((await run(client, 'cat >got', '0123456789abc')).code).toBeUndefined();
    await vi.waitFor(async () => expect(await readGot()).toBe('0123456789'), { timeout: 10_000 });
  });

  it('falls silent without closing', async () => {
    await host.setFaults({ blackHoleAfterBytes: 5 });
    const client = await logIn(host, { keepaliveInterval: 100, keepaliveCountMax: 2 });
    const lost = new Promise<Error>(resolve => client.on('error', resolve));
    const ran = run(client, 'cat', 'hello');
    expect((await lost).message).toMatch(/Keepalive timeout/);
    expect(await ran).toMatchObject({ code: undefined });
    expect((await ran).stdout.toString()).toBe('');
  });

  it('answers nonsense, at once or later', async () => {
    await host.setFaults({ nonsenseAfterBytes: 0 });
    const once = await logIn(host);
    expect((await run(once, 'echo sense')).stdout.toString('latin1')).toMatch(/^\0\xff.*no such verb/);
    once.end();
    await host.setFaults({ nonsenseAfterBytes: 3 });
    const later = await logIn(host);
    const { stdout } = await run(later, 'echo sense; cat', '123');
    expect(stdout.toString('latin1')).toMatch(/no such verb/);
    later.end();
  });

  it('counts from a text on, wherever it stands, and as many connections as it is told', async () => {
    await host.setFaults({ dropAfterBytes: 4, from: 'marker', times: 1 });
    const client = await logIn(host);
    const channel = run(client, 'cat >got', `${'x'.repeat(50_000)}marker0123456789`);
    expect((await channel).code).toBeUndefined();
    await vi.waitFor(async () => expect(await readGot()).toBe(`${'x'.repeat(50_000)}marker0123`), { timeout: 10_000 });
    const again = await logIn(host);
    expect(await run(again, 'cat >got', 'marker0123456789')).toMatchObject({ code: 0 });
    expect(await readGot()).toBe('marker0123456789');
    again.end();
  });

  it('ends a command without its status', async () => {
    await host.setFaults({ exitWithoutStatus: true });
    const client = await logIn(host);
    const ran = await run(client, 'echo out; exit 3');
    expect(ran.stdout.toString()).toBe('out\n');
    expect(ran).toMatchObject({ code: undefined, signal: undefined });
    client.end();
  });
});

function makeOtherKey(): string {
  return makeKeys().private;
}
