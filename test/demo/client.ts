/** A bare SSH client for embedded hosts: no part of fleetflip is between the test and the host. */

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Client, type ClientChannel, type ConnectConfig } from 'ssh2';
import type { DemoHost } from '../../src/demo/fleet.ts';

export interface Ran {
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Undefined: not told. */
  readonly code: number | null | undefined;
  readonly signal: string | undefined;
}

/** @throws what ssh2 says, and `closed` when the connection ends without a word */
export async function logIn(host: DemoHost, more: ConnectConfig = {}): Promise<Client> {
  const privateKey = more.privateKey ?? (await readFile(join(dirname(host.directory), 'id_ed25519')));
  const client = new Client();
  return new Promise((resolve, reject) => {
    client.on('error', reject).once('close', () => reject(new Error('closed')));
    client.once('ready', () => resolve(client));
    client.connect({ host: '127.0.0.1', port: host.port, username: 'demo', ...more, privateKey });
  });
}

/** Resolves when the channel is closed. Without `input` the command's standard input ends at once. */
export async function run(client: Client, command: string, input: Buffer | string = ''): Promise<Ran> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => {
      if (error) return reject(error);
      const output = Promise.all([buffer(channel), buffer(channel.stderr)]);
      let how: Pick<Ran, 'code' | 'signal'> = { code: undefined, signal: undefined };
      channel.once('exit', (code: number | null, signal?: string) => {
        how = { code, signal };
      });
      channel.once('close', () => {
        output.then(([stdout, stderr]) => resolve({ stdout, stderr: stderr.toString(), ...how }), reject);
      });
      channel.end(input);
    });
  });
}

/** A connection through the client's host, for `sock`. */
export function forwardTo(client: Client, port: number): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.forwardOut('127.0.0.1', 0, '127.0.0.1', port, (error, channel) => {
      if (error) reject(error);
      else resolve(channel);
    });
  });
}
