#!/usr/bin/env node
/** The command's way in. */

import { runProgram } from './program.ts';

// Whoever reads may go away, such as `head` or a terminal: a run must go on to its end all the same.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

process.exitCode = await runProgram(process.argv.slice(2));
