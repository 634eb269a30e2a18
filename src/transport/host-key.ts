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
  const entries = await readKnownHosts(question.file);
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
  const [first] = plain;
  if (first !== undefined) return changed(question, first);
  if (found.some(entry => entry.marker === 'cert-authority'))
    return refuse(
      question,
      'HOST_KEY_UNKNOWN',
      `is not in ${question.file}, which trusts a certificate authority (@cert-authority) that ssh2 cannot honour`,
      `Add the host's own key to ${question.file}`,
    );
  if (question.policy === 'accept-new') {
    await remember(question, entries);
    return null;
  }
  const scan = `ssh-keyscan -p ${question.port} ${question.address}`;
  return refuse(
    question,
    'HOST_KEY_UNKNOWN',
    `is not in ${question.file}`,
    `Compare the fingerprint with the server's own, then add the key: ${scan} >> ${question.file}`,
  );
}

/** Host key algorithms to ask for, so that a known host is asked for the kind of key that is known. */
export async function preferredKeyTypes(file: string, name: string): Promise<readonly string[]> {
  const entries = findEntries(await readKnownHosts(file), name).filter(entry => entry.marker === null);
  return [
    ...new Set(entries.flatMap(entry => (entry.type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [entry.type]))),
  ];
}

async function readKnownHosts(file: string): Promise<readonly KnownHost[]> {
  try {
    return parseKnownHosts(await readFile(file, 'utf8'));
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return [];
    throw thrown;
  }
}

function changed(question: HostKeyQuestion, entry: KnownHost): Failure {
  const name = lookupName(question.address, question.port);
  return refuse(
    question,
    'HOST_KEY_CHANGED',
    `is not the ${entry.type} key of ${question.file}:${entry.line}: the server was reinstalled, or someone stands between`,
    `If the change is right: ssh-keygen -R '${name}' -f ${question.file}, then add the new key`,
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

async function remember(question: HostKeyQuestion, entries: readonly KnownHost[]): Promise<void> {
  const name = lookupName(question.address, question.port);
  const hashed = entries.some(entry => entry.patterns.some(pattern => pattern.startsWith('|1|')));
  const shown = hashed ? hashName(name, randomBytes(20)) : name;
  await mkdir(dirname(question.file), { recursive: true, mode: 0o700 });
  await appendFile(question.file, `${shown} ${keyType(question.key)} ${question.key.toString('base64')}\n`, {
    mode: 0o600,
  });
}
