/** The kinds of faults, and what each does where it strikes. */

import type { Machine } from './clock.ts';
import type { Host } from './host.ts';
import type { Process } from './process.ts';

export const VERBS = [
  'arm',
  'at',
  'cancel',
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
  /** A payload ends early, at a file's border, and nothing tells it. */
  'short',
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

/** Where a fault strikes. */
export interface Place {
  readonly host: Host;
  /** Null while a connection is made. */
  readonly process: Process | null;
  /** The coordinator's that is served; undefined for what the host does by itself. */
  readonly machine: Machine | undefined;
}

export function strike({ kind, time }: Fault, place: Place): void {
  BLOWS[kind](place, time);
}

const BLOWS: Readonly<Record<Fault['kind'], (place: Place, time: number) => void>> = {
  cut: ({ process }) => process?.link?.cut(),
  silence({ host }, time) {
    host.silentUntil = Math.max(host.silentUntil, host.world.timeline.now + time);
    for (const link of host.world.links) if (link.host === host) link.watchSilence();
  },
  'silent-link'({ host, process }, time) {
    if (!process?.link) return;
    process.link.ownSilence = host.world.timeline.now + time;
    process.link.watchSilence();
  },
  // Only time goes by, which the process itself has to spend.
  late: () => undefined,
  short({ process }) {
    if (process?.verb === 'receive') process.cutInput();
  },
  kill({ host, process }) {
    if (process?.watched) host.unguarded.add(process.watched);
    process?.kill();
  },
  reboot: ({ host }, time) => bringDown(host, time, 0),
  power({ host }, time) {
    bringDown(host, time, Math.floor(host.world.random.between(0, host.disk.unflushed + 1)));
  },
  crash: place => coordinatorOf(place)?.crash(false),
  vanish: place => coordinatorOf(place)?.crash(true),
  suspend: (place, time) => coordinatorOf(place)?.machine.suspend(time),
  abort: place => coordinatorOf(place)?.abort(),
  clock({ host }, time) {
    host.wallError += (host.world.random.chance(0.5) ? -1 : 1) * time * 5_000;
  },
  full({ host }, time) {
    host.disk.full = true;
    host.world.timeline.at(time, () => {
      host.disk.full = false;
    });
  },
};

/** Of what a host does by itself, the first coordinator is to blame. */
function coordinatorOf({ host, machine }: Place) {
  const { coordinators } = host.world;
  return coordinators.find(one => one.machine === machine) ?? (machine === undefined ? coordinators[0] : undefined);
}

function bringDown(host: Host, downtime: number, lost: number): void {
  const { links, timeline, laws } = host.world;
  host.reboot(downtime, lost);
  for (const link of links) {
    if (link.host !== host) continue;
    link.up.broken = true;
    link.down.broken = true;
    // Whoever speaks on is reset once the host is up again.
    timeline.at(downtime + 1_000, () => link.machine.deliver(() => link.endHere(new Error('reset'))), true);
    links.delete(link);
  }
  laws.checkLink(host);
}
