/** Stories that fast-check tells: who runs what and when on which fleet, and what breaks where. */

import fc from 'fast-check';
import { type Fault, KINDS, VERBS } from './faults.ts';

export interface Actor {
  readonly command: 'deploy' | 'stage' | 'flip' | 'rollback' | 'recover';
  /** By number. */
  readonly release: number;
  /** Milliseconds from the start of the story. */
  readonly at: number;
  /** Milliseconds for which it waits for locks. */
  readonly wait: number;
  /** Milliseconds by which its wall clock is wrong. */
  readonly clockError: number;
}

export interface Scenario {
  readonly salt: number;
  readonly hosts: number;
  readonly start: 'nothing' | 'one' | 'two' | 'odd text';
  /** The longest time of a message, milliseconds. */
  readonly latency: number;
  /** Probability that a step takes longer than usual. */
  readonly unrest: number;
  /** `confirmWithin`, milliseconds. */
  readonly window: number;
  readonly actors: readonly Actor[];
  readonly faults: readonly Fault[];
  /** Whether a last deployment shows that the fleet is usable. */
  readonly again: boolean;
}

const times = fc.constantFrom(50, 900, 6_000, 12_000, 35_000, 70_000, 200_000);

/** Where most is decided comes first, so that failing stories shrink to it. */
const verbs = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('arm', 'at', 'cancel', 'flip', 'confirm', 'revert', 'forward', 'guard') },
  { weight: 1, arbitrary: fc.constantFrom(...VERBS) },
);

const fault: fc.Arbitrary<Fault> = fc
  .record({
    kind: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...KINDS) },
      { weight: 1, arbitrary: fc.constant('late' as const) },
    ),
    host: fc.nat(7),
    verb: verbs,
    turn: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(2) }),
    step: fc.oneof(fc.nat(8), fc.nat(20), fc.nat(45)),
    time: times,
  })
  .map(one => (one.kind === 'short' ? { ...one, verb: 'receive' as const } : one));

const actor: fc.Arbitrary<Actor> = fc.record({
  command: fc.oneof(
    { weight: 3, arbitrary: fc.constant('deploy' as const) },
    { weight: 4, arbitrary: fc.constant('recover' as const) },
    { weight: 2, arbitrary: fc.constantFrom('stage' as const, 'flip' as const, 'rollback' as const) },
  ),
  release: fc.nat(3),
  at: fc.oneof(fc.nat(2_000), fc.integer({ min: 2_000, max: 200_000 })),
  wait: fc.constantFrom(0, 0, 0, 20_000),
  clockError: fc.constantFrom(0, 86_400_000, -86_400_000),
});

const deployer: fc.Arbitrary<Actor> = fc.record({
  command: fc.constantFrom('deploy', 'deploy', 'deploy', 'rollback'),
  release: fc.integer({ min: 1, max: 3 }),
  at: fc.constant(0),
  wait: fc.constant(0),
  clockError: fc.constant(0),
});

const free: fc.Arbitrary<Scenario> = fc.record({
  salt: fc.nat(0xffff_ffff),
  hosts: fc.integer({ min: 2, max: 4 }),
  start: fc.constantFrom('one', 'two', 'two', 'odd text', 'nothing'),
  latency: fc.constantFrom(5, 20, 100),
  unrest: fc.constantFrom(0, 0.02, 0.1),
  window: fc.constantFrom(60_000, 60_000, 20_000),
  actors: fc.tuple(deployer, fc.array(actor, { maxLength: 3, size: 'max' })).map(([first, more]) => [first, ...more]),
  faults: fc.array(fault, { maxLength: 8, size: 'max' }),
  again: fc.constantFrom(false, false, false, true),
});

/** Breaks of what comes after a decision, on a host that somebody else has settled or gone past by then. */
const late: fc.Arbitrary<Fault> = fc.record({
  kind: fc.constantFrom('late', 'late', 'kill', 'crash', 'vanish', 'silence'),
  host: fc.nat(1),
  verb: fc.constantFrom('forward', 'lock', 'revert', 'guard', 'confirm'),
  turn: fc.nat(3),
  step: fc.integer({ min: 2, max: 40 }),
  time: fc.constantFrom(35_000, 70_000, 200_000),
});

/** A deployer dies around its decision; one after the other comes to settle, and then goes on. */
const chains: fc.Arbitrary<Scenario> = fc
  .record({
    salt: fc.nat(0xffff_ffff),
    start: fc.constantFrom('two' as const, 'nothing' as const),
    death: fc.record({
      kind: fc.constantFrom('crash' as const, 'vanish' as const),
      host: fc.nat(1),
      verb: fc.constantFrom('flip' as const, 'confirm' as const),
      turn: fc.constant(0),
      step: fc.constantFrom(0, 45),
      time: fc.constant(0),
    }),
    pauses: fc.array(fc.integer({ min: 8_000, max: 90_000 }), { minLength: 4, maxLength: 4 }),
    faults: fc.array(late, { minLength: 1, maxLength: 4, size: 'max' }),
  })
  .map(({ salt, start, death, pauses, faults }) => {
    const commands = ['deploy', 'recover', 'recover', 'recover', 'deploy'] as const;
    const actors = commands.map((command, turn) => {
      const at = pauses.slice(0, turn).reduce((sum, pause) => sum + pause, 0);
      return { command, release: turn === 0 ? 2 : 3, at, wait: 0, clockError: 0 };
    });
    return {
      salt,
      hosts: 2,
      start,
      latency: 5,
      unrest: 0,
      window: 20_000,
      again: false,
      actors,
      faults: [death, ...faults],
    };
  });

export const scenarios: fc.Arbitrary<Scenario> = fc.oneof(
  { weight: 4, arbitrary: free },
  { weight: 1, arbitrary: chains },
);
