/** Starts the agent on a channel: prelude, agent if it is needed, and everything up to the line `ready`. */

import { fromBytes, show } from '../domain/bytes.ts';
import { type Failure, FleetflipError } from '../domain/error.ts';
import type { Host } from '../domain/fleet.ts';
import type { Channel, Connection } from '../ports.ts';
import { abortable, limitTime } from '../waiting.ts';
import { type AgentSource, writePrelude } from './prelude.ts';
import { explainRefusal } from './refusals.ts';
import { stoppedBy } from './talk.ts';
import { type ByteReader, createReader } from './wire.ts';

/** What is needed to start the agent on any number of channels of one host. */
export interface AgentStart {
  readonly connection: Connection;
  readonly host: Host;
  readonly agent: AgentSource;
  readonly persist: boolean;
  readonly random: () => string;
  /** Milliseconds in which the agent starts, and in which it answers what has no time limit of its own. */
  readonly patience: number;
}

export interface Started {
  readonly channel: Channel;
  readonly reader: ByteReader;
  /** What the agent wrote to its standard error so far, shown safely, at most 8 KiB. */
  readonly complaints: () => string;
}

/** Bytes that a login may print before the agent speaks. */
const NOISE_LIMIT = 1 << 20;

export interface Job {
  readonly verb: 'serve' | 'receive';
  readonly words: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** @throws FleetflipError when the agent did not start; nothing but the prelude was sent before its first answer. */
export async function startAgent(start: AgentStart, { verb, words, signal }: Job): Promise<Started> {
  const { connection, host, agent, persist, random, patience } = start;
  const limit = limitTime(patience, ...(signal === undefined ? [] : [signal]));
  const nonce = random();
  const { command, input } = writePrelude({ app: host.app, agent, nonce, verb, words, persist });
  const opening = connection.exec(command);
  const channel = await abortable(opening, limit).catch((thrown: unknown) => {
    opening.then(late => late.destroy()).catch(() => undefined);
    throw limit.aborted ? stoppedBy(limit, { host, phase: 'connect' }) : thrown;
  });
  const complaints = collect(channel.stderr);
  channel.stdin.on('error', () => undefined);
  channel.stdin.write(input);
  const reader = createReader(channel.stdout);
  try {
    await abortable(awaitReady({ reader, channel, host, nonce, agent, complaints }), limit);
  } catch (thrown) {
    channel.destroy();
    throw limit.aborted ? stoppedBy(limit, { host, phase: 'connect' }) : thrown;
  }
  return { channel, reader, complaints };
}

interface Awaiting {
  readonly reader: ByteReader;
  readonly channel: Channel;
  readonly host: Host;
  readonly nonce: string;
  readonly agent: AgentSource;
  readonly complaints: () => string;
}

async function awaitReady({ reader, channel, host, nonce, agent, complaints }: Awaiting): Promise<void> {
  let noise = '';
  let left = NOISE_LIMIT;
  for (;;) {
    const line = await readNoisyLine(reader, left, host);
    left -= line?.length ?? 0;
    if (line === null) throw notStarted(host, noise + complaints());
    const marker = line.lastIndexOf(`fleetflip ${nonce} `);
    const words = marker < 0 ? [] : line.slice(marker).split(' ').slice(2);
    if (words[0] === 'ready') return;
    if (words[0] === 'need') channel.stdin.write(Buffer.from(agent.bytes));
    if (words[0] === 'refused')
      throw new FleetflipError(explainRefusal({ code: words[1] ?? '', text: '', host: host.name, phase: 'connect' }));
    if (words.length === 0) noise = `${noise}${show(line)}\n`.slice(0, 2000);
  }
}

async function readNoisyLine(reader: ByteReader, left: number, host: Host): Promise<string | null> {
  try {
    return await reader.line(Math.max(0, left));
  } catch {
    throw new FleetflipError(
      startFailure(
        host,
        'LOGIN_NOISE',
        'the login prints without end',
        'Let the login files print nothing when there is no terminal',
      ),
    );
  }
}

function notStarted(host: Host, printed: string): FleetflipError {
  const said = printed.trim() === '' ? 'and printed nothing' : `and printed: ${printed.trim().slice(0, 500)}`;
  return new FleetflipError(
    startFailure(
      host,
      'AGENT_NOT_STARTED',
      `the login ran no POSIX shell for us ${said}`,
      'The account must be allowed to run commands (no command=, no SFTP-only account)',
    ),
  );
}

function startFailure(host: Host, code: string, what: string, hint: string): Failure {
  return { kind: 'failed', code, phase: 'connect', host: host.name, what, hint };
}

/** Reads a stream to its end, so that it never blocks the channel; keeps the first 8 KiB. */
function collect(stream: NodeJS.ReadableStream): () => string {
  let kept = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    if (kept.length < 8192) kept = Buffer.concat([kept, chunk]).subarray(0, 8192);
  });
  stream.on('error', () => undefined);
  return () => fromBytes(kept).split('\n').map(show).join('\n');
}
