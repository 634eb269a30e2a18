/** Requests to the agent on one channel and its answers, one after the other. */

import { show } from '../domain/bytes.ts';
import { type Failure, FleetflipError, type Phase } from '../domain/error.ts';
import { abortable } from '../waiting.ts';
import { explainRefusal } from './refusals.ts';
import { type AgentStart, startAgent } from './start.ts';
import { stoppedBy, talkFailure } from './talk.ts';
import { type Reply, readReply } from './wire.ts';
import { encodeWord } from './words.ts';

export interface Request {
  /** Where a failure of it is told. */
  readonly phase: Phase;
  readonly verb: string;
  /** Byte strings. */
  readonly args?: readonly string[];
  /** Default: the patience of the start. */
  readonly signal?: AbortSignal | undefined;
}

export interface Conversation {
  /** False once the channel is gone or an answer was given up. */
  readonly usable: boolean;
  /**
   * Asks after the requests before it. After an abort the answer may still come: the conversation is given up.
   * @throws FleetflipError `refused` when the agent said no, else of the kind of the talk's failure
   */
  ask(request: Request): Promise<Reply>;
  /** @throws FleetflipError of kind `unknown`: the host answered what cannot be read. */
  refuseNonsense(what: string, phase?: Phase): FleetflipError;
  close(): void;
}

/** @throws FleetflipError when the agent could not be started. */
export async function openConversation(start: AgentStart, signal?: AbortSignal): Promise<Conversation> {
  const { host, clock, patience } = start;
  const started = await startAgent(start, { verb: 'serve', words: host.app.slots, signal });
  let lastId = 0;
  let usable = true;
  let queue: Promise<unknown> = Promise.resolve();

  async function exchange({ phase, verb, args = [], signal }: Request): Promise<Reply> {
    const limit = signal ?? clock.timeout(patience);
    if (!usable) throw lost(phase, 'the connection is gone');
    if (limit.aborted) throw stoppedBy(limit, { host, phase });
    const id = ++lastId;
    started.channel.stdin.write(`${[id, verb, ...args.map(encodeWord)].join(' ')}\n`);
    const reply = await abortable(readReply(started.reader, id), limit).catch(thrown => {
      usable = false;
      started.channel.destroy();
      if (limit.aborted) throw stoppedBy(limit, { host, phase });
      throw refuseNonsense(`the host's answer cannot be read: ${describe(thrown)}`, phase);
    });
    if (reply === null) {
      usable = false;
      throw lost(phase, 'the connection was lost before the answer came');
    }
    if (reply.no === null) return reply;
    throw new FleetflipError(refusal(phase, reply));
  }

  function lost(phase: Phase, what: string): FleetflipError {
    const said = started.complaints().trim();
    const told = said === '' ? what : `${what}; it said: ${said}`;
    return talkFailure({ host, phase }, { kind: 'lost', code: 'CONNECTION_LOST', what: told });
  }

  function refusal(phase: Phase, reply: Reply): Failure {
    const held = reply.lines.find(line => line.key === 'holder')?.words;
    const text = held === undefined ? (reply.no?.text ?? '') : describeHolder(held);
    return explainRefusal({ code: reply.no?.code ?? '', text: show(text), host: host.name, phase });
  }

  function refuseNonsense(what: string, phase: Phase = 'probe'): FleetflipError {
    return talkFailure({ host, phase }, { kind: 'unknown', code: 'AGENT_NONSENSE', what });
  }

  return {
    get usable() {
      return usable;
    },
    ask(request) {
      const turn = queue.then(() => exchange(request));
      queue = turn.catch(() => undefined);
      return turn;
    },
    refuseNonsense,
    close() {
      usable = false;
      started.channel.destroy();
    },
  };
}

function describeHolder([deployment = '', owner = '', command = '', since = '']: readonly string[]): string {
  const at = /^\d+$/.test(since) ? new Date(Number(since) * 1000).toISOString() : 'an unknown time';
  return `locked by ${owner}, who runs ${command} (deployment ${deployment}) since ${at}`;
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
