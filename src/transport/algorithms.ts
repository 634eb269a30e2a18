/** What is offered in the handshake: ssh2's list without SHA-1 and CBC. */

import type { Algorithms, ServerHostKeyAlgorithm } from 'ssh2';

export type AlgorithmKind = 'kex' | 'serverHostKey' | 'cipher' | 'hmac' | 'compress';

const HOST_KEYS: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/** @param known key types to ask for first, because known_hosts has them for the host */
export function strictAlgorithms(known: readonly string[]): Required<Pick<Algorithms, AlgorithmKind>> {
  const first = HOST_KEYS.filter(type => known.includes(type));
  return {
    kex: [
      'curve25519-sha256',
      'curve25519-sha256@libssh.org',
      'ecdh-sha2-nistp256',
      'ecdh-sha2-nistp384',
      'ecdh-sha2-nistp521',
      'diffie-hellman-group16-sha512',
      'diffie-hellman-group18-sha512',
      'diffie-hellman-group14-sha256',
    ],
    serverHostKey: [...first, ...HOST_KEYS.filter(type => !first.includes(type))],
    cipher: [
      'aes128-gcm@openssh.com',
      'aes256-gcm@openssh.com',
      'chacha20-poly1305@openssh.com',
      'aes128-ctr',
      'aes192-ctr',
      'aes256-ctr',
    ],
    hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
    compress: ['none'],
  };
}

/** For people. */
export function offered(kind: AlgorithmKind): readonly string[] {
  const list = strictAlgorithms([])[kind];
  return Array.isArray(list) ? list : [];
}
