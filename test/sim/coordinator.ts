/** A machine on which somebody runs a command of fleetflip, until it ends or the machine does. */

import type { Result } from '../../src/domain/event.ts';
import { deploy, flip, recover, rollback, stage } from '../../src/index.ts';
import { Machine } from './clock.ts';
import { createConnector } from './network.ts';
import { RELEASES } from './releases.ts';
import type { Actor } from './scenario.ts';
import type { World } from './world.ts';

export class Coordinator {
  readonly machine: Machine;
  result: Result | null = null;
  crashed = false;
  /** Whether its end was seen. */
  seen = false;
  readonly #abort = new AbortController();

  readonly actor: Actor;
  readonly #world: World;
  readonly #number: number;

  constructor(world: World, actor: Actor, number: number) {
    this.actor = actor;
    this.#world = world;
    this.#number = number;
    this.machine = new Machine(world.timeline, actor.clockError);
  }

  start(): void {
    if (this.crashed) return;
    this.#run().then(
      result => {
        this.result = result;
      },
      (thrown: unknown) => {
        this.#world.failure ??= thrown;
      },
    );
  }

  abort(): void {
    this.#abort.abort();
  }

  /** @param silent its connections are not closed */
  crash(silent: boolean): void {
    if (this.crashed) return;
    this.crashed = true;
    this.machine.dead = true;
    for (const link of this.#world.links)
      if (link.machine === this.machine && !silent) link.up.send(() => link.endThere());
  }

  get ended(): boolean {
    return this.crashed || this.result !== null;
  }

  #run(): Promise<Result> {
    const { actor, machine } = this;
    const world = this.#world;
    const options = {
      connector: createConnector(world, machine),
      clock: machine,
      signal: this.#abort.signal,
      owner: `someone@machine${this.#number}`,
      wait: actor.wait,
      random: (bytes: number) => Buffer.from(world.random.hex(bytes), 'hex'),
    };
    const source = RELEASES[actor.release]?.label ?? '';
    switch (actor.command) {
      case 'deploy':
        return deploy(world.fleet, source, options);
      case 'stage':
        return stage(world.fleet, source, options);
      case 'flip':
        return flip(world.fleet, options);
      case 'rollback':
        return rollback(world.fleet, options);
      case 'recover':
        return recover(world.fleet, options);
    }
  }
}

export function describeEnd({ actor, result, crashed }: Coordinator): string {
  if (result === null) return `${actor.command} ENDED ${crashed ? 'crashed' : ''}`;
  const hosts = result.hosts.map(host => `${host.name} ${host.outcome} ${host.error?.code ?? ''}`);
  return `${actor.command} ${result.deployment} ENDED ${result.outcome}: ${hosts.join(', ')} ${result.errors.map(one => one.what)}`;
}
