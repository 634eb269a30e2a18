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
  /** After so many bytes the command answers with garbage; with 0, and no `from`, it is not even started. */
  readonly nonsenseAfterBytes?: number;
  /** Closes the channel without telling how the command ended. */
  readonly exitWithoutStatus?: boolean;
  /** Bytes are counted from the end of this text on. Default: from the first byte. */
  readonly from?: string;
  /** So many connections are spoiled in the middle, and no more. Default: all. */
  readonly times?: number;
}

/** What is in the file. */
interface SetFaults extends Faults {
  /** Tells one setting from the next. */
  readonly serial?: number;
}

const options = JSON.parse(process.argv[2] ?? '{}') as HostOptions;
listen(options, caller => attend(caller, readFaults()));

/** Connections that were spoiled, by the setting that did it. */
const spoiled = new Map<number, number>();

function readFaults(): SetFaults {
  const file = join(options.directory, 'faults.json');
  const faults = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as SetFaults) : {};
  const { times = Number.POSITIVE_INFINITY, serial = 0 } = faults;
  return (spoiled.get(serial) ?? 0) < times ? faults : {};
}

function attend(caller: Caller, faults: SetFaults): void {
  const { socket } = caller;
  if (faults.hangInHandshake) {
    socket.on('error', () => undefined).resume();
    socket.write('SSH-2.0-silent\r\n');
    return;
  }
  const clientKey = faults.refuseLogin ? makeKeys().public : options.clientKey;
  const meter: Meter = { counting: faults.from === undefined, bytes: 0, struck: false };
  speakSsh({ ...caller, options: { ...options, clientKey } }, (command, channel) => {
    if (faults.nonsenseAfterBytes === 0 && faults.from === undefined) return speakNonsense(channel);
    const input = channel.pipe(makeTrap({ faults, socket, channel, meter }));
    const end = faults.exitWithoutStatus ? { end: () => channel.end() } : {};
    runInShell({ command, channel, options, input, ...end });
  });
}

/** Of one connection. */
interface Meter {
  counting: boolean;
  bytes: number;
  struck: boolean;
}

interface Trapped {
  readonly faults: SetFaults;
  readonly socket: Socket;
  readonly channel: ServerChannel;
  readonly meter: Meter;
}

/** Passes on what the client sends, up to the byte at which the fault is due. */
function makeTrap({ faults, socket, channel, meter }: Trapped): Transform {
  const due = [
    { after: faults.dropAfterBytes, strike: () => void socket.resetAndDestroy() },
    { after: faults.blackHoleAfterBytes, strike: () => fallSilent(socket) },
    { after: faults.nonsenseAfterBytes, strike: () => speakNonsense(channel) },
  ].find(fault => fault.after !== undefined);
  const findBegin = seek(faults.from ?? '');

  let deaf = false;

  /** How much of the chunk is passed on before the fault; null: all of it. */
  function measure(chunk: Buffer): number | null {
    if (deaf) return 0;
    if (meter.struck) return faults.nonsenseAfterBytes === undefined ? 0 : null;
    const begin = meter.counting ? 0 : findBegin(chunk);
    if (begin === null || due?.after === undefined) return null;
    meter.counting = true;
    const end = begin + due.after - meter.bytes;
    meter.bytes += chunk.length - begin;
    return end > chunk.length ? null : end;
  }

  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const end = measure(chunk);
      this.push(end === null ? chunk : chunk.subarray(0, end));
      if (end !== null && !meter.struck) {
        meter.struck = true;
        deaf = true;
        const { serial = 0 } = faults;
        spoiled.set(serial, (spoiled.get(serial) ?? 0) + 1);
        due?.strike();
      }
      done();
    },
  });
}

/** Looks for the text across chunks: gives where in the chunk it ends, null when it has not come yet. */
function seek(text: string): (chunk: Buffer) => number | null {
  let tail = Buffer.alloc(0);
  return chunk => {
    const seen = Buffer.concat([tail, chunk]);
    const at = seen.indexOf(text);
    const begin = at < 0 ? null : Math.max(0, at + text.length - tail.length);
    tail = seen.subarray(Math.max(0, seen.length - text.length + 1));
    return begin;
  };
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
