/** Real servers need what was built, and an sshd: a missing one is an error, never a skip. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';

export default function setup(): void {
  if (!existsSync(join(import.meta.dirname, '../../dist/cli/main.js')))
    throw new Error('dist is missing: npm run build');
  if (!existsSync('/usr/sbin/sshd')) throw new Error('sshd is missing: install openssh-server');
}
