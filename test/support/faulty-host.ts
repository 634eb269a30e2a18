/** An embedded host that misbehaves as `faults.json` in its directory says, which is read anew for every connection. */

import { existsSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import type { ServerChannel } from 'ssh2';
import { type Caller, type HostOptions, listen, runInShell, speakSsh } from '../../src/demo/host-server.ts';
import { makeKeys } from '../../src/demo/keys.ts';

/** Bytes are counted over one connection: what the client sends to the standard input of all its commands. */
export interface Faults {
  /** No key is good enough. */
  readonly refuseLogin?: boolean;
  /** Says that it is an SSH server, and nothing more. */
  readonly hangInHandshake?: boolean;
  /** Resets the connection after so many bytes. */
  readonly dropAfterBytes?: number;
  /** After so many bytes neither answers nor hears anything, the end of the connection included. */
  readonly blackHoleAfterBytes?: number;
  /** After so many bytes answers with garbage; with 0 the command is not even started. */
  readonly nonsenseAfterBytes?: number;
  /** Closes the channel without telling how the command ended. */
  readonly exitWithoutStatus?: boolean;
}

const options = JSON.parse(process.argv[2] ?? '{}') as HostOptions;
listen(options, caller => attend(caller, readFaults()));

function readFaults(): Faults {
  const file = join(options.directory, 'faults.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Faults) : {};
}

function attend(caller: Caller, faults: Faults): void {
  const { socket } = caller;
  if (faults.hangInHandshake) {
    socket.on('error', () => undefined).resume();
    socket.write('SSH-2.0-silent\r\n');
    return;
  }
  const clientKey = faults.refuseLogin ? makeKeys().public : options.clientKey;
  const meter = { bytes: 0 };
  speakSsh({ ...caller, options: { ...options, clientKey } }, (command, channel) => {
    if (faults.nonsenseAfterBytes === 0) return speakNonsense(channel);
    const input = channel.pipe(makeTrap({ faults, socket, channel, meter }));
    const end = faults.exitWithoutStatus ? { end: () => channel.end() } : {};
    runInShell({ command, channel, options, input, ...end });
  });
}

interface Trapped {
  readonly faults: Faults;
  readonly socket: Socket;
  readonly channel: ServerChannel;
  readonly meter: { bytes: number };
}

/** Passes on what the client sends, up to the byte at which the fault is due. */
function makeTrap({ faults, socket, channel, meter }: Trapped): Transform {
  const due = [
    { after: faults.dropAfterBytes, strike: () => void socket.resetAndDestroy() },
    { after: faults.blackHoleAfterBytes, strike: () => fallSilent(socket) },
    { after: faults.nonsenseAfterBytes, strike: () => speakNonsense(channel) },
  ].find(fault => fault.after !== undefined);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const left = (due?.after ?? Number.POSITIVE_INFINITY) - meter.bytes;
      meter.bytes += chunk.length;
      if (left > 0) this.push(chunk.subarray(0, left));
      if (left > 0 && left <= chunk.length) due?.strike();
      done();
    },
  });
}

function fallSilent(socket: Socket): void {
  socket.removeAllListeners();
  socket.on('error', () => undefined).resume();
  socket.write = () => true;
}

function speakNonsense(channel: ServerChannel): void {
  channel.on('error', () => undefined).resume();
  channel.write(Buffer.from('\0\xff\x1b[2J no such verb \n7 + + +\n99 ok\nfleetflip\n0 blob x -1\n', 'latin1'));
  channel.exit(0);
  channel.end();
}
