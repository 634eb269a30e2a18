/** One simulated world: hosts, network, coordinators and what breaks, from the start of a story to its end. */

import type { Result } from '../../src/domain/event.ts';
import type { Fleet } from '../../src/domain/fleet.ts';
import { deploy, flip, recover, rollback, stage } from '../../src/index.ts';
import { Chaos } from './chaos.ts';
import { Machine, Timeline } from './clock.ts';
import { directoryOf, Host, LOCKS, NAME, RECORD, ROOT, SLOTS } from './host.ts';
import { Laws, Violation } from './laws.ts';
import { createConnector, type Link } from './network.ts';
import type { Process } from './process.ts';
import { Random } from './random.ts';
import { RELEASES, type SimRelease } from './releases.ts';
import type { Actor, Scenario } from './scenario.ts';
import { textOf } from './staging.ts';

/** What is broken on purpose, so that a test of the test finds it. */
export type Broken =
  | 'no guard'
  | 'no barrier'
  | 'no fencing'
  | 'no cancel'
  | 'decider ignored'
  | 'unseen taken for reverted';

/** Milliseconds of virtual time in which every run ends. */
const PATIENCE = 3_600_000;

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

function describeEnd({ actor, result, crashed }: Coordinator): string {
  if (result === null) return `${actor.command} ENDED ${crashed ? 'crashed' : ''}`;
  const hosts = result.hosts.map(host => `${host.name} ${host.outcome} ${host.error?.code ?? ''}`);
  return `${actor.command} ${result.deployment} ENDED ${result.outcome}: ${hosts.join(', ')} ${result.errors.map(one => one.what)}`;
}

/** Longer than a guard's nap, than any process stands still, and than a host is down. */
const LEISURE = 300_000;
const RECOVERIES = 3;

function describeFleet(names: readonly string[], window: number): Fleet {
  const app = { name: NAME, root: '/www', slots: [...SLOTS] };
  const ssh = { port: 22, identity: [], knownHosts: '/', hostKeys: 'strict' as const, jump: [] };
  const hosts = names.map(name => ({ name, address: name, tags: [], app, ssh }));
  const strategy = { parallel: 8, stageWithin: 120_000, confirmWithin: window, maxSkew: 1_000 };
  return { app, hosts, strategy, checks: { idle: [] } };
}

function furnish({ disk }: Host, start: Scenario['start']): void {
  for (const directory of [ROOT, RECORD, 'history', LOCKS]) disk.make(directory);
  disk.flush();
  const [first, second] = RELEASES;
  if (start === 'nothing' || first === undefined || second === undefined) return;
  disk.put(RECORD, 'agent', { kind: 'file', text: '', mtime: 0 });
  fill(disk, 'foo_l', first, '');
  if (start !== 'one') fill(disk, 'foo_r', second, 'previous');
  disk.makeLink(ROOT, NAME, start === 'odd text' ? './foo_l/' : 'foo_l');
  disk.flush();
}

function fill(disk: Host['disk'], slot: string, release: SimRelease, role: string): void {
  disk.make(directoryOf(slot));
  for (const entry of release.manifest)
    disk.put(directoryOf(slot), entry.path, { kind: 'file', text: textOf(entry), mtime: 1 });
  const fields = {
    state: 'verified',
    release: release.id,
    label: release.label,
    role,
    found: 'no',
    at: '1',
    boot: '1',
  };
  disk.put(RECORD, `slot.${slot}`, { kind: 'record', fields });
}
