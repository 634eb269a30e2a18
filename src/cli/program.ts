/** The tree of commands. */

import { readFile } from 'node:fs/promises';
import { Command, CommanderError, Option } from 'commander';
import { COMMANDS, type CommandSpec } from './commands.ts';
import { announce, type CommonOptions, refuse } from './surroundings.ts';
import { createWitness } from './witness.ts';

const EXIT_CODES = `
Exit codes: 0 as asked; 1 the fleet is as it was: refused, or failed before any link moved; 2 never contacted: wrong usage,
inventory or release; 3 back where it was: links moved and were all put back; 4 split, unsettled or unknown: the output
names each host and what to do; 5 as it was: locked by another deployment.`;

/** @returns the exit code. Commander's own errors, such as an unknown option, are wrong usage: 2. */
export async function runProgram(args: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command('fleetflip')
    .description('Release to a fleet of servers in two phases: stage everywhere, prove it, flip every link at once.')
    .version(await readVersion())
    .addHelpText('after', EXIT_CODES)
    .showSuggestionAfterError()
    .exitOverride();
  for (const spec of COMMANDS)
    addCommand(program, spec, result => {
      code = result;
    });
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    if (thrown.exitCode === 0) return 0;
    refuseUsage(args, thrown.message);
    return 2;
  }
  return code;
}

/** Commander has told the person; a program that reads JSON is told in JSON. */
function refuseUsage(args: readonly string[], message: string): void {
  const spec = COMMANDS.find(one => one.name === args.find(word => !word.startsWith('-')));
  if (!spec?.fleet || !/(^| )--output[ =]json( |$)/.test(args.join(' '))) return;
  const failure = refuse('USAGE', message.replace(/^error: /, ''), `See fleetflip help ${spec.name}`);
  announce(createWitness(spec.name).refuse([failure]), 'json');
}

function addCommand(program: Command, spec: CommandSpec, done: (code: number) => void): void {
  const command = program.command(spec.name).description(spec.description).exitOverride();
  for (const [argument, description] of spec.args) command.argument(argument, description);
  if (spec.fleet) {
    command.option('-i, --inventory <file>', 'the servers', 'inventory.yaml');
    command.option('--only <pattern>', 'names, globs, tags; ! excludes');
    command.addOption(
      new Option('--output <kind>', 'how to show it; chosen by itself otherwise').choices(['tty', 'plain', 'json']),
    );
    command.option('--log <file>', 'append every event to a file, as JSON lines');
  }
  for (const [flags, description] of spec.options) command.option(flags, description);
  command.addHelpText('after', `\nExamples:\n${spec.examples.map(example => `  $ ${example}`).join('\n')}`);
  command.action(async (...given: unknown[]) => {
    const options = command.opts<CommonOptions>();
    const words = given.slice(0, spec.args.length).map(word => (typeof word === 'string' ? word : undefined));
    done(await spec.run(words, options));
  });
}

async function readVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return version;
}
