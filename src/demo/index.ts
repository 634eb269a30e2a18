/** The whole story in a few seconds: two releases, one that fails on a host, and a rollback. */

import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deploy, loadInventory, type Result, type RunOptions, rollback } from '../index.ts';
import { createView } from '../render/index.ts';
import { type DemoFleet, startDemoFleet } from './fleet.ts';

export interface DemoOptions {
  /** Stay until Ctrl-C, with an inventory to play with. */
  readonly keep: boolean;
  readonly out: NodeJS.WriteStream;
}

const HOSTS = 5;

/** @returns 0 when every step ended as it should, else 1. */
export async function runDemo({ keep, out }: DemoOptions): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-demo-'));
  const say = (text: string): void => void out.write(`${text}\n`);
  let fleet: DemoFleet | null = null;
  try {
    say(`Five SSH hosts start in ${directory}, each with a root of its own. No real server is touched.\n`);
    fleet = await startDemoFleet({ directory, count: HOSTS });
    const good = await tellStory({ directory, fleet, say, out });
    say(good ? HOW_TO : 'The demo did NOT go as it should.');
    if (keep) await stay(fleet, say);
    return good ? 0 : 1;
  } finally {
    await fleet?.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

interface Story {
  readonly directory: string;
  readonly fleet: DemoFleet;
  readonly say: (text: string) => void;
  readonly out: NodeJS.WriteStream;
}

async function tellStory(story: Story): Promise<boolean> {
  const { directory, fleet, say } = story;
  const inventory = await loadInventory(fleet.inventory);
  const release = (name: string): Promise<string> => writeRelease(join(directory, 'releases', name), name);
  const [one, two, three] = await Promise.all(['v1', 'v2', 'v3'].map(release));

  say('1. A first release: every host gets two slots, and the link at the end.');
  const first = await show(story, run => deploy(inventory, one ?? '', { ...run, label: 'v1' }));

  say('2. The next release goes into the other slot, and all links flip at once.');
  const second = await show(story, run => deploy(inventory, two ?? '', { ...run, label: 'v2' }));

  say(
    '3. A third release, but the disk of demo4 loses a byte. The host cannot prove the release, so no link moves anywhere.',
  );
  const [fourth] = fleet.hosts.slice(3);
  const bad = join(fourth?.bin ?? '', 'tar');
  await writeFile(
    bad,
    '#!/bin/sh\nPATH=/usr/bin:/bin\ntar "$@"\ncode=$?\n[ ! -f ./index.html ] || printf x >>./index.html\nexit $code\n',
  );
  await chmod(bad, 0o755);
  const third = await show(story, run => deploy(inventory, three ?? '', { ...run, label: 'v3' }));
  await rm(bad);

  say('4. v1 is deployed once more, and then rolled back: v2 stands ready in the other slot.');
  const fourthRun = await show(story, run => deploy(inventory, one ?? '', { ...run, label: 'v1' }));
  const fifth = await show(story, run => rollback(inventory, run));
  const outcomes = [first, second, third, fourthRun, fifth].map(result => result.outcome);
  return outcomes.join() === 'committed,committed,unchanged,committed,committed';
}

async function show({ fleet, say, out }: Story, run: (options: RunOptions) => Promise<Result>): Promise<Result> {
  const view = createView('plain', out);
  const result = await run({ emit: event => (QUIET.includes(event.kind) ? undefined : view.emit(event)) });
  for (const { name, root } of fleet.hosts) {
    const link = await readlink(join(root, 'site')).catch(() => '(no link)');
    say(`   ${name}: ${join(root, 'site')} -> ${link}`);
  }
  say(`   exit code ${result.exitCode}\n`);
  return result;
}

/** Kinds of events that a short story leaves out. */
const QUIET: readonly string[] = ['phase-started', 'progress', 'host-planned', 'flipped', 'confirmed'];

async function writeRelease(directory: string, version: string): Promise<string> {
  await mkdir(join(directory, 'assets'), { recursive: true });
  await writeFile(
    join(directory, 'index.html'),
    `<!doctype html><title>${version}</title><link rel=stylesheet href=assets/site.css><h1>Release ${version}</h1>\n`,
  );
  await writeFile(join(directory, 'assets', 'site.css'), 'h1 { font-family: sans-serif }\n');
  return directory;
}

async function stay(fleet: DemoFleet, say: (text: string) => void): Promise<void> {
  say(
    `The fleet goes on running. In another terminal:\n\n  fleetflip status -i ${fleet.inventory}\n  fleetflip rollback -i ${fleet.inventory}\n\nCtrl-C ends it.`,
  );
  const tick = setInterval(() => undefined, 60_000);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  clearInterval(tick);
}

const HOW_TO = `On your own servers:

  fleetflip init            write inventory.yaml, then name your servers in it
  fleetflip check           reach every host and try what is needed
  fleetflip deploy ./dist   release`;
