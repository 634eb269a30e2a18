/** What breaks, and where: a fault waits for a host's process to reach a step of a verb, and strikes there. */

import type { Machine } from './clock.ts';
import type { Host } from './host.ts';
import type { Process } from './process.ts';
import type { World } from './world.ts';

export const VERBS = [
  'arm',
  'flip',
  'confirm',
  'revert',
  'forward',
  'guard',
  'lock',
  'use',
  'beat',
  'begin',
  'receive',
  'prove',
  'probe',
  'unlock',
  'leave',
  'connect',
] as const;

export const KINDS = [
  /** The connection is cut, and both ends learn it. */
  'cut',
  /** Nothing goes through to this host, for a time; nobody learns it. */
  'silence',
  /** The same for this connection alone. */
  'silent-link',
  /** The process stands still for a time. */
  'late',
  /** The process is killed. */
  'kill',
  /** The host goes down and comes up again, without notice to anybody. */
  'reboot',
  /** The same, and what was not flushed may be lost. */
  'power',
  /** The coordinator's process is killed, so that its connections are closed. */
  'crash',
  /** The coordinator's machine dies, so that its connections fall silent. */
  'vanish',
  /** The coordinator's machine sleeps for a time. */
  'suspend',
  /** The operator interrupts the run. */
  'abort',
  /** The host's wall clock is set to another time. */
  'clock',
  /** The host's disk is full for a time. */
  'full',
] as const;

export interface Fault {
  readonly kind: (typeof KINDS)[number];
  /** Of the hosts, by number. */
  readonly host: number;
  readonly verb: (typeof VERBS)[number];
  /** The how manieth such verb on the host, counted from 0. */
  readonly turn: number;
  /** Before which of its steps; past the last one, before its answer. */
  readonly step: number;
  /** Milliseconds, where it lasts. */
  readonly time: number;
}

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
      else this.#hurt(fault, process.host, process);
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
    this.#hurt(fault, host, null, machine);
    return null;
  }

  #note(fault: Fault): void {
    this.#world.tell(() => `FAULT ${JSON.stringify(fault)}`);
    this.#waiting = this.#waiting.filter(one => one !== fault);
    this.struck.set(fault.kind, (this.struck.get(fault.kind) ?? 0) + 1);
  }

  #hurt({ kind, time }: Fault, host: Host, process: Process | null, knocking?: Machine): void {
    const { timeline, random, coordinators, links } = this.#world;
    const link = process?.link ?? null;
    const machine = link?.machine ?? knocking ?? coordinators[0]?.machine;
    const coordinator = coordinators.find(one => one.machine === machine);
    switch (kind) {
      case 'cut':
        return link?.cut();
      case 'silence':
        host.silentUntil = Math.max(host.silentUntil, timeline.now + time);
        for (const one of links) if (one.host === host) one.watchSilence();
        return;
      case 'silent-link':
        if (link === null) return;
        link.ownSilence = timeline.now + time;
        return link.watchSilence();
      case 'kill':
        if (process?.watched) host.undisturbed.delete(process.watched);
        return process?.kill();
      case 'reboot':
      case 'power':
        return this.#bringDown(
          host,
          time,
          kind === 'power' ? Math.floor(random.between(0, host.disk.unflushed + 1)) : 0,
        );
      case 'crash':
        return coordinator?.crash(false);
      case 'vanish':
        return coordinator?.crash(true);
      case 'suspend':
        return machine?.suspend(time);
      case 'abort':
        return coordinator?.abort();
      case 'clock':
        host.wallError += (random.chance(0.5) ? -1 : 1) * time * 5_000;
        return;
      case 'full':
        host.disk.full = true;
        timeline.at(time, () => {
          host.disk.full = false;
        });
        return;
    }
  }

  #bringDown(host: Host, downtime: number, lost: number): void {
    const { links, timeline } = this.#world;
    host.reboot(downtime, lost);
    for (const link of links) {
      if (link.host !== host) continue;
      link.up.broken = true;
      link.down.broken = true;
      // Whoever speaks on is reset once the host is up again.
      timeline.at(downtime + 1_000, () => link.machine.deliver(() => link.endHere(new Error('reset'))), true);
      links.delete(link);
    }
    this.#world.laws.checkLink(host);
  }
}
