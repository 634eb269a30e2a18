/** A connection to a host that the test speaks for. */

import { PassThrough } from 'node:stream';
import type { App } from '../../src/domain/fleet.ts';
import { systemClock } from '../../src/engine/prepare.ts';
import type { AgentStart } from '../../src/host/start.ts';
import type { Channel, Connection, Exit } from '../../src/ports.ts';

export const APP: App = { name: 'foo', root: '/var/www', slots: ['foo_l', 'foo_r'] };
export const NONCE = 'abcdef0123456789';

export interface ScriptedHost {
  readonly connection: Connection;
  readonly commands: readonly string[];
  /** What was written to the command's standard input so far. */
  heard(): string;
  say(text: string): void;
  complain(text: string): void;
  /** Ends the command. */
  exit(exit: Exit): void;
  /** Ends the connection without a word. */
  lose(): void;
  readonly destroyed: () => boolean;
  readonly start: AgentStart;
}

export function scriptHost(patience = 10_000): ScriptedHost {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const commands: string[] = [];
  let heard = '';
  let destroyed = false;
  let end: (exit: Exit) => void = () => undefined;
  let close: (reason: Error | null) => void = () => undefined;
  stdin.on('data', chunk => {
    heard += chunk.toString('latin1');
  });
  const closed = new Promise<Error | null>(resolve => {
    close = resolve;
  });
  const exited = new Promise<Exit>(resolve => {
    end = resolve;
  });
  const exit = (how: Exit): void => {
    stdout.end();
    stderr.end();
    end(how);
  };
  const channel: Channel = {
    stdin,
    stdout,
    stderr,
    exit: exited,
    destroy() {
      destroyed = true;
      for (const stream of [stdin, stdout, stderr]) stream.on('error', () => undefined).destroy(new Error('given up'));
      end({ code: null, signal: null });
    },
  };
  const connection: Connection = {
    closed,
    async exec(command) {
      commands.push(command);
      return channel;
    },
    close: () => close(null),
  };
  const ssh = { port: 22, identity: [], knownHosts: '/dev/null', hostKeys: 'strict' as const, jump: [] };
  return {
    connection,
    commands,
    heard: () => heard,
    say: text => void stdout.write(Buffer.from(text, 'latin1')),
    complain: text => void stderr.write(text),
    exit,
    lose() {
      close(new Error('reset'));
      exit({ code: null, signal: null });
    },
    destroyed: () => destroyed,
    start: {
      connection,
      host: { name: 'web1', address: '127.0.0.1', tags: [], app: APP, ssh },
      agent: { bytes: Buffer.from('echo the agent\n'), digest: 'd'.repeat(64) },
      persist: true,
      random: () => NONCE,
      clock: systemClock,
      patience,
    },
  };
}
