/** The agent's text, as it is brought to the hosts. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AgentSource } from './prelude.ts';

export async function loadAgent(): Promise<AgentSource> {
  const bytes = await readFile(new URL('./agent.sh', import.meta.url));
  return { bytes, digest: createHash('sha256').update(bytes).digest('hex') };
}
