import { describe, expect, it } from 'vitest';
import type { Failure, FailureKind } from '../../src/domain/error.ts';
import type { HostPart, Planned } from '../../src/domain/plan.ts';
import type { Observation } from '../../src/domain/slot.ts';
import { next, start } from '../../src/domain/transaction/machine.ts';
import { makeResult } from '../../src/domain/transaction/result.ts';
import type { Input, Order, State, Step } from '../../src/domain/transaction/state.ts';

/** Where a link really is, which the machine can only guess when an answer was lost. */
type World = Readonly<Record<string, 'old' | 'new' | 'confirmed'>>;

interface Node {
  readonly step: Step;
  readonly world: World;
  readonly pending: readonly Order[];
  readonly votes: readonly string[];
}

const SETTINGS = { until: 'confirm', staging: true, maxSkew: 100, tries: 2 } as const;

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
    writable: true,
    freeBytes: null,
    freeInodes: null,
    newestMtime: 0,
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
      overwrites: null,
      recordLive: false,
      drift: null,
    }),
  );
  return { ok: true, plan: { parts, instant: 1 } };
}

function fail(order: Order, kind: FailureKind): Input {
  const failure: Failure = {
    kind,
    code: kind === 'refused' && order.kind === 'lock' ? 'LOCKED' : 'X',
    phase: 'flip',
    host: order.host,
    what: '',
    hint: '',
  };
  return { kind: 'failed', order: order.kind, host: order.host, failure };
}

/** Every answer that an order can get, each with every world that it may leave. */
function answers(order: Order, world: World): readonly { input: Input; world: World }[] {
  const { host } = order;
  const done: Input = { kind: 'done', order: order.kind, host, observation: observe(host), at: { at: 0, error: 0 } };
  const refused = { input: fail(order, 'refused'), world };
  switch (order.kind) {
    case 'flip': {
      const moved = { ...world, [host]: 'new' as const };
      return [
        { input: done, world: moved },
        refused,
        { input: fail(order, 'lost'), world },
        { input: fail(order, 'lost'), world: moved },
      ];
    }
    case 'revert': {
      if (world[host] === 'confirmed') return [refused];
      const back = { ...world, [host]: 'old' as const };
      return [
        { input: done, world: back },
        refused,
        { input: fail(order, 'lost'), world },
        { input: fail(order, 'lost'), world: back },
      ];
    }
    case 'confirm': {
      const confirmed = { ...world, [host]: 'confirmed' as const };
      return [
        { input: done, world: confirmed },
        { input: fail(order, 'lost'), world },
        { input: fail(order, 'lost'), world: confirmed },
        ...(world[host] === 'confirmed' ? [] : [refused]),
      ];
    }
    case 'unlock':
      return [
        { input: done, world },
        { input: fail(order, 'lost'), world },
      ];
    default:
      return [{ input: done, world }, refused, { input: fail(order, 'timed-out'), world }];
  }
}

/** Walks every order of answers, and calls `check` at every end. Equal situations are walked once. */
function walk(hosts: readonly string[], check: (state: State, world: World) => void, aborts: boolean): number {
  const seen = new Set<string>();
  const first = start({ hosts, settings: SETTINGS });
  const stack: Node[] = [
    { step: first, world: Object.fromEntries(hosts.map(host => [host, 'old'])), pending: first.orders, votes: [] },
  ];
  let ends = 0;
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const key = JSON.stringify([
      node.step.state,
      node.world,
      node.pending.map(order => [order.kind, order.host]).sort(),
    ]);
    if (seen.has(key)) continue;
    seen.add(key);
    const { state } = node.step;
    if (state.phase === 'ended') {
      ends += 1;
      check(state, node.world);
      continue;
    }
    expect(node.pending.length, `stuck in ${state.phase}`).toBeGreaterThan(0);
    if (aborts && !state.aborted) stack.push({ ...node, step: next(state, { kind: 'abort' }, planAll) });
    for (const order of node.pending) {
      for (const { input, world } of answers(order, node.world)) {
        const step = next(state, input, planAll);
        const votes = input.kind === 'done' && input.order === 'verify' ? [...node.votes, input.host] : node.votes;
        if (step.orders.some(one => one.kind === 'flip')) expect([...votes].sort()).toEqual([...hosts].sort());
        stack.push({ step, world, votes, pending: [...node.pending.filter(one => one !== order), ...step.orders] });
      }
    }
  }
  return ends;
}

function checkPromises(state: State, world: World): void {
  const links = Object.values(world);
  switch (state.outcome) {
    case 'committed':
      expect(links.every(link => link === 'confirmed')).toBe(true);
      break;
    case 'unchanged':
    case 'locked':
    case 'reverted':
      expect(links.every(link => link === 'old')).toBe(true);
      break;
    case 'split':
    case 'unknown':
      expect(resultOf(state).hosts.some(host => ['unknown', 'failed'].includes(host.outcome))).toBe(true);
      break;
    default:
      expect.fail(`a deploy ended ${state.outcome}`);
  }
}

function resultOf(state: State) {
  return makeResult(state, {
    command: 'deploy',
    deployment: 'd',
    release: null,
    label: '',
    bytesSent: new Map(),
    partial: false,
  });
}

describe('the machine', () => {
  it.each([1, 2])('keeps its promises on every path of %i hosts, with and without an abort', count => {
    const hosts = ['a', 'b', 'c'].slice(0, count);
    expect(walk(hosts, checkPromises, false)).toBeGreaterThan(5);
    expect(walk(hosts, checkPromises, true)).toBeGreaterThan(5);
  });

  it('keeps its promises on every path of three hosts', () => {
    expect(walk(['a', 'b', 'c'], checkPromises, false)).toBeGreaterThan(100);
  }, 120_000);

  it('is caught by this walk when it claims a commit too early', () => {
    const lying = (state: State, world: World): void =>
      checkPromises(state.outcome === 'unknown' ? { ...state, outcome: 'committed' } : state, world);
    expect(() => walk(['a', 'b'], lying, false)).toThrow();
  });
});
