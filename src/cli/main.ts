#!/usr/bin/env node
/** The command's way in. */

import { runProgram } from './program.ts';

process.exitCode = await runProgram(process.argv.slice(2));
