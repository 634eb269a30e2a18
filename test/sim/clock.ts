/** Virtual time: it moves on to the next event whenever everything is idle, so that hours pass in milliseconds. */

import type { Clock } from '../../src/ports.ts';

interface Event {
  readonly time: number;
  readonly order: number;
  /** Returns false when nothing came of it. */
  readonly act: () => unknown;
  /** Whether code of a coordinator may go on because of it. */
  readonly wakes: boolean;
}

/** What happens in the simulated world, in order. Milliseconds. */
export class Timeline {
  now = 0;
  #heap: Event[] = [];
  #count = 0;

  at(delay: number, act: () => unknown, wakes = false): void {
    this.#push({ time: this.now + Math.max(0, delay), order: this.#count++, act, wakes });
  }

  /** @returns whether it was done before the world came to a standstill or the time was over */
  async run(isDone: () => boolean, until: number): Promise<boolean> {
    for (;;) {
      await idle();
      for (;;) {
        if (isDone()) return true;
        const next = this.#heap[0];
        if (next === undefined || next.time > until) {
          this.now = Math.max(this.now, until);
          return false;
        }
        this.#pop();
        this.now = next.time;
        if (next.act() !== false && next.wakes) break;
      }
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      const right = heap[below + 1];
      let child = heap[below];
      if (child === undefined) break;
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        below += 1;
      }
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.time < other.time || (one.time === other.time && one.order < other.order);
}

/** Everything that promises and streams still do without time passing is done. */
function idle(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve));
}

const LATE = new DOMException('the time is over', 'TimeoutError');

const EPOCH = Date.UTC(2030, 0, 1);

/** A coordinator's machine: its time stands still while it is suspended, and nothing of it goes on once it has crashed. */
export class Machine implements Clock {
  dead = false;
  readonly timeline: Timeline;
  /** Milliseconds by which its wall clock is wrong. */
  readonly #error: number;
  #lag = 0;
  #awakeAt = 0;

  constructor(timeline: Timeline, error: number) {
    this.timeline = timeline;
    this.#error = error;
  }

  now(): number {
    return EPOCH + this.#error + this.#local();
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      if (signal?.aborted) return resolve();
      const end = (): void => {
        signal?.removeEventListener('abort', end);
        resolve();
      };
      signal?.addEventListener('abort', end, { once: true });
      this.#after(milliseconds, end);
    });
  }

  timeout(milliseconds: number): AbortSignal {
    const controller = new AbortController();
    this.#after(milliseconds, () => controller.abort(LATE));
    return controller.signal;
  }

  suspend(milliseconds: number): void {
    if (this.#isAsleep()) return;
    this.#lag += milliseconds;
    this.#awakeAt = this.timeline.now + milliseconds;
  }

  /** As soon as it is awake: what arrives from outside. */
  deliver(act: () => void): void {
    if (this.dead) return;
    if (this.#isAsleep()) this.timeline.at(this.#awakeAt - this.timeline.now, () => this.deliver(act), true);
    else act();
  }

  #isAsleep(): boolean {
    return this.timeline.now < this.#awakeAt;
  }

  #local(): number {
    return Math.max(this.timeline.now, this.#awakeAt) - this.#lag;
  }

  #after(milliseconds: number, act: () => void): void {
    const due = this.#local() + milliseconds;
    const check = (): unknown => {
      if (this.dead) return false;
      const left = due - this.#local();
      if (left > 1e-6 || this.#isAsleep()) wait(left);
      else act();
      return true;
    };
    const wait = (left: number): void =>
      this.timeline.at(Math.max(0, this.#awakeAt - this.timeline.now) + Math.max(0, left), check, true);
    wait(milliseconds);
  }
}
