/**
 * An embedded SSH host: a server in a process of its own that runs every command in a real sh, with a temporary
 * directory as its home. It tells its port and key on standard output and ends when its standard input does.
 */

import { spawn } from 'node:child_process';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';

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

const options = JSON.parse(process.argv[2] ?? '{}') as HostOptions;
const keys = ssh2.utils.generateKeyPairSync('ed25519');
const allowed = ssh2.utils.parseKey(options.clientKey);
if (allowed instanceof Error) throw allowed;

const server = new ssh2.Server({ hostKeys: [keys.private] }, client => {
  client.on('error', () => undefined);
  client.on('authentication', context => {
    const right = context.method === 'publickey' && context.key.data.equals(allowed.getPublicSSH());
    const proven =
      right &&
      (context.signature === undefined ||
        (context.blob !== undefined && allowed.verify(context.blob, context.signature, context.hashAlgo) === true));
    if (proven) context.accept();
    else context.reject(['publickey']);
  });
  client.on('ready', () => serve(client));
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const ready: HostReady = { port, hostKey: keys.public.trim() };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();

function serve(client: Connection): void {
  client.on('session', accept => {
    const session = accept();
    session.on('exec', (acceptExec, _reject, { command }) => run(command, acceptExec()));
  });
}

function run(command: string, channel: ServerChannel): void {
  const path = `${options.bin}:${process.env.PATH ?? '/usr/bin:/bin'}`;
  const child = spawn('/bin/sh', ['-c', command], {
    cwd: options.directory,
    env: { PATH: path, HOME: options.directory },
    stdio: 'pipe',
  });
  channel.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  channel.once('close', () => child.stdin.end());
  child.once('close', (code, signal) => tell(channel, { code, signal }));
}

function tell(channel: ServerChannel, { code, signal }: { code: number | null; signal: string | null }): void {
  if (channel.destroyed) return;
  if (signal !== null) channel.exit(signal.replace(/^SIG/, ''));
  else channel.exit(code ?? 255);
  channel.end();
}
