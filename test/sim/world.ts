/** One simulated world: hosts, network, coordinators and what breaks, from the start of a story to its end. */

import type { Result } from '../../src/domain/event.ts';
import type { Fleet } from '../../src/domain/fleet.ts';
import { Chaos } from './chaos.ts';
import { Timeline } from './clock.ts';
import { Coordinator, describeEnd } from './coordinator.ts';
import { describeFleet, furnish } from './furnishing.ts';
import { Host } from './host.ts';
import { Laws, Violation } from './laws.ts';
import type { Link } from './network.ts';
import type { Process } from './process.ts';
import { Random } from './random.ts';
import { RELEASES } from './releases.ts';
import type { Actor, Scenario } from './scenario.ts';

/** What is broken on purpose, so that a test of the test finds it. */
export type Broken =
  | 'no guard'
  | 'no barrier'
  | 'no fencing'
  | 'no cancel'
  | 'deaf to cancel'
  | 'decider ignored'
  | 'unseen taken for reverted';

/** Milliseconds of virtual time in which every run ends. */
const PATIENCE = 3_600_000;

export class World {
  readonly timeline = new Timeline();
  readonly random: Random;
  readonly laws = new Laws(this);
  readonly chaos: Chaos;
  readonly hosts: readonly Host[];
  readonly fleet: Fleet;
  readonly links = new Set<Link>();
  readonly coordinators: Coordinator[] = [];
  readonly releases = new Set(RELEASES.map(release => release.id));
  /** The process whose step it is. */
  running: Process | null = null;
  failure: unknown;
  /** What happened, where somebody wants to read it. */
  trace: string[] | null = null;
  readonly #byName: ReadonlyMap<string, Host>;

  readonly scenario: Scenario;
  readonly broken: Broken | null;

  constructor(scenario: Scenario, broken: Broken | null = null) {
    this.scenario = scenario;
    this.broken = broken;
    this.random = new Random(scenario.salt);
    this.chaos = new Chaos(this, scenario.faults, scenario.unrest);
    const names = Array.from({ length: scenario.hosts }, (_, at) => `web${at + 1}`);
    this.hosts = names.map(name => new Host(this, name));
    this.#byName = new Map(this.hosts.map(host => [host.name, host]));
    this.fleet = describeFleet(names, scenario.window);
    for (const host of this.hosts) furnish(host, scenario.start);
    this.laws.watching = true;
  }

  host(name: string): Host {
    const host = this.#byName.get(name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }

  /** Any number names one of the hosts. */
  hostNumber(number: number): Host | undefined {
    return this.hosts[number % this.hosts.length];
  }

  tell(what: () => string): void {
    this.trace?.push(`${(this.timeline.now / 1000).toFixed(3)} ${what()}`);
  }

  /** Milliseconds that a message takes. */
  latency(): number {
    return this.random.between(0.5, this.scenario.latency);
  }

  /** The whole story. @throws Violation when a law was broken */
  async play(): Promise<void> {
    const { scenario } = this;
    for (const actor of scenario.actors) this.#enter(actor);
    await this.#finish();
    this.#heal();
    await this.#pass(scenario.window + LEISURE);
    this.laws.checkGuards();
    await this.#recover();
    this.laws.checkEnd();
    await this.#pass(LEISURE);
    this.laws.checkEnd();
    if (scenario.again) await this.#deployAgain();
  }

  #enter(actor: Actor): Coordinator {
    const coordinator = new Coordinator(this, actor, this.coordinators.length);
    this.coordinators.push(coordinator);
    this.timeline.at(actor.at, () => coordinator.start(), true);
    return coordinator;
  }

  /** Until every coordinator has ended, and has told the truth. */
  async #finish(): Promise<void> {
    const waiting = new Set(this.coordinators.filter(one => !one.seen));
    const isDone = (): boolean => {
      if (this.failure !== undefined) throw this.failure;
      for (const coordinator of waiting) {
        if (!coordinator.ended) continue;
        waiting.delete(coordinator);
        coordinator.seen = true;
        coordinator.machine.dead = true;
        this.tell(() => describeEnd(coordinator));
        if (coordinator.result !== null) this.laws.checkResult(this.#claim(coordinator.result));
      }
      return waiting.size === 0;
    };
    const done = await this.timeline.run(isDone, this.timeline.now + PATIENCE);
    if (!done) throw new Violation(`${[...waiting].map(one => one.actor.command)} never ended`);
  }

  /** What is told is what the machine said, unless lying is what is to be found. */
  #claim(result: Result): Result {
    if (this.broken !== 'unseen taken for reverted' || result.outcome !== 'unknown') return result;
    if (result.command === 'recover') return result;
    return { ...result, outcome: 'reverted' };
  }

  #heal(): void {
    this.tell(() => 'THE NETWORK HEALS');
    this.chaos.end();
    for (const host of this.hosts) {
      host.silentUntil = 0;
      host.disk.full = false;
    }
    for (const link of this.links) link.ownSilence = 0;
  }

  async #pass(time: number): Promise<void> {
    await this.timeline.run(() => false, this.timeline.now + time);
  }

  /** At most a few recoveries settle everything. */
  async #recover(): Promise<void> {
    for (let run = 1; run <= RECOVERIES; run++) {
      const { result } = await this.#runAlone('recover', 0);
      if (result?.exitCode === 0) return;
    }
    throw new Violation(`${RECOVERIES} recoveries did not settle the fleet`);
  }

  async #deployAgain(): Promise<void> {
    const { result } = await this.#runAlone('deploy', 2);
    if (result?.exitCode !== 0) throw new Violation(`a new deployment ended ${result?.outcome}`);
    this.laws.checkEnd();
  }

  async #runAlone(command: Actor['command'], release: number): Promise<Coordinator> {
    const coordinator = this.#enter({ command, release, at: 0, wait: 0, clockError: 0 });
    await this.#finish();
    await this.#pass(1_000);
    return coordinator;
  }
}

/** Longer than a guard's nap, than any process stands still, and than a host is down. */
const LEISURE = 300_000;
const RECOVERIES = 3;
