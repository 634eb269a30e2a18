import { describe, expect, it } from 'vitest';
import { startAgent } from '../../src/host/start.ts';
import { failureOf } from '../support/failures.ts';
import { until } from '../support/until.ts';
import { NONCE, type ScriptedHost, scriptHost } from './channel.ts';

const AGENT = 'echo the agent\n';
const serve = { verb: 'serve', words: ['foo_l', 'foo_r'] } as const;

function start(host: ScriptedHost, signal?: AbortSignal) {
  return startAgent(host.start, { ...serve, signal });
}

describe('starting the agent', () => {
  it('sends nothing but the prelude before the host has answered, whatever the login prints', async () => {
    const host = scriptHost();
    const starting = start(host);
    host.say(`Welcome!\nfleetflip ready\nfleetflip 00 need\n${'-'.repeat(5000)}\n`);
    host.complain('stty: standard input: Inappropriate ioctl\n');
    await until(() => expect(host.heard()).not.toBe(''));
    const prelude = host.heard();
    expect(prelude).not.toContain(AGENT);
    expect(host.commands).toEqual([`exec sh -c 'eval "$(dd bs=1 count=${prelude.length} 2>/dev/null)"'`]);
    host.say(`last login: today fleetflip ${NONCE} ready\n1 + first line\n`);
    const { reader, complaints } = await starting;
    expect(host.heard()).toBe(prelude);
    expect(await reader.line()).toBe('1 + first line');
    expect(complaints()).toContain('Inappropriate ioctl');
  });

  it('brings the agent when it is needed, and only once', async () => {
    const host = scriptHost();
    const starting = start(host);
    host.say(`fleetflip ${NONCE} need\nfleetflip ${NONCE} need\n`);
    await until(() => expect(host.heard()).toContain(AGENT));
    host.say(`fleetflip ${NONCE} need\nfleetflip ${NONCE} ready\n`);
    await starting;
    expect(host.heard().split(AGENT)).toHaveLength(2);
  });

  it('fails with what the host refuses', async () => {
    for (const [code, what] of [
      ['NO_ROOT', 'the root directory does not exist'],
      ['NOT_WRITABLE', 'the login may not write to the root directory'],
    ] as const) {
      const host = scriptHost();
      host.say(`fleetflip ${NONCE} refused ${code}\n`);
      expect(await failureOf(start(host))).toMatchObject({
        kind: 'refused',
        code,
        what,
        phase: 'connect',
        host: 'web1',
      });
      expect(host.destroyed()).toBe(true);
    }
  });

  it('fails when the login runs no shell, and shows safely what it printed', async () => {
    const host = scriptHost();
    host.say('This account is \x1b[31mclosed\x1b[0m.\n');
    host.complain('bye\n');
    host.exit({ code: 1, signal: null });
    const failure = await failureOf(start(host));
    expect(failure).toMatchObject({ kind: 'failed', code: 'AGENT_NOT_STARTED', phase: 'connect' });
    expect(failure.what).toBe(
      'the login ran no POSIX shell for us and printed: This account is \\x1b[31mclosed\\x1b[0m.\nbye',
    );
  });

  it('fails when the login only sends back what it gets', async () => {
    const host = scriptHost();
    const starting = failureOf(start(host));
    await until(() => expect(host.heard()).not.toBe(''));
    host.say(host.heard());
    host.exit({ code: 0, signal: null });
    expect(await starting).toMatchObject({ code: 'AGENT_NOT_STARTED' });
    expect(host.heard()).not.toContain(AGENT);
  });

  it('fails when the login prints without end, in a line or in many, empty ones too', async () => {
    for (const noise of ['x'.repeat(1 << 16), `${'x'.repeat(100)}\n`, '\n']) {
      const host = scriptHost();
      const starting = failureOf(start(host));
      for (let said = 0; said <= 1 << 20; said += 1 << 16) host.say(noise.repeat((1 << 16) / noise.length + 1));
      expect(await starting, JSON.stringify(noise.slice(0, 3))).toMatchObject({ kind: 'failed', code: 'LOGIN_NOISE' });
      expect(host.destroyed()).toBe(true);
    }
  });

  it('is lost with the connection, at every step', async () => {
    for (const said of ['', 'Welcome!\n', `fleetflip ${NONCE} need\n`, `fleetflip ${NONCE} rea`]) {
      const host = scriptHost();
      const starting = failureOf(start(host));
      host.say(said);
      host.lose();
      expect(await starting, said).toMatchObject({ kind: 'lost', code: 'CONNECTION_LOST', phase: 'connect' });
    }
  });

  it('is given up when its time is over, or the run is', async () => {
    const silent = scriptHost(50);
    expect(await failureOf(start(silent))).toMatchObject({ kind: 'timed-out', code: 'TIMED_OUT' });
    const interrupted = scriptHost();
    const control = new AbortController();
    const starting = failureOf(start(interrupted, control.signal));
    control.abort();
    expect(await starting).toMatchObject({ kind: 'unknown', code: 'INTERRUPTED' });
    await until(() => expect([silent.destroyed(), interrupted.destroyed()]).toEqual([true, true]));
  });

  it('lets go of a channel that is opened too late', async () => {
    const host = scriptHost();
    let open: () => void = () => undefined;
    const opened = new Promise<void>(resolve => {
      open = resolve;
    });
    const { exec } = host.connection;
    const slow = { ...host.connection, exec: (command: string) => opened.then(() => exec(command)) };
    const control = new AbortController();
    const starting = failureOf(startAgent({ ...host.start, connection: slow }, { ...serve, signal: control.signal }));
    control.abort();
    expect(await starting).toMatchObject({ code: 'INTERRUPTED' });
    open();
    await until(() => expect(host.destroyed()).toBe(true));
  });

  it('fails in the phase that it is for', async () => {
    const host = scriptHost();
    host.exit({ code: 127, signal: null });
    const job = { verb: 'receive', words: ['foo_l', 'archive', 'foo_l'] } as const;
    expect(await failureOf(startAgent(host.start, job))).toMatchObject({ code: 'AGENT_NOT_STARTED', phase: 'stage' });
  });
});
