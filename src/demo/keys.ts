/** Keys of embedded hosts. */

import ssh2 from 'ssh2';

/**
 * A new Ed25519 pair in OpenSSH's form.
 * ssh2 leaves out a leading zero byte of the public half, so that about one pair in 256 is malformed: another is made then.
 */
export function makeKeys(): { readonly private: string; readonly public: string } {
  for (;;) {
    const keys = ssh2.utils.generateKeyPairSync('ed25519');
    if (!(ssh2.utils.parseKey(keys.private) instanceof Error)) return keys;
  }
}
