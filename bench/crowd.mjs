// Many embedded hosts in one process: gets {directory, first, count, clientKey}, answers with {ports, hostKey}. Needs dist.
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { runInShell, speakSsh } from '../dist/demo/host-server.js';
import { makeKeys } from '../dist/demo/keys.js';

process.once('message', async ({ directory, first, count, clientKey }) => {
  const keys = makeKeys();
  const ports = [];
  for (let at = first; at < first + count; at++) {
    const home = join(directory, `host${at}`);
    mkdirSync(join(home, 'www'), { recursive: true });
    ports.push(await startHost({ directory: home, clientKey, bin: home }, keys.private));
  }
  process.send?.({ ports, hostKey: keys.public.trim() });
});

function startHost(options, hostKey) {
  const server = createServer({ noDelay: true }, socket =>
    speakSsh({ socket, options, hostKey }, (command, channel) => runInShell({ command, channel, options })),
  );
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
}
