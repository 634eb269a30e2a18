/** Every command: its words, its help, and what it calls. */

import { writeFile } from 'node:fs/promises';
import { runDemo } from '../demo/index.ts';
import type { Command, Result } from '../domain/event.ts';
import {
  adopt,
  check,
  deploy,
  type Fleet,
  flip,
  history,
  inventoryTemplate,
  plan,
  type RunOptions,
  recover,
  rollback,
  stage,
  status,
  unlock,
} from '../index.ts';
import { formatHistory, formatPlan, formatStatus } from '../render/index.ts';
import { askYes, describeHolders } from './ask.ts';
import { type CommonOptions, withFleet } from './surroundings.ts';

export interface CommandSpec {
  readonly name: string;
  readonly description: string;
  readonly args: readonly (readonly [string, string])[];
  /** Takes the options of commands that meet the fleet. */
  readonly fleet: boolean;
  readonly options: readonly (readonly [string, string])[];
  readonly examples: readonly [string, string];
  readonly run: (args: readonly (string | undefined)[], options: CommonOptions) => Promise<number>;
}

const RELEASE = ['<release>', 'a directory, a .tar, .tar.gz or .tgz file, or git:REF'] as const;
const LABEL = ['--label <text>', 'a name for people; default: what git describes'] as const;

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'deploy',
    description: 'stage the release on every host, and flip all links when every host has proven it',
    args: [RELEASE],
    fleet: true,
    options: [LABEL],
    examples: ['fleetflip deploy ./dist --label v1.2.3', 'fleetflip deploy git:v1.2.3 --only eu'],
    run: ([release = ''], options) =>
      transact('deploy', options, (fleet, run) => deploy(fleet, release, { ...run, ...labelOf(options) })),
  },
  {
    name: 'stage',
    description: 'phase one alone: bring the release into the idle slots and prove it; no link moves',
    args: [RELEASE],
    fleet: true,
    options: [LABEL],
    examples: ['fleetflip stage ./dist', 'fleetflip stage build.tar.gz --label v1.2.3'],
    run: ([release = ''], options) =>
      transact('stage', options, (fleet, run) => stage(fleet, release, { ...run, ...labelOf(options) })),
  },
  {
    name: 'flip',
    description: 'phase two alone: flip all links to what is staged',
    args: [['[release]', 'the id, the beginning of it, or the label of the staged release']],
    fleet: true,
    options: [],
    examples: ['fleetflip flip', 'fleetflip flip v1.2.3'],
    run: ([release], options) =>
      transact('flip', options, (fleet, run) => flip(fleet, { ...run, ...(release === undefined ? {} : { release }) })),
  },
  {
    name: 'rollback',
    description: 'flip every host back to the release that was live before',
    args: [],
    fleet: true,
    options: [['--accept-drift', 'also when files of that release were changed or are missing']],
    examples: ['fleetflip rollback', 'fleetflip rollback --accept-drift'],
    run: (_, options) =>
      transact('rollback', options, (fleet, run) =>
        rollback(fleet, { ...run, acceptDrift: options.acceptDrift ?? false }),
      ),
  },
  {
    name: 'status',
    description: 'what is live and idle on every host; changes nothing',
    args: [],
    fleet: true,
    options: [],
    examples: ['fleetflip status', 'fleetflip status --output json'],
    run: (_, options) =>
      withFleet({
        command: 'status',
        options,
        work: status,
        end: (report, kind) =>
          print(
            kind === 'json' ? JSON.stringify(report) : formatStatus(report),
            report.split || !report.settled ? 4 : 0,
          ),
      }),
  },
  {
    name: 'plan',
    description: 'what deploy would do and send, and which release it overwrites; changes nothing',
    args: [RELEASE],
    fleet: true,
    options: [LABEL],
    examples: ['fleetflip plan ./dist', 'fleetflip plan git:main --output json'],
    run: ([release = ''], options) =>
      withFleet({
        command: 'plan',
        options,
        work: (fleet, run) => plan(fleet, release, { ...run, ...labelOf(options) }),
        end: (report, kind) =>
          print(kind === 'json' ? JSON.stringify(report) : formatPlan(report), report.refusals.length > 0 ? 1 : 0),
      }),
  },
  {
    name: 'check',
    description: 'reach every host and try every need; leaves nothing behind',
    args: [],
    fleet: true,
    options: [],
    examples: ['fleetflip check', 'fleetflip check --only web01'],
    run: (_, options) => transact('check', options, check),
  },
  {
    name: 'recover',
    description: 'settle what an interrupted deployment left',
    args: [],
    fleet: true,
    options: [],
    examples: ['fleetflip recover', 'fleetflip recover --output json'],
    run: (_, options) => transact('recover', options, recover),
  },
  {
    name: 'unlock',
    description: 'release a lock by force, with its owner shown',
    args: [],
    fleet: true,
    options: [['--force', 'without asking']],
    examples: ['fleetflip unlock', 'fleetflip unlock --force --only web03'],
    run: (_, options) =>
      transact('unlock', options, (fleet, run) =>
        unlock(fleet, {
          ...run,
          confirm: async holders =>
            options.force === true || askYes(`${describeHolders(holders)}\nTake these locks away?`),
        }),
      ),
  },
  {
    name: 'adopt',
    description: 'turn a plain directory into slots',
    args: [],
    fleet: true,
    options: [['--allow-gap', 'without asking, where the name is missing for a moment']],
    examples: ['fleetflip adopt', 'fleetflip adopt --only web01 --allow-gap'],
    run: (_, options) =>
      transact('adopt', options, (fleet, run) =>
        adopt(fleet, {
          ...run,
          allowGap: async hosts =>
            options.allowGap === true ||
            askYes(`On ${hosts.join(', ')} the name will not resolve for a moment. Go on?`),
        }),
      ),
  },
  {
    name: 'history',
    description: 'who released what and when',
    args: [],
    fleet: true,
    options: [],
    examples: ['fleetflip history', 'fleetflip history --output json'],
    run: (_, options) =>
      withFleet({
        command: 'history',
        options,
        work: history,
        end: (report, kind) =>
          print(
            kind === 'json' ? JSON.stringify(report) : formatHistory(report),
            report.hosts.some(host => host.error === undefined) ? 0 : 1,
          ),
      }),
  },
  {
    name: 'init',
    description: 'write a commented inventory',
    args: [['[file]', 'default: inventory.yaml']],
    fleet: false,
    options: [],
    examples: ['fleetflip init', 'fleetflip init staging.yaml'],
    run: ([file = 'inventory.yaml']) => writeInventory(file),
  },
  {
    name: 'demo',
    description: 'the whole story on embedded hosts: no server needed',
    args: [],
    fleet: false,
    options: [['--keep', 'leave the fleet running to play with, until Ctrl-C']],
    examples: ['fleetflip demo', 'fleetflip demo --keep'],
    run: (_, options) => runDemo({ keep: options.keep ?? false, out: process.stdout }),
  },
];

function transact(
  command: Command,
  options: CommonOptions,
  work: (fleet: Fleet, run: RunOptions) => Promise<Result>,
): Promise<number> {
  return withFleet({ command, options, work, end: result => result.exitCode });
}

function labelOf({ label }: CommonOptions): { label?: string } {
  return label === undefined ? {} : { label };
}

function print(text: string, code: number): number {
  process.stdout.write(`${text}\n`);
  return code;
}

async function writeInventory(file: string): Promise<number> {
  try {
    await writeFile(file, inventoryTemplate(), { flag: 'wx' });
  } catch (thrown) {
    const exists = thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST';
    process.stderr.write(
      exists
        ? `${file} exists already; it was not touched. Name another file.\n`
        : `${file} cannot be written: ${String(thrown)}\n`,
    );
    return 2;
  }
  return print(`Wrote ${file}. Name your servers in it, then: fleetflip check`, 0);
}
