/**
 * The SSH side of an embedded host: every command runs in a real sh with the host's directory as its home, the way
 * sshd would run it. Who listens, and what becomes of a raw connection, is the caller's choice.
 */

import { spawn } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ParsedKey, type ServerChannel } from 'ssh2';
import { makeKeys } from './keys.ts';

/** What the parent hands over as the first argument, as JSON. */
export interface HostOptions {
  /** The host's home and working directory. */
  readonly directory: string;
  /** The public key that may log in, in OpenSSH's form. */
  readonly clientKey: string;
  /** Put in front of PATH: programs that are faked. */
  readonly bin: string;
}

/** What the host tells when it is ready. */
export interface HostReady {
  readonly port: number;
  /** In OpenSSH's form, without a comment. */
  readonly hostKey: string;
}

export type RunCommand = (command: string, channel: ServerChannel) => void;

/** One connection that has come in. */
export interface Caller {
  readonly socket: Socket;
  readonly options: HostOptions;
  /** The host's private key. */
  readonly hostKey: string;
}

/**
 * Listens on a free port of 127.0.0.1, tells port and key as one line on standard output, and ends the process when
 * its standard input ends, so that no host outlives its parent.
 */
export function listen(options: HostOptions, attend: (caller: Caller) => void): void {
  const keys = makeKeys();
  const server = createServer(socket => attend({ socket, options, hostKey: keys.private }));
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const ready: HostReady = { port, hostKey: keys.public.trim() };
    process.stdout.write(`${JSON.stringify(ready)}\n`);
  });
  process.stdin.on('end', () => process.exit(0)).resume();
}

/** Speaks SSH on the connection; `run` is called for every command. */
export function speakSsh({ socket, options, hostKey }: Caller, run: RunCommand): void {
  const allowed = ssh2.utils.parseKey(options.clientKey);
  if (allowed instanceof Error) throw allowed;
  const server = new ssh2.Server({ hostKeys: [hostKey] }, client => {
    client.on('error', () => undefined);
    client.on('authentication', context => {
      if (mayLogIn(context, allowed)) context.accept();
      else context.reject(['publickey']);
    });
    client.on('ready', () => serve(client, run));
  });
  server.injectSocket(socket);
}

export interface RunOptions {
  readonly command: string;
  readonly channel: ServerChannel;
  readonly options: HostOptions;
  /** What the command reads. Default: what the client sends. */
  readonly input?: NodeJS.ReadableStream;
  /** Default: tells the client how the command ended. */
  readonly end?: (how: { code: number | null; signal: string | null }) => void;
}

/**
 * Runs a command in sh, as the leader of a session of its own. When the client goes away, its input ends and its output
 * breaks, but it is not killed.
 */
export function runInShell({ command, channel, options, input = channel, end }: RunOptions): void {
  const child = spawn('/bin/sh', ['-c', command], {
    cwd: options.directory,
    env: { PATH: `${options.bin}:${process.env.PATH ?? '/usr/bin:/bin'}`, HOME: options.directory },
    stdio: 'pipe',
    detached: true,
  });
  for (const stream of [channel, child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined);
  input.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  channel.once('close', () => {
    child.stdin.end();
    child.stdout.destroy();
    child.stderr.destroy();
  });
  child.once('error', () => tell(channel, { code: 127, signal: null }));
  child.once('close', (code, signal) => (end ?? (how => tell(channel, how)))({ code, signal }));
}

function tell(channel: ServerChannel, { code, signal }: { code: number | null; signal: string | null }): void {
  // Ended before the channel, or the rest of it would be lost where the client's window is full.
  channel.stderr.end(() => {
    if (signal !== null) channel.exit(signal.replace(/^SIG/, ''));
    else channel.exit(code ?? 255);
    channel.end();
  });
}

function mayLogIn(context: AuthContext, allowed: ParsedKey): boolean {
  if (context.method !== 'publickey' || !context.key.data.equals(allowed.getPublicSSH())) return false;
  if (context.signature === undefined) return true;
  return context.blob !== undefined && allowed.verify(context.blob, context.signature, context.hashAlgo) === true;
}

function serve(client: Connection, run: RunCommand): void {
  client.on('session', accept => {
    accept().on('exec', (acceptExec, _reject, { command }) => run(command, acceptExec()));
  });
  client.on('tcpip', (accept, reject, { destIP, destPort }) => {
    const target = connect(destPort, destIP);
    target.once('error', () => reject());
    target.once('connect', () => forward(target, accept()));
  });
}

function forward(target: Socket, channel: ServerChannel): void {
  target.removeAllListeners('error');
  target.on('error', () => channel.end());
  channel.on('error', () => target.destroy());
  channel.once('close', () => target.destroy());
  target.pipe(channel).pipe(target);
}
