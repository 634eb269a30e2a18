import { describe, expect, it } from 'vitest';
import type { Failure, FailureKind } from '../../src/domain/error.ts';
import type { HostPart, Planned } from '../../src/domain/plan.ts';
import type { Observation } from '../../src/domain/slot.ts';
import { isLate } from '../../src/domain/transaction/instant.ts';
import { next, start } from '../../src/domain/transaction/machine.ts';
import { makeResult } from '../../src/domain/transaction/result.ts';
import type { HostState, Input, Order, State, Step } from '../../src/domain/transaction/state.ts';

/** How a deployment really stands on a host, which the machine can only guess when an answer was lost. */
type Standing = 'idle' | 'armed' | 'scheduled' | 'flipped' | 'reverted' | 'confirmed';
type World = Readonly<Record<string, Standing>>;

interface Node {
  readonly step: Step;
  readonly world: World;
  readonly pending: readonly Order[];
  readonly votes: readonly string[];
  /** A link has moved somewhere at some time. */
  readonly moved: boolean;
}

const SETTINGS = { until: 'confirm', staging: true, waiting: false, maxSkew: 100, tries: 2, instants: 1 } as const;

function observe(host: string): Observation {
  const slots = ['a', 'b'].map(slot => ({
    slot,
    exists: true,
    state: 'verified' as const,
    release: null,
    label: '',
    role: null,
    found: false,
    recordedAt: 1,
  }));
  return {
    host,
    hostname: host,
    live: { kind: 'link', text: 'a', slot: 'a' },
    slots,
    lock: null,
    deployment: null,
    rename: 'mv-T',
    missing: [],
    unpacks: [],
    writable: true,
    freeBytes: null,
    freeInodes: null,
    scans: {},
    drifts: {},
  };
}

function planAll(observations: ReadonlyMap<string, Observation>): Planned {
  const parts = [...observations.keys()].map(
    (host): HostPart => ({
      host,
      slot: 'b',
      live: 'a',
      current: false,
      release: 'sha256:r',
      label: '',
      expected: 'sha256:r',
      transfer: null,
      pull: null,
      overwrites: null,
      unpacks: [],
      recordLive: false,
      drift: null,
    }),
  );
  return { ok: true, plan: { parts, instant: 1 } };
}

function fail(order: Order, kind: FailureKind, code = 'X'): Input {
  const failure: Failure = { kind, code, phase: 'flip', host: order.host, what: '', hint: '' };
  return { kind: 'failed', order: order.kind, host: order.host, failure };
}

interface Answer {
  readonly input: Input;
  readonly world: World;
}

/** Every answer that an order can get, each with every world that it may leave. */
function answers(order: Order, world: World): readonly Answer[] {
  const { host, kind } = order;
  const standing = world[host] ?? 'idle';
  const observation = kind === 'probe' ? { observation: observe(host) } : {};
  const done: Input = { kind: 'done', order: kind, host, ...observation, at: { at: 0, error: 0 } };
  const stays = (input: Input): Answer => ({ input, world });
  const lost = fail(order, 'lost');
  /** Done, refused by a disk, or lost before or after it was done. */
  const tried = (after: Standing): readonly Answer[] => {
    const changed = { ...world, [host]: after };
    return [
      { input: done, world: changed },
      stays(fail(order, 'refused')),
      stays(lost),
      { input: lost, world: changed },
    ];
  };
  switch (kind) {
    case 'arm':
      return tried('armed');
    case 'schedule': {
      const scheduled = standing === 'armed' ? 'scheduled' : standing;
      const late = fail(order, 'timed-out', 'NOT_ACKNOWLEDGED');
      return [
        ...tried(scheduled),
        stays(fail(order, 'refused', 'LATE')),
        stays(late),
        { input: late, world: { ...world, [host]: scheduled } },
      ];
    }
    case 'cancel':
      return cancelled(order, standing, (input, after) => ({ input, world: { ...world, [host]: after } }));
    case 'flip':
      if (standing === 'scheduled') return tried('flipped');
      return standing === 'flipped' ? [stays(done), stays(lost)] : [stays(fail(order, 'refused')), stays(lost)];
    case 'renew':
    case 'unlock':
      return [stays(done), stays(lost)];
    case 'revert':
      if (standing === 'idle') return [stays(fail(order, 'refused', 'NOT_ARMED')), stays(lost)];
      if (standing === 'confirmed') return [stays(fail(order, 'refused', 'CONFIRMED')), stays(lost)];
      if (standing === 'reverted') return [stays(done), stays(lost)];
      return tried('reverted').map(answer => tellWhetherMoved(answer, standing === 'flipped'));
    case 'confirm':
      if (standing === 'flipped') return tried('confirmed');
      if (standing === 'confirmed') return [stays(done), stays(lost)];
      return [stays(fail(order, 'refused', standing === 'reverted' ? 'REVERTED' : 'NOT_FLIPPED')), stays(lost)];
    case 'forward':
      return standing === 'confirmed' ? [stays(done), stays(lost)] : tried('confirmed');
    case 'lock':
      return [stays(done), stays(fail(order, 'refused', 'LOCKED')), stays(fail(order, 'timed-out'))];
    default:
      return [stays(done), stays(fail(order, 'refused')), stays(fail(order, 'timed-out'))];
  }
}

/** What has moved cannot be cancelled, whoever has reverted it since. */
function cancelled(
  order: Order,
  standing: Standing,
  become: (input: Input, after: Standing) => Answer,
): readonly Answer[] {
  const done: Input = { kind: 'done', order: order.kind, host: order.host };
  const moved = fail(order, 'refused', 'MOVED');
  const lost = fail(order, 'lost');
  switch (standing) {
    case 'scheduled':
      return [become(done, 'armed'), become(lost, 'armed'), become(lost, 'scheduled')];
    case 'flipped':
      return [become(moved, standing), become(lost, standing)];
    case 'reverted':
      return [become(done, standing), become(moved, standing), become(lost, standing)];
    default:
      return [become(done, standing), become(lost, standing)];
  }
}

/** As the host does that put its link back. */
function tellWhetherMoved({ input, world }: Answer, moved: boolean): Answer {
  return { input: input.kind === 'done' ? { ...input, moved } : input, world };
}

interface Walk {
  readonly hosts: readonly string[];
  readonly check: (state: State, world: World, moved: boolean) => void;
  /** The operator interrupts, at any instant. */
  readonly aborts?: boolean;
  /** Guards fire and times run out, at any instant. */
  readonly guards?: boolean;
  /** How many instants are chosen at most. */
  readonly instants?: number;
}

/** Walks every order of answers, and calls `check` at every end. Equal situations are walked once. */
function walk({ hosts, check, aborts = false, guards = false, instants = 2 }: Walk): number {
  const seen = new Set<string>();
  const first = start({ hosts, settings: { ...SETTINGS, instants } });
  const world = Object.fromEntries(hosts.map(host => [host, 'idle' as const]));
  const stack: Node[] = [{ step: first, world, pending: first.orders, votes: [], moved: false }];
  let ends = 0;
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const key = describeNode(node);
    if (seen.has(key)) continue;
    seen.add(key);
    const { state } = node.step;
    if (state.phase === 'ended') {
      ends += 1;
      check(state, node.world, node.moved);
      continue;
    }
    expect(node.pending.length, `stuck in ${state.phase}`).toBeGreaterThan(0);
    if (aborts && !state.aborted) stack.push({ ...node, step: next(state, { kind: 'abort' }, planAll) });
    stack.push(...flipByThemselves(node));
    if (guards) stack.push(...disturb(node));
    for (const order of node.pending)
      stack.push(...answers(order, node.world).map(answer => goOn(node, order, answer)));
  }
  return ends;
}

function describeNode({ step, world, pending, moved }: Node): string {
  const { phase, waiting, aborted, late, decided, agreed, instants, cancelling, hosts } = step.state;
  const known = hosts.map(host => [host.link, host.stayed, host.voted, host.locked, host.tries, blameOf(host)]);
  const orders = pending.map(order => [order.kind, order.host]).sort();
  const run = [phase, waiting, aborted, late, decided, agreed, instants, cancelling];
  return JSON.stringify([run, known, Object.values(world), orders, moved]);
}

/** As far as the machine looks at it. */
function blameOf({ failure }: HostState): string | undefined {
  return failure === null ? undefined : isLate(failure) ? 'late' : failure.kind;
}

/** Hosts that were told the instant flip when it comes, whoever else has acknowledged it. */
function flipByThemselves(node: Node): readonly Node[] {
  const scheduled = Object.keys(node.world).filter(host => node.world[host] === 'scheduled');
  return scheduled.map(host => ({ ...node, world: { ...node.world, [host]: 'flipped' }, moved: true }));
}

function disturb(node: Node): readonly Node[] {
  const { state } = node.step;
  if (state.phase === 'ended') return [];
  const late = next(state, { kind: 'late', phase: state.phase }, planAll);
  const timed: Node[] = ['decide', 'confirm', 'revert'].includes(state.phase) ? [{ ...node, step: late }] : [];
  const fired = Object.entries(node.world)
    .filter(([, standing]) => standing === 'armed' || standing === 'scheduled' || standing === 'flipped')
    .map(([host]): Node => ({ ...node, world: { ...node.world, [host]: 'reverted' } }));
  return [...timed, ...fired];
}

function goOn(node: Node, order: Order, { input, world }: Answer): Node {
  const step = next(node.step.state, input, planAll);
  const voted = input.kind === 'done' && input.order === 'verify' ? [...node.votes, order.host] : node.votes;
  if (step.orders.some(one => one.kind === 'schedule')) {
    expect([...voted].sort()).toEqual(Object.keys(world).sort());
    for (const standing of Object.values(world)) expect(['armed', 'reverted']).toContain(standing);
  }
  const pending = [...node.pending.filter(one => one !== order), ...step.orders];
  return { step, world, votes: voted, pending, moved: node.moved || Object.values(world).includes('flipped') };
}

/** The promises, at an end of a run. */
function checkPromises(state: State, world: World, moved: boolean): void {
  const standings = Object.values(world);
  const { hosts, outcome } = resultOf(state);
  for (const { name, outcome } of hosts) {
    if (outcome === 'confirmed') expect(world[name]).toBe('confirmed');
    if (outcome === 'reverted' || outcome === 'unchanged') expect(['idle', 'armed', 'reverted']).toContain(world[name]);
  }
  // A commit is decided on the first host, so that wherever one stands, recover finds it.
  if (standings.includes('confirmed')) expect(standings[0]).toBe('confirmed');
  switch (outcome) {
    case 'committed':
      expect(standings.every(standing => standing === 'confirmed')).toBe(true);
      break;
    case 'unchanged':
    case 'locked':
      expect(moved).toBe(false);
      break;
    case 'reverted':
      expect(standings.every(standing => standing === 'reverted')).toBe(true);
      break;
    case 'split':
    case 'unknown':
      expect(hosts.some(host => ['unknown', 'failed'].includes(host.outcome))).toBe(true);
      break;
    default:
      expect.fail(`a deploy ended ${outcome}`);
  }
}

function resultOf(state: State) {
  const facts = {
    command: 'deploy',
    deployment: 'd',
    release: null,
    label: '',
    bytesSent: new Map(),
    bytesPulled: new Map(),
    partial: false,
  } as const;
  return makeResult(state, facts);
}

describe('the machine', () => {
  it.each([1, 2])(
    'keeps its promises on every path of %i hosts, with guards, time and an abort',
    count => {
      const hosts = ['a', 'b', 'c'].slice(0, count);
      expect(walk({ hosts, check: checkPromises })).toBeGreaterThan(5);
      expect(walk({ hosts, check: checkPromises, aborts: true, guards: true })).toBeGreaterThan(5);
    },
    120_000,
  );

  it.each([
    { name: 'with guards and time', guards: true, instants: 1 },
    { name: 'with a second instant', guards: false, instants: 2 },
  ])(
    'keeps its promises on every path of three hosts, $name',
    how => {
      expect(walk({ hosts: ['a', 'b', 'c'], check: checkPromises, ...how })).toBeGreaterThan(100);
    },
    120_000,
  );

  it('commits at another instant when all hosts have acknowledged that the last one was cancelled', () => {
    const committed = new Set<number>();
    const check = (state: State): void => {
      if (state.outcome === 'committed') committed.add(state.instants);
    };
    walk({ hosts: ['a', 'b'], check, instants: 3 });
    expect(committed).toEqual(new Set([1, 2, 3]));
  });

  it('is caught by this walk when it claims a commit too early', () => {
    const lying = (state: State, world: World, moved: boolean): void =>
      checkPromises(state.outcome === 'unknown' ? { ...state, outcome: 'committed' } : state, world, moved);
    expect(() => walk({ hosts: ['a', 'b'], check: lying })).toThrow();
  });

  it('is caught by this walk when it says that no link had moved', () => {
    const forgetful = (state: State, world: World, moved: boolean): void =>
      checkPromises(state.outcome === 'reverted' ? { ...state, outcome: 'unchanged' } : state, world, moved);
    expect(() => walk({ hosts: ['a', 'b'], check: forgetful })).toThrow();
  });

  it('is caught by this walk when it takes a lost host for one that went back', () => {
    const hopeful = (state: State, world: World, moved: boolean): void =>
      checkPromises(state.outcome === 'unknown' ? { ...state, outcome: 'reverted' } : state, world, moved);
    expect(() => walk({ hosts: ['a', 'b'], check: hopeful, guards: true })).toThrow();
  });
});
