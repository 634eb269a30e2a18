/** The network between coordinators and hosts: in order as TCP is, but late, silent or cut. */

import { Readable, Writable } from 'node:stream';
import { FleetflipError } from '../../src/domain/error.ts';
import type { Channel, Connection, Connector, Exit } from '../../src/ports.ts';
import type { Machine } from './clock.ts';
import type { Host } from './host.ts';
import { Pipe } from './pipe.ts';
import type { Process } from './process.ts';
import { login } from './serving.ts';
import type { World } from './world.ts';

/** Milliseconds after which a handshake is given up, and a silent connection is. */
const HANDSHAKE = 20_000;
const KEEPALIVE = 60_000;

export function createConnector(world: World, machine: Machine): Connector {
  return {
    connect: (host, { signal }) => connect(world, machine, world.host(host.name), signal),
    close: async () => undefined,
  };
}

function connect(world: World, machine: Machine, host: Host, signal: AbortSignal): Promise<Connection> {
  const { timeline } = world;
  return new Promise((resolve, reject) => {
    const fail = (kind: 'failed' | 'timed-out', code: string): void =>
      reject(new FleetflipError({ kind, code, phase: 'connect', host: host.name, what: code, hint: '' }));
    if (signal.aborted) return fail('failed', 'INTERRUPTED');
    signal.addEventListener('abort', () => fail('failed', 'INTERRUPTED'), { once: true });
    const began = timeline.now;
    const wait = (): void => {
      const left = began + HANDSHAKE - timeline.now;
      timeline.at(left, () => machine.deliver(() => fail('timed-out', 'HANDSHAKE_TIMEOUT')), true);
    };
    const knock = (): void => {
      const refused = world.chaos.meet(host, machine);
      if (machine.dead) return;
      const silent = timeline.now < host.silentUntil || !host.up || refused === 'silent';
      if (refused === 'refused' || (!host.up && world.random.chance(0.5))) fail('failed', 'CONNECTION_REFUSED');
      else if (silent) wait();
      else resolve(new Link(world, machine, host));
    };
    timeline.at(4 * world.latency(), () => machine.deliver(knock), true);
  });
}

export class Link implements Connection {
  readonly closed: Promise<Error | null>;
  readonly up = new Pipe(this, false);
  readonly down = new Pipe(this, true);
  /** Until then this connection alone swallows everything. */
  ownSilence = 0;
  /** Whether the coordinator takes it for open. */
  open = true;
  readonly processes = new Set<Process>();
  readonly #ends = new Set<() => void>();
  #end: (reason: Error | null) => void = () => undefined;

  readonly world: World;
  readonly machine: Machine;
  readonly host: Host;

  constructor(world: World, machine: Machine, host: Host) {
    this.world = world;
    this.machine = machine;
    this.host = host;
    this.closed = new Promise(resolve => {
      this.#end = resolve;
    });
    world.links.add(this);
  }

  silentUntil(): number {
    return Math.max(this.ownSilence, this.host.silentUntil);
  }

  isSilent(): boolean {
    return this.world.timeline.now < this.silentUntil();
  }

  exec(): Promise<Channel> {
    return new Promise((resolve, reject) => {
      const lost = (): void => reject(lostConnection(this.host));
      if (!this.open) return lost();
      this.#ends.add(lost);
      this.up.send(() => {
        const channel = this.#openChannel();
        this.down.send(() =>
          this.machine.deliver(() => {
            this.#ends.delete(lost);
            resolve(channel);
          }),
        );
      });
    });
  }

  close(): void {
    this.up.send(() => this.endThere());
    this.endHere(null);
  }

  /** Both ends learn it; what is on its way arrives or does not. */
  cut(): void {
    const { timeline, random } = this.world;
    this.up.broken = random.chance(0.5);
    this.down.broken = random.chance(0.5);
    timeline.at(this.world.latency(), () => this.endThere());
    timeline.at(this.world.latency(), () => this.machine.deliver(() => this.endHere(new Error('reset'))), true);
  }

  /** The coordinator gives a silent connection up after a while. */
  watchSilence(): void {
    const began = this.world.timeline.now;
    const check = (): void => {
      if (this.isSilent() && this.open) this.endHere(new Error('keepalive'));
    };
    if (this.silentUntil() > began + KEEPALIVE)
      this.world.timeline.at(KEEPALIVE, () => this.machine.deliver(check), true);
  }

  endThere(): void {
    this.up.broken = true;
    this.down.broken = true;
    for (const process of this.processes) process.read(null);
    this.processes.clear();
    this.world.links.delete(this);
  }

  endHere(reason: Error | null): void {
    if (!this.open) return;
    this.open = false;
    this.down.broken = true;
    for (const end of this.#ends) end();
    this.#ends.clear();
    this.#end(reason);
  }

  #openChannel(): Channel {
    const stdout = new Readable({ read() {} });
    const stderr = new Readable({ read() {} });
    let gone = false;
    let told: (exit: Exit) => void = () => undefined;
    const exit = new Promise<Exit>(resolve => {
      told = resolve;
    });
    const endHere = (): void => {
      if (gone) return;
      gone = true;
      this.#ends.delete(endHere);
      for (const stream of [stdout, stderr, stdin]) stream.destroy();
      told({ code: null, signal: null });
    };
    const down = (act: () => void): void => this.down.send(() => this.machine.deliver(() => gone || act()));
    const process = this.host.start({
      parent: 1,
      session: null,
      body: login,
      outlet: {
        write: bytes => down(() => stdout.push(bytes)),
        end: code => {
          this.processes.delete(process);
          down(() => {
            stdout.push(null);
            stderr.push(null);
            this.#ends.delete(endHere);
            told({ code, signal: null });
          });
        },
      },
    });
    process.link = this;
    const send = (message: Buffer | null): void => {
      if (!this.machine.dead) this.up.send(() => process.read(message));
    };
    const stdin = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (!gone) send(chunk);
        done();
      },
      final: done => {
        if (!gone) send(null);
        done();
      },
    });
    this.processes.add(process);
    this.#ends.add(endHere);
    const destroy = (): void => {
      send(null);
      endHere();
    };
    return { stdin, stdout, stderr, exit, destroy };
  }
}

function lostConnection(host: Host): FleetflipError {
  const what = 'the connection is gone';
  return new FleetflipError({
    kind: 'lost',
    code: 'CONNECTION_LOST',
    phase: 'connect',
    host: host.name,
    what,
    hint: '',
  });
}
