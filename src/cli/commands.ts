/** Every command: its words, its help, and what it calls. */

import { runDemo } from '../demo/index.ts';
import type { Command } from '../domain/event.ts';
import { adopt, check, deploy, flip, history, plan, recover, rollback, stage, status, unlock } from '../index.ts';
import { describeHolders, formatHistory, formatPlan, formatStatus } from '../render/index.ts';
import { judgePlan, labelOf, nameSelf, report, transact, writeArtifact, writeInventory } from './actions.ts';
import type { CommonOptions } from './surroundings.ts';

/** `fleet`: it takes the options of commands that meet the fleet. */
export type CommandSpec = Words & ({ readonly fleet: true; readonly name: Command } | { readonly fleet: false });

interface Words {
  readonly name: string;
  readonly description: string;
  readonly args: readonly (readonly [string, string])[];
  readonly options: readonly (readonly [string, string])[];
  readonly examples: readonly [string, string];
  readonly run: (args: readonly (string | undefined)[], options: CommonOptions) => Promise<number>;
}

const SOURCES = 'a directory, a .tar, .tar.gz or .tgz file, a URL, or git:REF';
const RELEASE = ['[release]', `${SOURCES}; default: the inventory's source`] as const;
const WAIT = ['--wait <time>', 'wait so long, such as 10m, for a fleet that another deployment holds'] as const;
const LABEL = ['--label <text>', 'a name for people; default: what git describes'] as const;

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'deploy',
    description: 'stage the release on every host, and flip all links when every host has proven it',
    args: [RELEASE],
    fleet: true,
    options: [LABEL, WAIT],
    examples: ['fleetflip deploy ./dist --label v1.2.3', 'fleetflip deploy git:v1.2.3 --only eu --wait 10m'],
    run: ([release], options) =>
      transact({
        command: 'deploy',
        options,
        work: (fleet, run) => deploy(fleet, release ?? null, { ...run, ...labelOf(options) }),
      }),
  },
  {
    name: 'stage',
    description: 'phase one alone: bring the release into the idle slots and prove it; no link moves',
    args: [RELEASE],
    fleet: true,
    options: [LABEL, WAIT],
    examples: [
      'fleetflip stage build.tar.gz --label v1.2.3',
      'fleetflip stage https://files.example.com/v1.2.3.tar.gz',
    ],
    run: ([release], options) =>
      transact({
        command: 'stage',
        options,
        work: (fleet, run) => stage(fleet, release ?? null, { ...run, ...labelOf(options) }),
      }),
  },
  {
    name: 'flip',
    description: 'phase two alone: flip all links to what is staged',
    args: [['[release]', 'the id, the beginning of it, or the label of the staged release']],
    fleet: true,
    options: [WAIT],
    examples: ['fleetflip flip', 'fleetflip flip v1.2.3'],
    run: ([release], options) =>
      transact({
        command: 'flip',
        options,
        work: (fleet, run) => flip(fleet, { ...run, ...(release === undefined ? {} : { release }) }),
      }),
  },
  {
    name: 'rollback',
    description: 'flip every host back to the release that was live before',
    args: [],
    fleet: true,
    options: [['--accept-drift', 'also when files of that release were changed or are missing'], WAIT],
    examples: ['fleetflip rollback', 'fleetflip rollback --accept-drift'],
    run: (_, options) =>
      transact({
        command: 'rollback',
        options,
        work: (fleet, run) => rollback(fleet, { ...run, acceptDrift: options.acceptDrift ?? false }),
      }),
  },
  {
    name: 'status',
    description: 'what is live and idle on every host; changes nothing',
    args: [],
    fleet: true,
    options: [],
    examples: ['fleetflip status', 'fleetflip status --output json'],
    run: (_, options) =>
      report({
        command: 'status',
        options,
        read: status,
        format: formatStatus,
        judge: ({ split, settled }) => (split || !settled ? 4 : 0),
      }),
  },
  {
    name: 'plan',
    description: 'what deploy would do and send, and which release it overwrites; changes nothing',
    args: [RELEASE],
    fleet: true,
    options: [LABEL],
    examples: ['fleetflip plan ./dist', 'fleetflip plan git:main --output json'],
    run: ([release], options) =>
      report({
        command: 'plan',
        options,
        read: (fleet, run) => plan(fleet, release ?? null, { ...run, ...labelOf(options) }),
        format: formatPlan,
        judge: judgePlan,
      }),
  },
  {
    name: 'check',
    description: 'reach every host and try every need; leaves nothing behind',
    args: [],
    fleet: true,
    options: [],
    examples: ['fleetflip check', 'fleetflip check --only web01'],
    run: (_, options) => transact({ command: 'check', options, work: check }),
  },
  {
    name: 'recover',
    description: 'settle what an interrupted deployment left',
    args: [],
    fleet: true,
    options: [WAIT],
    examples: ['fleetflip recover', 'fleetflip recover --output json'],
    run: (_, options) => transact({ command: 'recover', options, work: recover }),
  },
  {
    name: 'unlock',
    description: 'release a lock by force, with its owner shown',
    args: [],
    fleet: true,
    options: [['--force', 'without asking']],
    examples: ['fleetflip unlock', 'fleetflip unlock --force --only web03'],
    run: (_, options) =>
      transact({
        command: 'unlock',
        options,
        work: (fleet, run, ask) =>
          unlock(fleet, {
            ...run,
            confirm: async holders =>
              options.force === true || ask(`${describeHolders(holders)}\nTake these locks away?`),
          }),
      }),
  },
  {
    name: 'adopt',
    description: 'turn a plain directory into slots',
    args: [],
    fleet: true,
    options: [['--allow-gap', 'without asking, where the name is missing for a moment']],
    examples: ['fleetflip adopt', 'fleetflip adopt --only web01 --allow-gap'],
    run: (_, options) =>
      transact({
        command: 'adopt',
        options,
        work: (fleet, run, ask) =>
          adopt(fleet, {
            ...run,
            allowGap: async hosts =>
              options.allowGap === true || ask(`On ${hosts.join(', ')} the name will not resolve for a moment. Go on?`),
          }),
      }),
  },
  {
    name: 'history',
    description: 'who released what and when',
    args: [],
    fleet: true,
    options: [],
    examples: ['fleetflip history', 'fleetflip history --output json'],
    run: (_, options) =>
      report({
        command: 'history',
        options,
        read: history,
        format: formatHistory,
        judge: ({ hosts }) => (hosts.some(host => host.error !== undefined) ? 1 : 0),
      }),
  },
  {
    name: 'pack',
    description: 'write a release as one file that hosts can fetch from a URL, and FILE.id with its id',
    args: [['<release>', SOURCES]],
    fleet: false,
    options: [
      ['--to <file>', 'default: release-ID.tar.gz, with the beginning of the id'],
      LABEL,
      ['--output <kind>', 'plain or json; default: plain'],
    ],
    examples: ['fleetflip pack ./dist', 'fleetflip pack git:v1.2.3 --to v1.2.3.tar.gz'],
    run: ([release = ''], options) => writeArtifact(release, options),
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
    run: (_, options) => runDemo({ keep: options.keep ?? false, self: nameSelf(), out: process.stdout }),
  },
];
