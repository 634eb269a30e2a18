/** The whole story in a few seconds: two releases, one that fails on a host, its repair, and a rollback. */

import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, readlink, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deploy, type Fleet, loadInventory, type Result, type RunOptions, rollback, status } from '../index.ts';
import { createView, formatStatus } from '../render/index.ts';
import { type DemoFleet, startDemoFleet } from './fleet.ts';
import { breakDisk, repairDisk, writeSite } from './props.ts';

export interface DemoOptions {
  /** Stay until Ctrl-C, with an inventory to play with. */
  readonly keep: boolean;
  /** How this program is called, for what one can try. */
  readonly self: string;
  readonly out: NodeJS.WriteStream;
}

const HOSTS = 5;
const BROKEN = 3;

/**
 * Starts the hosts, tells the story, and removes everything again: at the end, after an error, on SIGINT, SIGTERM
 * and SIGHUP. A second signal ends the process at once.
 * @returns 0 when every step ended as it should, else 1.
 */
export async function runDemo({ keep, self, out }: DemoOptions): Promise<number> {
  const directory = await mkdtemp(join(await realpath(tmpdir()), 'fleetflip-demo-'));
  const watch = watchSignals(directory);
  const say = (text: string): void => void out.write(`${text}\n`);
  let fleet: DemoFleet | null = null;
  try {
    say(`${INTRODUCTION}\n\nFive SSH hosts start below ${directory}; no real server is touched.\n`);
    fleet = await startDemoFleet({ directory, count: HOSTS });
    const inventory = await loadInventory(fleet.inventory);
    const good = await tellStory({ directory, fleet, inventory, say, out, signal: watch.signal });
    if (watch.signal.aborted) say('Interrupted: the rest of the story is left out.');
    else
      say(good ? describeUse(self) : 'The demo did NOT go as it should: the last step ended with another exit code.');
    if (keep && !watch.signal.aborted) await stay({ directory, fleet, self, say, signal: watch.signal });
    return good ? 0 : 1;
  } finally {
    await fleet?.stop();
    await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    watch.end();
  }
}

interface Watch {
  readonly signal: AbortSignal;
  end(): void;
}

function watchSignals(directory: string): Watch {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(1);
    controller.abort();
  };
  const onExit = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  for (const name of SIGNALS) process.on(name, onSignal);
  process.once('exit', onExit);
  return {
    signal: controller.signal,
    end() {
      for (const name of SIGNALS) process.off(name, onSignal);
      process.off('exit', onExit);
    },
  };
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

interface Story {
  readonly directory: string;
  readonly fleet: DemoFleet;
  readonly inventory: Fleet;
  readonly say: (text: string) => void;
  readonly out: NodeJS.WriteStream;
  readonly signal: AbortSignal;
}

interface Step {
  readonly text: string;
  readonly exitCode: number;
  readonly before?: () => Promise<void>;
  readonly run: (options: RunOptions) => Promise<Result>;
}

async function tellStory(story: Story): Promise<boolean> {
  for (const [at, step] of (await planSteps(story)).entries()) {
    if (story.signal.aborted) return false;
    story.say(`${at + 1}. ${step.text}`);
    await step.before?.();
    const result = await show(story, step.run);
    if (result.exitCode !== step.exitCode) return false;
  }
  story.say('This is what status says now:\n');
  story.say(`${formatStatus(await status(story.inventory, { signal: story.signal }))}\n`);
  return true;
}

async function planSteps({ directory, fleet, inventory }: Story): Promise<readonly Step[]> {
  const [one, two, three] = await Promise.all(
    ['v1', 'v2', 'v3'].map(async version => ({ version, source: await writeSite(directory, version) })),
  );
  const broken = fleet.hosts[BROKEN];
  if (!one || !two || !three || !broken) throw new Error('the demo has three releases and five hosts');
  const release = ({ version, source }: typeof one) => {
    return (run: RunOptions): Promise<Result> => deploy(inventory, source, { ...run, label: version });
  };
  return [
    {
      text: 'The first release, v1. The hosts are empty: it makes the first slot, and at the end the link to it.',
      exitCode: 0,
      run: release(one),
    },
    { text: 'v2 goes into the other slot, and then all links flip together.', exitCode: 0, run: release(two) },
    {
      text: `v3, but the disk of ${broken.name} spoils a file. It cannot prove the release, so no link moves anywhere.`,
      exitCode: 1,
      before: () => breakDisk(broken),
      run: release(three),
    },
    {
      text: `The disk of ${broken.name} is repaired, and v3 is deployed again.`,
      exitCode: 0,
      before: () => repairDisk(broken),
      run: release(three),
    },
    {
      text: 'v3 was a mistake: rollback. v2 is still in the other slot: it is proven again, and nothing is sent.',
      exitCode: 0,
      run: run => rollback(inventory, run),
    },
  ];
}

/** Runs one step with its events as lines, then shows what every link says, and the exit code. */
async function show({ fleet, say, out, signal }: Story, run: Step['run']): Promise<Result> {
  const view = createView({ kind: 'plain', out, command: 'demo', report: false });
  const emit: RunOptions['emit'] = event => (TOLD.includes(event.kind) ? view.emit(event) : undefined);
  const result = await run({ emit, signal });
  const links = fleet.hosts.map(async ({ name, root }) => {
    return `${name} -> ${await readlink(join(root, 'site')).catch(() => '(no link)')}`;
  });
  say(`   links      ${(await Promise.all(links)).join('  ')}`);
  say(`   exit code  ${result.exitCode}\n`);
  return result;
}

/** Kinds of events that a short story has room for. */
const TOLD: readonly string[] = ['run-started', 'vote', 'barrier', 'reverted', 'host-failed', 'warning', 'result'];

interface Stay {
  readonly directory: string;
  readonly fleet: DemoFleet;
  readonly self: string;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

async function stay({ directory, fleet, self, say, signal }: Stay): Promise<void> {
  const from = `-i ${fleet.inventory}`;
  say(`
The fleet goes on running. Try in another terminal:

  ${self} status ${from}
  ${self} plan ${join(directory, 'releases', 'v1')} ${from}
  ${self} deploy ${join(directory, 'releases', 'v1')} --label v1 ${from}
  ${self} rollback ${from}
  ls -l ${directory}/demo*/www
  echo oops >>${join(directory, 'demo4', 'www', 'site', 'index.html')}    # then status: drift

Ctrl-C here ends it and removes everything.`);
  const tick = setInterval(() => undefined, 60_000);
  if (!signal.aborted) await once(signal, 'abort');
  clearInterval(tick);
}

const INTRODUCTION = `On every server a site is two directories, the slots, and a link to the one that is served. A release goes
into the other slot, on all servers in parallel. Each server proves that it holds the release: that is
its vote. Only when all vote yes do all links flip; otherwise none does.

Look at three things in each step: the votes, the links, and the exit code.`;

function describeUse(self: string): string {
  return `The same on your own servers; an SSH login and a POSIX shell are all that they need:

  ${self} init            write inventory.yaml, then name your servers in it
  ${self} check           reach every host and try what is needed
  ${self} deploy ./dist   release
  ${self} status          what is live and idle, everywhere
  ${self} rollback        back to the release before`;
}
