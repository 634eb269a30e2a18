/** What breaks, and where: a fault waits for a host's process to reach a step of a verb, and strikes there. */

import type { Machine } from './clock.ts';
import { type Fault, strike } from './faults.ts';
import type { Host } from './host.ts';
import type { Process } from './process.ts';
import type { World } from './world.ts';

export class Chaos {
  /** Faults that struck, by kind. */
  readonly struck = new Map<string, number>();
  #waiting: Fault[];

  readonly #world: World;
  /** Probability that a step takes longer than usual. */
  readonly #unrest: number;

  constructor(world: World, faults: readonly Fault[], unrest: number) {
    this.#world = world;
    this.#unrest = unrest;
    this.#waiting = [...faults];
  }

  end(): void {
    this.#waiting = [];
  }

  /** @returns milliseconds for which the process stands still before its next step */
  strike(process: Process): number {
    const { random } = this.#world;
    const step = process.step++;
    let pause = random.chance(this.#unrest) ? random.between(1, 60) : 0;
    for (const fault of this.#waiting) {
      if (fault.verb !== process.verb || fault.turn !== process.turn) continue;
      if (this.#world.hostNumber(fault.host) !== process.host) continue;
      if (fault.step > step && !process.ending) continue;
      this.#note(fault);
      if (fault.kind === 'late') pause += fault.time;
      else strike(fault, { host: process.host, process, machine: process.link?.machine });
    }
    return pause;
  }

  /** A connection is asked for. @returns how it fails */
  meet(host: Host, machine: Machine): 'refused' | 'silent' | null {
    const turn = host.turn('connect');
    const fault = this.#waiting.find(
      one => one.verb === 'connect' && one.turn === turn && this.#world.hostNumber(one.host) === host,
    );
    if (fault === undefined) return null;
    this.#note(fault);
    if (fault.kind === 'cut' || fault.kind === 'kill') return 'refused';
    if (fault.kind === 'silent-link' || fault.kind === 'late') return 'silent';
    strike(fault, { host, process: null, machine });
    return null;
  }

  #note(fault: Fault): void {
    this.#world.tell(() => `FAULT ${JSON.stringify(fault)}`);
    this.#waiting = this.#waiting.filter(one => one !== fault);
    this.struck.set(fault.kind, (this.struck.get(fault.kind) ?? 0) + 1);
  }
}
