/** Processes of a simulated host: each is a generator that stands still between any two steps, where it can be killed. */

import type { Host } from './host.ts';
import type { Link } from './network.ts';

/** What a process reads: a message, or null at the end of its input. */
export type Message = Buffer | null;

/**
 * Yields `STEP` before each thing that happens in one step, `INPUT` to read, `inputWithin` to read for a time, and milliseconds
 * to sleep. What is read for a time is undefined when the time is over.
 */
export type Steps<T = void> = Generator<number, T, Message | undefined>;

export const STEP = 0;
export const INPUT = -1;

export function inputWithin(milliseconds: number): number {
  return INPUT - Math.max(0.001, milliseconds);
}

/** Where the output of a process goes. */
export interface Outlet {
  write(bytes: Buffer): void;
  end(code: number | null): void;
}

export interface Birth {
  readonly host: Host;
  readonly parent: number;
  /** The process that leads its session; null: itself. */
  readonly session: number | null;
  readonly outlet: Outlet | null;
  readonly body: (self: Process) => Steps<number>;
}

export class Process {
  alive = true;
  parent: number;
  readonly pid: number;
  readonly session: number;
  /** Ticks of the host's clock, which tell two processes with the same number apart. */
  readonly start: number;
  readonly host: Host;
  /** What it does now, for those who choose where something breaks. */
  verb = 'login';
  /** How often the host had begun this verb before. */
  turn = 0;
  step = 0;
  /** Whether the verb is over but for its answer. */
  ending = false;
  /** Over which it was started; null for what a host runs by itself. */
  link: Link | null = null;
  /** The deployment that it guards. */
  watched: string | null = null;
  /** Under which lock it writes. */
  token: number | null = null;
  readonly #outlet: Outlet | null;
  readonly #steps: Steps<number>;
  readonly #input: Message[] = [];
  #waiting = false;
  /** How often it has waited for input. */
  #waits = 0;
  #cut = false;

  constructor({ host, parent, session, outlet, body }: Birth) {
    this.host = host;
    this.pid = host.nextPid();
    this.parent = parent;
    this.session = session ?? this.pid;
    this.start = host.uptime();
    this.#outlet = outlet;
    this.#steps = body(this);
    host.processes.set(this.pid, this);
  }

  /** Turns to a verb, of which the faults count the steps. */
  turnTo(verb: string): void {
    this.verb = verb;
    this.turn = this.host.turn(verb);
    this.step = 0;
    this.ending = false;
  }

  write(text: string | Buffer): void {
    this.#outlet?.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }

  read(message: Message): void {
    if (!this.alive || (this.#cut && message !== null)) return;
    if (!this.#waiting) {
      this.#input.push(message);
      return;
    }
    this.#waiting = false;
    this.resume(message);
  }

  /** What is still to be read never comes, but for the end. */
  cutInput(): void {
    this.#input.length = 0;
    this.#cut = true;
    this.read(null);
  }

  /** Goes on until it sleeps, waits or ends. */
  resume(read?: Message): void {
    let message = read;
    while (this.alive) {
      this.host.world.running = this;
      const { done, value } = this.#steps.next(message);
      this.host.world.running = null;
      if (!this.alive) return;
      if (done) {
        this.#end(value);
        return;
      }
      message = undefined;
      if (value <= INPUT) {
        const next = this.#input.shift();
        if (next === undefined) {
          this.#await(INPUT - value);
          return;
        }
        message = next;
      } else {
        const pause = value === STEP ? this.host.world.chaos.strike(this) : value;
        if (pause <= 0) continue;
        this.host.world.timeline.at(pause, () => this.resume());
        return;
      }
    }
  }

  /** @param time milliseconds; 0: for ever */
  #await(time: number): void {
    this.#waiting = true;
    const wait = ++this.#waits;
    if (time === 0) return;
    this.host.world.timeline.at(time, () => {
      if (!this.#waiting || this.#waits !== wait) return;
      this.#waiting = false;
      this.resume();
    });
  }

  /** Ends it between two steps. */
  kill(): void {
    if (this.alive) this.#end(null);
  }

  #end(code: number | null): void {
    this.alive = false;
    this.host.processes.delete(this.pid);
    for (const child of this.host.processes.values()) if (child.parent === this.pid) child.parent = 1;
    this.#outlet?.end(code);
  }
}
