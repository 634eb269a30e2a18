/** What must hold in the simulated world, at every step and in every report: the promises of README.md. */

import type { Result } from '../../src/domain/event.ts';
import type { Change, Disk } from './disk.ts';
import { type Host, NAME, RECORD, ROOT, SLOTS } from './host.ts';
import { isHolderAlive } from './lock.ts';
import { claimed, newestLock, newestRun, slotOf, splitRun } from './shell.ts';
import { contentOf, idOf } from './staging.ts';
import type { World } from './world.ts';

export class Violation extends Error {}

export class Laws {
  /** Off while a world is being furnished. */
  watching = false;
  /** By host: the newest lock that was given in this boot with an answer, or was there when it began. */
  readonly #given = new Map<Host, number>();
  /** By host and token: whose lock it was. */
  readonly #owners = new Map<string, string>();
  readonly #votes = new Map<string, Set<Host>>();
  readonly #calledOff = new Set<Host>();
  readonly #flipped = new Map<string, Set<Host>>();
  /** Deployments of which it was said that no link moved, that all went back, that all stay. */
  readonly #unmoved = new Set<string>();
  readonly #goneBack = new Set<string>();
  readonly #committed = new Set<string>();

  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  locked(host: Host, token: number, deployment: string): void {
    this.#given.set(host, Math.max(this.#given.get(host) ?? 0, token));
    this.#owners.set(`${host.name} ${token}`, deployment);
  }

  /** A token counts within its boot: whoever held a lock is gone, and locks that were not flushed are gone too. */
  rebooted(host: Host): void {
    this.#given.set(host, newestLock(host).g);
  }

  voted(host: Host, token: number, proven: boolean): void {
    if (!proven) return;
    const deployment = this.#owners.get(`${host.name} ${token}`) ?? '';
    this.#votes.set(deployment, (this.#votes.get(deployment) ?? new Set()).add(host));
  }

  /** @param off whether the host has acknowledged that the last instant does not count */
  calledOff(host: Host, off: boolean): void {
    if (off) this.#calledOff.add(host);
    else this.#calledOff.delete(host);
  }

  see(host: Host, change: Change): void {
    if (!this.watching) return;
    const { directory, name } = change;
    if (directory !== 'locks') this.#world.tell(() => describeChange(host, change, this.#world.running?.pid));
    if (directory === ROOT) this.#seeLink(host, change);
    else if (directory.startsWith('slot:')) this.#seeContent(host, directory.slice('slot:'.length));
    else if (directory === RECORD && name.startsWith('run.')) this.#seeDecision(host, change);
    else if (directory === RECORD && name.startsWith('slot.')) this.checkLink(host);
  }

  /** The live link points to a slot that holds, entry by entry, the release that its record claims. */
  checkLink(host: Host): void {
    const text = host.disk.link(ROOT, NAME);
    if (text === undefined) return;
    const slot = slotOf(text, SLOTS);
    const [id, state] = splitRun(newestRun(host));
    const claim = claimed(host, slot, id, state);
    const content = idOf(contentOf(host, slot));
    if (claim.state !== 'verified' || claim.release !== content || !this.#world.releases.has(content))
      this.fail(
        host,
        `serves ${slot}, which is ${claim.state} for ${short(claim.release)} and holds ${short(content)}`,
      );
  }

  #seeLink(host: Host, { before, after, from }: Change): void {
    if (after === undefined && before !== undefined && (host.servedAtFirst || this.#everCommitted(host)))
      this.fail(host, 'lost its live link');
    this.checkLink(host);
    if (from === undefined || !from.directory.startsWith('there.')) return;
    const deployment = from.directory.slice('there.'.length);
    if (this.#unmoved.has(deployment)) this.fail(host, 'flipped after it was said that no link moved');
    if (this.#calledOff.has(host)) this.fail(host, 'flipped after it had acknowledged the cancel');
    this.#flipped.set(deployment, (this.#flipped.get(deployment) ?? new Set()).add(host));
    const votes = this.#votes.get(deployment);
    for (const name of participantsOf(host, deployment))
      if (!votes?.has(this.#world.host(name))) this.fail(host, `flipped before ${name} had voted`);
  }

  #seeContent(host: Host, slot: string): void {
    if (slotOf(host.disk.link(ROOT, NAME) ?? '', SLOTS) === slot)
      this.fail(host, `${slot} was written while it was live`);
    this.#checkToken(host, `wrote into ${slot}`);
  }

  #checkToken(host: Host, what: string): void {
    const token = this.#world.running?.token ?? 0;
    const given = this.#given.get(host) ?? 0;
    if (token < given) this.fail(host, `${what} under token ${token}, and ${given} was given`);
  }

  #seeDecision(host: Host, { name, after, from }: Change): void {
    if (after === undefined) return;
    const [deployment, state] = splitRun(name);
    const others = this.#world.hosts.filter(one => one !== host);
    const stands = others.some(one => isCommit(standing(one.disk, deployment)));
    switch (state) {
      case 'armed':
        if (from !== undefined && !from.name.startsWith('run.')) this.#checkToken(host, 'armed');
        return;
      case 'reverting': {
        const { running } = this.#world;
        if (this.#committed.has(deployment)) this.fail(host, 'is reverted after a commit was reported');
        if (running?.watched !== null && running?.watched !== deployment)
          this.fail(host, 'was reverted by another guard');
        if (running?.watched === null && stands) this.fail(host, 'is ordered back after the commit was decided');
        return;
      }
      case 'forwarding':
      case 'confirmed': {
        if (this.#goneBack.has(deployment)) this.fail(host, `is ${state} after it was said that all went back`);
        const decider = [...participantsOf(host, deployment)].sort()[0];
        const first = !stands && from?.name.endsWith('.forwarding') !== true;
        if (first && decider !== host.name) this.fail(host, `is ${state} before the decider ${decider}`);
        return;
      }
    }
  }

  #everCommitted(host: Host): boolean {
    return host.disk.list(RECORD, 'run.').some(run => run.endsWith('.confirmed'));
  }

  /** What a run says of the fleet is true at the time at which it says so. */
  checkResult(result: Result): void {
    if (result.command === 'recover') this.#checkRecovery(result);
    else this.#checkTransaction(result);
  }

  #checkTransaction(result: Result): void {
    const { deployment, outcome } = result;
    for (const { name, outcome } of result.hosts) {
      const host = this.#world.host(name);
      const stands = standing(host.disk, deployment);
      const flipped = this.#flipped.get(deployment)?.has(host) === true;
      if (outcome === 'confirmed' && stands !== 'confirmed')
        this.fail(host, `is said to be confirmed, and is ${stands}`);
      if (outcome === 'reverted' && stands !== 'reverted' && (flipped || stands !== ''))
        this.fail(host, `is said to be reverted, and is ${stands}`);
      if (outcome === 'unchanged' && flipped) this.fail(host, 'is said to be unchanged, and was flipped');
    }
    if (outcome === 'unchanged' || outcome === 'locked') {
      const moved = [...(this.#flipped.get(deployment) ?? [])][0];
      if (moved !== undefined) this.fail(moved, `was flipped, and the outcome is ${outcome}`);
      this.#unmoved.add(deployment);
      this.#goneBack.add(deployment);
    }
    if (outcome === 'reverted') {
      this.#goneBack.add(deployment);
      for (const host of this.#flipped.get(deployment) ?? [])
        if (standing(host.disk, deployment) !== 'reverted') this.fail(host, 'is not back, and the outcome is reverted');
    }
    if (outcome === 'committed') {
      this.#committed.add(deployment);
      for (const host of this.#world.hosts)
        if (standing(host.disk, deployment) !== 'confirmed')
          this.fail(host, 'is not confirmed, and the outcome is committed');
    }
  }

  #checkRecovery({ outcome, hosts }: Result): void {
    if (outcome === 'settled' || outcome === 'current') this.checkSettled();
    for (const { name, outcome } of hosts) {
      const host = this.#world.host(name);
      const [, state] = splitRun(newestRun(host));
      if ((outcome === 'confirmed' || outcome === 'reverted') && state !== outcome)
        this.fail(host, `is said to be ${outcome}, and is ${state}`);
    }
  }

  /** Every deployment has ended, and has ended alike wherever it is known. */
  checkSettled(): void {
    const ends = new Map<string, string>();
    for (const host of this.#world.hosts) {
      const [id, state] = splitRun(newestRun(host));
      if (state !== '' && state !== 'confirmed' && state !== 'reverted') this.fail(host, `is not settled: ${state}`);
      const other = ends.get(id);
      if (id !== '' && other !== undefined && other !== state)
        this.fail(host, `is ${state}, and another host ${other}`);
      ends.set(id, state);
    }
  }

  /** A host whose guard lives has answered by itself one window after the last beat. */
  checkGuards(): void {
    for (const host of this.#world.hosts) {
      const [id, state] = splitRun(newestRun(host));
      if (!host.unguarded.has(id) && (state === 'armed' || state === 'reverting'))
        this.fail(host, `is ${state}, and its guard has not answered`);
    }
  }

  /** The end of every story: one release, everything settled, nothing locked. */
  checkEnd(): void {
    this.checkSettled();
    const served = new Map<string, Host>();
    for (const host of this.#world.hosts) {
      this.checkLink(host);
      if (isHolderAlive(host)) this.fail(host, 'is locked at the end');
      const text = host.disk.link(ROOT, NAME) ?? '';
      const run = host.disk.record(RECORD, newestRun(host));
      const [, state] = splitRun(newestRun(host));
      const wanted = state === 'confirmed' ? run?.slot : run?.from;
      if (wanted !== undefined && text !== wanted) this.fail(host, `is ${state}, and its link says '${text}'`);
      served.set(text === '' ? '' : idOf(contentOf(host, slotOf(text, SLOTS))), host);
    }
    const [first] = served.values();
    if (served.size > 1 && first !== undefined)
      this.fail(first, `serves another release than others: ${[...served.keys()].map(short)}`);
  }

  fail(host: Host, what: string): never {
    throw new Violation(`${host.name} ${what}`);
  }
}

function describeChange(host: Host, { directory, name, after, from }: Change, pid: number | undefined): string {
  const said = after?.kind === 'link' ? ` -> ${after.text}` : '';
  const source = from === undefined ? '' : ` from ${from.directory}/${from.name}`;
  return `${host.name}[${pid}] ${after === undefined ? 'rm ' : ''}${directory}/${name}${said}${source}`;
}

function standing(disk: Disk, deployment: string): string {
  const run = disk.list(RECORD, 'run.').find(one => splitRun(one)[0] === deployment);
  return run === undefined ? '' : splitRun(run)[1];
}

function isCommit(state: string): boolean {
  return state === 'confirmed' || state === 'forwarding';
}

function participantsOf({ disk }: Host, deployment: string): readonly string[] {
  const run = disk.list(RECORD, 'run.').find(one => splitRun(one)[0] === deployment) ?? '';
  return (disk.record(RECORD, run)?.participants ?? '').split('\n').filter(name => name !== '');
}

function short(id: string): string {
  return id.slice(0, 15) || 'nothing';
}
