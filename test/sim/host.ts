/** A simulated host: its disk, its processes, its clocks, and whether anybody can reach it. */

import { Disk } from './disk.ts';
import { type Birth, Process } from './process.ts';
import type { World } from './world.ts';

/** The live link, a directory of its own, so that a link there is told from a record. */
export const ROOT = 'root';
export const RECORD = 'record';
export const LOCKS = 'locks';
export const NAME = 'foo';
export const SLOTS = ['foo_l', 'foo_r'] as const;

export function directoryOf(slot: string): string {
  return `slot:${slot}`;
}

export class Host {
  readonly disk: Disk;
  readonly processes = new Map<number, Process>();
  /** How often each verb was begun. */
  readonly turns = new Map<string, number>();
  /** Whether there was a live link from the beginning. */
  servedAtFirst = false;
  /** Deployments whose guard was taken away from outside. */
  readonly unguarded = new Set<string>();
  boot = 1;
  up = true;
  /** Milliseconds by which the wall clock is wrong. */
  wallError = 0;
  /** Until then the network swallows everything from and to this host. */
  silentUntil = 0;
  #bootedAt: number;
  #pids = 100;

  readonly world: World;
  readonly name: string;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.disk = new Disk(change => world.laws.see(this, change));
    this.#bootedAt = world.timeline.now - world.random.between(1e6, 1e9);
  }

  /** Hundredths of a second on the clock of this boot. */
  uptime(): number {
    return Math.floor((this.world.timeline.now - this.#bootedAt) / 10);
  }

  /** The same in seconds, to the finest. */
  seconds(): number {
    return (this.world.timeline.now - this.#bootedAt) / 1000;
  }

  /** Unix milliseconds, as wrong as this host's clock is. */
  wall(): number {
    return 1_900_000_000_000 + this.world.timeline.now + this.wallError;
  }

  nextPid(): number {
    return this.#pids++;
  }

  start(birth: Omit<Birth, 'host'>): Process {
    const process = new Process({ ...birth, host: this });
    this.world.timeline.at(0, () => process.resume());
    return process;
  }

  turn(verb: string): number {
    const turn = this.turns.get(verb) ?? 0;
    this.turns.set(verb, turn + 1);
    return turn;
  }

  /** Every process is gone, the record stays; after a power cut without the last steps that were not flushed. */
  reboot(downtime: number, lost: number): void {
    this.up = false;
    for (const run of this.disk.list(RECORD, 'run.')) this.unguarded.add(run.split('.')[2] ?? '');
    for (const process of [...this.processes.values()]) process.kill();
    this.disk.full = false;
    this.disk.forget(lost);
    this.world.laws.rebooted(this);
    this.world.timeline.at(downtime, () => {
      this.boot += 1;
      this.#bootedAt = this.world.timeline.now - 1_000;
      this.#pids = 100;
      this.up = true;
    });
  }
}
