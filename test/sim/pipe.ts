/** One direction of a connection: in order, and held while the network is silent. */

import type { Link } from './network.ts';

export class Pipe {
  broken = false;
  #last = 0;
  #held: (() => void)[] = [];

  readonly #link: Link;
  readonly #wakes: boolean;

  constructor(link: Link, wakes: boolean) {
    this.#link = link;
    this.#wakes = wakes;
  }

  send(act: () => void): void {
    const { timeline } = this.#link.world;
    const time = Math.max(this.#last, timeline.now + this.#link.world.latency());
    this.#last = time;
    timeline.at(time - timeline.now, () => this.#arrive(act), this.#wakes);
  }

  #arrive(act: () => void): void {
    if (this.broken) return;
    if (this.#held.length > 0 || this.#link.isSilent()) {
      this.#held.push(act);
      if (this.#held.length === 1) this.#waitForEnd();
    } else act();
  }

  /** What a silent network has swallowed is sent again. */
  #waitForEnd(): void {
    const { timeline } = this.#link.world;
    const release = (): void => {
      if (this.broken) return;
      if (this.#link.isSilent()) {
        this.#waitForEnd();
        return;
      }
      const held = this.#held;
      this.#held = [];
      for (const act of held) act();
    };
    timeline.at(Math.max(1, Math.min(5_000, this.#link.silentUntil() - timeline.now)), release, this.#wakes);
  }
}
