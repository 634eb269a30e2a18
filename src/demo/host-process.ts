/** An embedded SSH host as a process of its own: all that it is told is in its first argument. */

import { type HostOptions, listen, runInShell, speakSsh } from './host-server.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as HostOptions;
listen(options, caller => speakSsh(caller, (command, channel) => runInShell({ command, channel, options })));
