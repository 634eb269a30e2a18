/** A connection to this machine: every command is a child process. For tests, and for trying things without SSH. */

import { spawn } from 'node:child_process';
import type { Channel, Connection, Connector, Exit } from '../ports.ts';

export interface LocalOptions {
  /** Default: /bin/sh */
  readonly shell?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export function createLocalConnector({ shell = '/bin/sh', env }: LocalOptions = {}): Connector {
  return {
    async connect() {
      return connectLocally(shell, env ?? process.env);
    },
    async close() {},
  };
}

function connectLocally(shell: string, env: NodeJS.ProcessEnv): Connection {
  const running = new Set<Channel>();
  let end: (reason: Error | null) => void = () => undefined;
  const closed = new Promise<Error | null>(resolve => {
    end = resolve;
  });
  return {
    closed,
    async exec(command) {
      const channel = run({ shell, command, env });
      running.add(channel);
      void channel.exit.then(() => running.delete(channel));
      return channel;
    },
    close() {
      for (const channel of running) channel.destroy();
      end(null);
    },
  };
}

function run({ shell, command, env }: { shell: string; command: string; env: NodeJS.ProcessEnv }): Channel {
  // The leader of a session, as every command is that an SSH server runs.
  const child = spawn(shell, ['-c', command], { env, stdio: 'pipe', detached: true });
  let end: (exit: Exit) => void = () => undefined;
  const exit = new Promise<Exit>(resolve => {
    end = resolve;
  });
  child.once('close', (code, signal) => end({ code, signal }));
  child.once('error', () => end({ code: null, signal: null }));
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exit,
    // A command that ignores the end of its input goes on, as it would over SSH, and nobody waits for it.
    destroy() {
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
      child.unref();
      end({ code: null, signal: null });
    },
  };
}
