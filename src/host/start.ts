/** Starts the agent on a channel: prelude, agent if it is needed, and everything up to the line `ready`. */

import { fromBytes, show } from '../domain/bytes.ts';
import { type Failure, FleetflipError, type Phase } from '../domain/error.ts';
import type { Host } from '../domain/fleet.ts';
import type { Channel, Clock, Connection } from '../ports.ts';
import { abortable } from '../waiting.ts';
import { type AgentSource, writePrelude } from './prelude.ts';
import { explainRefusal } from './refusals.ts';
import { stoppedBy, talkFailure } from './talk.ts';
import { type ByteReader, createReader } from './wire.ts';

/** What is needed to start the agent on any number of channels of one host. */
export interface AgentStart {
  readonly connection: Connection;
  readonly host: Host;
  readonly agent: AgentSource;
  readonly persist: boolean;
  /** The agent was started over this connection before. */
  readonly measured?: boolean;
  readonly random: () => string;
  readonly clock: Clock;
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
  readonly verb: 'serve' | 'receive' | 'measure' | 'contents';
  readonly words: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** @throws FleetflipError when the agent did not start; nothing but the prelude was sent before its first answer. */
export async function startAgent(start: AgentStart, { verb, words, signal }: Job): Promise<Started> {
  const { connection, host, agent, persist, measured, random, clock, patience } = start;
  const phase: Phase = verb === 'serve' ? 'connect' : 'stage';
  let gone = false;
  void connection.closed.then(() => {
    gone = true;
  });
  const late = clock.timeout(patience);
  const limit = signal === undefined ? late : AbortSignal.any([late, signal]);
  const nonce = random();
  const { command, input } = writePrelude({ app: host.app, agent, nonce, verb, words, persist, measured });
  const opening = connection.exec(command);
  const channel = await abortable(opening, limit).catch((thrown: unknown) => {
    opening.then(late => late.destroy()).catch(() => undefined);
    throw limit.aborted ? stoppedBy(limit, { host, phase }) : thrown;
  });
  const complaints = collect(channel.stderr);
  channel.stdin.on('error', () => undefined);
  channel.stdin.write(input);
  const reader = createReader(channel.stdout);
  try {
    await abortable(awaitReady({ reader, channel, host, phase, nonce, agent, complaints, isGone: () => gone }), limit);
  } catch (thrown) {
    channel.destroy();
    throw limit.aborted ? stoppedBy(limit, { host, phase }) : thrown;
  }
  return { channel, reader, complaints };
}

interface Awaiting {
  readonly reader: ByteReader;
  readonly channel: Channel;
  readonly host: Host;
  readonly phase: Phase;
  readonly nonce: string;
  readonly agent: AgentSource;
  readonly complaints: () => string;
  /** Whether the connection has ended. */
  readonly isGone: () => boolean;
}

async function awaitReady(awaiting: Awaiting): Promise<void> {
  const { channel, host, phase, nonce, agent } = awaiting;
  // A login that sends back what it gets shows us the prelude, where quotes follow these words.
  const marker = new RegExp(`fleetflip ${nonce} (?:(ready|need)|refused ([A-Z_]+))$`);
  let noise = '';
  let left = NOISE_LIMIT;
  let needed = false;
  while (left > 0) {
    const line = await readNoisyLine(awaiting, left);
    if (line === null) throw await explainEnd(awaiting, noise);
    left -= line.length + 1;
    const [, word, code] = marker.exec(line) ?? [];
    if (word === 'ready') return;
    if (code !== undefined) throw new FleetflipError(explainRefusal({ code, text: '', host: host.name, phase }));
    if (word === 'need' && !needed) {
      needed = true;
      channel.stdin.write(Buffer.from(agent.bytes));
    } else noise = `${noise}${show(line)}\n`.slice(0, 2000);
  }
  throw tooNoisy(awaiting);
}

async function readNoisyLine(awaiting: Awaiting, left: number): Promise<string | null> {
  try {
    return await awaiting.reader.line(left);
  } catch {
    throw tooNoisy(awaiting);
  }
}

function tooNoisy({ host, phase }: Awaiting): FleetflipError {
  return startFailure({
    phase,
    host: host.name,
    code: 'LOGIN_NOISE',
    what: 'the login prints without end',
    hint: 'Let the login files print nothing when there is no terminal',
  });
}

async function explainEnd(awaiting: Awaiting, noise: string): Promise<FleetflipError> {
  const { host, phase, channel, complaints, isGone } = awaiting;
  await channel.exit;
  if (isGone()) {
    const what = 'the connection was lost while the agent was started';
    return talkFailure({ host, phase }, { kind: 'lost', code: 'CONNECTION_LOST', what });
  }
  const printed = `${noise}${complaints()}`.trim();
  const said = printed === '' ? 'and printed nothing' : `and printed: ${printed.slice(0, 500)}`;
  return startFailure({
    phase,
    host: host.name,
    code: 'AGENT_NOT_STARTED',
    what: `the login ran no POSIX shell for us ${said}`,
    hint: 'The account must be allowed to run commands (no command=, no SFTP-only account)',
  });
}

function startFailure(failure: Omit<Failure, 'kind'>): FleetflipError {
  return new FleetflipError({ kind: 'failed', ...failure });
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
