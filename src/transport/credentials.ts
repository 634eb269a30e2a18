/** How we log in: the keys that the inventory names, else the agent, then the usual files. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuthenticationType } from 'ssh2';
import ssh2 from 'ssh2';
import { type Failure, FleetflipError } from '../domain/error.ts';
import { WatchedAgent } from './agent.ts';

/** For one connection. */
export interface Login {
  /** The next way to try; false when there is none left. */
  next(): LoginMethod | false;
  /** What was tried so far and what came of it, for people. */
  describe(): readonly string[];
}

export type LoginMethod =
  | { readonly type: 'agent'; readonly username: string; readonly agent: WatchedAgent }
  | { readonly type: 'publickey'; readonly username: string; readonly key: Buffer };

interface Way {
  readonly method: LoginMethod;
  readonly describe: () => string;
}

export interface LoginQuestion {
  readonly host: string;
  readonly username: string;
  /** Absolute paths; empty: agent and usual files. */
  readonly identity: readonly string[];
  readonly home: string;
  /** The path of its socket. */
  readonly agent: string | undefined;
}

const USUAL = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/** @throws FleetflipError `KEY_UNREADABLE` or `KEY_ENCRYPTED` for a key that the inventory names. */
export async function gatherLogin(question: LoginQuestion): Promise<Login> {
  const { username } = question;
  const named = question.identity.length > 0;
  const files = named ? question.identity : USUAL.map(file => join(question.home, '.ssh', file));
  const keys = await Promise.all(files.map(file => readKey(file, named, question.host)));
  const fromFiles = keys.flatMap((key, at): Way[] =>
    key === null ? [] : [{ method: { type: 'publickey', username, key }, describe: () => files[at] ?? '' }],
  );
  const agent = question.agent === undefined || named ? null : new WatchedAgent(question.agent);
  const fromAgent: Way[] =
    agent === null ? [] : [{ method: { type: 'agent', username, agent }, describe: () => agent.describe() }];
  return tryInOrder([...fromAgent, ...fromFiles]);
}

function tryInOrder(ways: readonly Way[]): Login {
  let begun = 0;
  return {
    next() {
      const way = ways[begun];
      if (way === undefined) return false;
      begun += 1;
      return way.method;
    },
    describe() {
      if (ways.length === 0) return ['nothing, for there is no SSH agent and none of the usual keys'];
      return ways.slice(0, begun).map(way => way.describe());
    },
  };
}

/** What ssh2 asks for each attempt. */
export function createAuthHandler(
  login: Login,
): (left: AuthenticationType[] | null, partial: boolean, next: (method: unknown) => void) => void {
  return (_left, _partial, next) => next(login.next());
}

async function readKey(file: string, named: boolean, host: string): Promise<Buffer | null> {
  let text: Buffer;
  try {
    text = await readFile(file);
  } catch (thrown) {
    if (!named) return null;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw keyProblem(host, 'KEY_UNREADABLE', `the key ${file} cannot be read: ${reason}`, 'Correct ssh.identity');
  }
  const parsed = ssh2.utils.parseKey(text);
  if (!(parsed instanceof Error)) return text;
  if (!named) return null;
  if (/passphrase|encrypted/i.test(parsed.message))
    throw keyProblem(
      host,
      'KEY_ENCRYPTED',
      `the key ${file} has a passphrase`,
      `Add it to the SSH agent (ssh-add ${file}) and leave ssh.identity out`,
    );
  throw keyProblem(
    host,
    'KEY_UNREADABLE',
    `the key ${file} is not one that can be read: ${parsed.message}`,
    'Correct ssh.identity',
  );
}

function keyProblem(host: string, code: string, what: string, hint: string): FleetflipError {
  const failure: Failure = { kind: 'refused', code, phase: 'connect', host, what, hint };
  return new FleetflipError(failure);
}
