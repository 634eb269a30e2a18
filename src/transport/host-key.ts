/** Whether a host is the one that it says it is. */

import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Failure } from '../domain/error.ts';
import { findEntries, hashName, type KnownHost, lookupName, parseKnownHosts } from './known-hosts.ts';

export interface HostKeyQuestion {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  /** The known_hosts file. */
  readonly file: string;
  readonly policy: 'strict' | 'accept-new';
  /** The key as the server sent it: the SSH wire form. */
  readonly key: Buffer;
}

/** As OpenSSH prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The type's name at the front of a key in wire form. */
export function keyType(key: Buffer): string {
  const length = key.length >= 4 ? key.readUInt32BE(0) : 0;
  return key
    .subarray(4, 4 + Math.min(length, 64))
    .toString('latin1')
    .replace(/[^\x21-\x7e]/g, '?');
}

/** @returns null when the key is the host's; otherwise why the connection must end. Under `accept-new` writes the file. */
export async function judgeHostKey(question: HostKeyQuestion): Promise<Failure | null> {
  let text: string;
  try {
    text = await readKnownHosts(question.file);
  } catch (thrown) {
    return unchecked(question, 'looked up', thrown);
  }
  const entries = parseKnownHosts(text);
  const name = lookupName(question.address, question.port);
  const found = findEntries(entries, name);
  const offered = question.key.toString('base64');
  const revoked = found.find(entry => entry.marker === 'revoked' && entry.key === offered);
  if (revoked !== undefined)
    return refuse(
      question,
      'HOST_KEY_REVOKED',
      `is revoked by ${question.file}:${revoked.line}`,
      'Do not connect: this key is known to be stolen or withdrawn',
    );
  const plain = found.filter(entry => entry.marker === null);
  if (plain.some(entry => entry.key === offered)) return null;
  const type = keyType(question.key);
  const offending = plain.find(entry => entry.type === type) ?? plain[0];
  if (offending !== undefined) return changed(question, offending);
  if (found.some(entry => entry.marker === 'cert-authority'))
    return refuse(
      question,
      'HOST_KEY_UNKNOWN',
      `is not in ${question.file}, which trusts a certificate authority (@cert-authority) that ssh2 cannot honour`,
      `Add the host's own key to ${question.file}`,
    );
  if (question.policy === 'accept-new') return remember(question, { text, entries });
  return refuse(
    question,
    'HOST_KEY_UNKNOWN',
    `is not in ${question.file}`,
    `Compare the fingerprint with the server's own; if it is right, add this line to the file: ${lineOf(question, name)}`,
  );
}

/** Host key algorithms to ask for, so that a known host is asked for the kind of key that is known. */
export async function preferredKeyTypes(file: string, name: string): Promise<readonly string[]> {
  const known = parseKnownHosts(await readKnownHosts(file));
  const entries = findEntries(known, name).filter(entry => entry.marker === null);
  return [
    ...new Set(entries.flatMap(entry => (entry.type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [entry.type]))),
  ];
}

/** A file that is not there says nothing of any host. */
async function readKnownHosts(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return '';
    throw thrown;
  }
}

function changed(question: HostKeyQuestion, entry: KnownHost): Failure {
  const name = lookupName(question.address, question.port);
  return refuse(
    question,
    'HOST_KEY_CHANGED',
    `is not the ${entry.type} key of ${question.file}:${entry.line}: the server was reinstalled, or someone stands between`,
    `If the change is right: ssh-keygen -R '${name}' -f '${question.file}', then add the new key`,
  );
}

function refuse(question: HostKeyQuestion, code: string, what: string, hint: string): Failure {
  const shown = `${keyType(question.key)} ${fingerprint(question.key)}`;
  return {
    kind: 'refused',
    code,
    phase: 'connect',
    host: question.host,
    what: `the host key ${shown} of ${question.address} port ${question.port} ${what}`,
    hint,
  };
}

/** Hashed where the file is, and on a line of its own, whatever the file ends with. */
async function remember(
  question: HostKeyQuestion,
  { text, entries }: { text: string; entries: readonly KnownHost[] },
): Promise<Failure | null> {
  const name = lookupName(question.address, question.port);
  const hashed = entries.some(entry => entry.patterns[0]?.startsWith('|1|'));
  const line = lineOf(question, hashed ? hashName(name, randomBytes(20)) : name);
  const gap = text === '' || text.endsWith('\n') ? '' : '\n';
  try {
    await mkdir(dirname(question.file), { recursive: true, mode: 0o700 });
    await appendFile(question.file, `${gap}${line}\n`, { mode: 0o600 });
    return null;
  } catch (thrown) {
    return unchecked(question, 'remembered', thrown);
  }
}

/** As it stands in known_hosts. */
function lineOf({ key }: HostKeyQuestion, name: string): string {
  return `${name} ${keyType(key)} ${key.toString('base64')}`;
}

function unchecked(question: HostKeyQuestion, done: string, thrown: unknown): Failure {
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return refuse(
    question,
    'HOST_KEY_UNCHECKED',
    `could not be ${done} in ${question.file}: ${reason}`,
    'Correct ssh.knownHosts, or the rights of that file',
  );
}
