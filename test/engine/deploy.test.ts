import { mkdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deploy, flip, rollback, stage, status } from '../../src/index.ts';
import { type LocalFleet, makeLocalFleet, readTree } from '../support/local-fleet.ts';

const ONE = { 'index.html': 'one', 'lib/a b.txt': 'same', 'lib/gone.txt': 'x', current: '-> index.html' };
const TWO = { 'index.html': 'two', 'lib/a b.txt': 'same', 'lib/new.txt': 'y', current: '-> lib/new.txt' };

let local: LocalFleet;
beforeEach(async () => {
  local = await makeLocalFleet(3);
});
afterEach(() => local.remove());

function options() {
  return { connector: local.connector, emit: (event: (typeof local.events)[number]) => void local.events.push(event) };
}

/** Writes into a file in place; its size and mtime stay. */
async function changeUnseen(file: string, text: string): Promise<void> {
  const { size, atime, mtime } = await stat(file);
  await writeFile(file, text);
  await utimes(file, atime, mtime);
  expect((await stat(file)).size).toBe(size);
}

async function links(): Promise<(string | null)[]> {
  return Promise.all(local.fleet.hosts.map(host => local.link(host.name)));
}

describe('deploy', () => {
  it('brings a first release to every host and makes the links', async () => {
    const result = await deploy(local.fleet, await local.release('1', ONE), { ...options(), label: 'v1' });
    expect(result).toMatchObject({ outcome: 'committed', exitCode: 0, label: 'v1' });
    expect(result.hosts.map(host => host.outcome)).toEqual(['confirmed', 'confirmed', 'confirmed']);
    expect(await links()).toEqual(['foo_l', 'foo_l', 'foo_l']);
    for (const host of local.fleet.hosts) expect(await readTree(join(local.root(host.name), 'foo'))).toEqual(ONE);
    expect(local.events.at(-1)?.kind).toBe('result');
  });

  it('puts the next release into the other slot, and rollback brings the first back', async () => {
    await deploy(local.fleet, await local.release('1', ONE), options());
    const second = await deploy(local.fleet, await local.release('2', TWO), options());
    expect(second.outcome).toBe('committed');
    expect(await links()).toEqual(['foo_r', 'foo_r', 'foo_r']);
    expect(await readTree(join(local.root('web2'), 'foo'))).toEqual(TWO);
    const back = await rollback(local.fleet, options());
    expect(back.outcome).toBe('committed');
    expect(await links()).toEqual(['foo_l', 'foo_l', 'foo_l']);
  });

  it('stages a third release over the first, with only what is new and the links', async () => {
    await deploy(local.fleet, await local.release('1', ONE), options());
    await deploy(local.fleet, await local.release('2', TWO), options());
    const third = { ...TWO, 'lib/third.txt': 'z' };
    const result = await deploy(local.fleet, await local.release('3', third), options());
    expect(result.outcome).toBe('committed');
    expect(await readTree(join(local.root('web3'), 'foo'))).toEqual(third);
    const plans = local.events.filter(event => event.kind === 'host-planned').slice(-3);
    expect(plans.map(plan => plan.kind === 'host-planned' && plan.send)).toEqual([2, 2, 2]);
  });

  it('is current when the release is live already', async () => {
    const one = await local.release('1', ONE);
    await deploy(local.fleet, one, options());
    expect(await deploy(local.fleet, one, options())).toMatchObject({ outcome: 'current', exitCode: 0 });
    expect(await links()).toEqual(['foo_l', 'foo_l', 'foo_l']);
  });

  it('sends once more what was written into the slots since they were proven, sizes and mtimes or not', async () => {
    await deploy(local.fleet, await local.release('1', ONE), options());
    await deploy(local.fleet, await local.release('2', TWO), options());
    await writeFile(join(local.root('web2'), 'foo_l', 'stray'), 'x');
    for (const slot of ['foo_l', 'foo_r']) await changeUnseen(join(local.root('web2'), slot, 'lib/a b.txt'), 'SAME');
    const third = { ...TWO, 'lib/third.txt': 'z' };
    expect((await deploy(local.fleet, await local.release('3', third), options())).outcome).toBe('committed');
    for (const host of local.fleet.hosts) expect(await readTree(join(local.root(host.name), 'foo'))).toEqual(third);
  });

  it('is not current where a file of the live slot was changed, sizes and mtimes or not', async () => {
    const one = await local.release('1', ONE);
    await deploy(local.fleet, one, options());
    await changeUnseen(join(local.root('web2'), 'foo', 'index.html'), 'eno');
    const result = await deploy(local.fleet, one, options());
    expect(result.hosts.map(host => host.outcome)).toEqual(['current', 'confirmed', 'current']);
    expect(await readTree(join(local.root('web2'), 'foo'))).toEqual(ONE);
  });

  it('moves no link when one host cannot unpack', async () => {
    await deploy(local.fleet, await local.release('1', ONE), options());
    await local.fake('web2', 'tar', 'cat >/dev/null; echo "tar: write error: No space left on device" >&2; exit 2');
    const result = await deploy(local.fleet, await local.release('2', TWO), options());
    expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    expect(result.hosts[1]).toMatchObject({ outcome: 'failed', error: { code: 'NO_SPACE', phase: 'stage' } });
    expect(await links()).toEqual(['foo_l', 'foo_l', 'foo_l']);
  });

  it('puts every link back, to the letter, when one host fails to flip', async () => {
    for (const { name } of local.fleet.hosts) {
      await mkdir(join(local.root(name), 'foo_r'));
      await writeFile(join(local.root(name), 'foo_r', 'hand.html'), 'by hand');
      await symlink('./foo_r/', join(local.root(name), 'foo'));
    }
    const live = join(local.root('web3'), 'foo');
    await local.fake('web3', 'mv', `for last; do :; done\n[ "$last" != '${live}' ] || exit 1\nexec /bin/mv "$@"`);
    const result = await deploy(local.fleet, await local.release('1', ONE), options());
    expect(result).toMatchObject({ outcome: 'reverted', exitCode: 3 });
    expect(await links()).toEqual(['./foo_r/', './foo_r/', './foo_r/']);
    expect(result.hosts.map(host => host.outcome)).toEqual(['reverted', 'reverted', 'failed']);
  });

  it('records a release made by hand, so that it can be rolled back to', async () => {
    for (const { name } of local.fleet.hosts) {
      await mkdir(join(local.root(name), 'foo_r'));
      await writeFile(join(local.root(name), 'foo_r', 'hand.html'), 'by hand');
      await symlink('foo_r', join(local.root(name), 'foo'));
    }
    expect((await status(local.fleet, options())).hosts[0]?.live).toMatchObject({ slot: 'foo_r', release: null });
    await deploy(local.fleet, await local.release('1', ONE), options());
    expect(await rollback(local.fleet, options())).toMatchObject({ outcome: 'committed' });
    expect(await readFile(join(local.root('web1'), 'foo', 'hand.html'), 'utf8')).toBe('by hand');
  });

  it('refuses everywhere when one host has a plain directory, and says how to adopt it', async () => {
    await mkdir(join(local.root('web1'), 'foo'));
    const result = await deploy(local.fleet, await local.release('1', ONE), options());
    expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    expect(result.hosts[0]?.error).toMatchObject({ code: 'NAME_IS_DIRECTORY', hint: expect.stringContaining('adopt') });
    expect(await links()).toEqual([null, null, null]);
  });

  it('votes no when a check in the idle slot fails', async () => {
    const fleet = { ...local.fleet, checks: { idle: [{ run: 'test "$(cat index.html)" != one', within: 5000 }] } };
    const result = await deploy(fleet, await local.release('1', ONE), options());
    expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    expect(result.hosts[0]?.error?.code).toBe('CHECK_FAILED');
  });
});

describe('stage and flip', () => {
  it('stage moves no link, and flip then needs nothing but what is staged', async () => {
    const staged = await stage(local.fleet, await local.release('1', ONE), options());
    expect(staged).toMatchObject({ outcome: 'staged', exitCode: 0 });
    expect(await links()).toEqual([null, null, null]);
    expect(await flip(local.fleet, options())).toMatchObject({ outcome: 'committed', release: staged.release });
    expect(await links()).toEqual(['foo_l', 'foo_l', 'foo_l']);
  });

  it('flip refuses when what is staged was altered', async () => {
    await stage(local.fleet, await local.release('1', ONE), options());
    await writeFile(join(local.root('web2'), 'foo_l', 'index.html'), 'altered');
    expect(await flip(local.fleet, options())).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    expect(await links()).toEqual([null, null, null]);
  });
});

describe('rollback', () => {
  it('is refused after a rollback, and never returns to a release that was reverted', async () => {
    const [one, two] = [await local.release('1', ONE), await local.release('2', TWO)];
    for (const source of [one, two]) await deploy(local.fleet, source, options());
    expect(await rollback(local.fleet, options())).toMatchObject({ outcome: 'committed' });
    const again = await rollback(local.fleet, options());
    expect(again).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    expect(again.hosts.map(host => host.error?.code)).toEqual(['NO_PREVIOUS', 'NO_PREVIOUS', 'NO_PREVIOUS']);
    const live = join(local.root('web2'), 'foo');
    await local.fake('web2', 'mv', `for last; do :; done\n[ "$last" != '${live}' ] || exit 1\nexec /bin/mv "$@"`);
    expect(await deploy(local.fleet, two, options())).toMatchObject({ outcome: 'reverted', exitCode: 3 });
    await local.unfake('web2');
    expect(await rollback(local.fleet, options())).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    expect(await links()).toEqual(['foo_l', 'foo_l', 'foo_l']);
    expect(await deploy(local.fleet, two, options())).toMatchObject({ outcome: 'committed' });
  });

  it('allows extra files, and refuses changed ones unless the drift is accepted', async () => {
    await deploy(local.fleet, await local.release('1', ONE), options());
    await deploy(local.fleet, await local.release('2', TWO), options());
    await writeFile(join(local.root('web1'), 'foo_l', 'cache.tmp'), 'written by the application');
    await writeFile(join(local.root('web2'), 'foo_l', 'index.html'), 'tampered');
    const refused = await rollback(local.fleet, options());
    expect(refused).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    expect(refused.hosts.map(host => host.error?.code)).toEqual([undefined, 'DRIFTED', undefined]);
    expect(await rollback(local.fleet, { ...options(), acceptDrift: true })).toMatchObject({ outcome: 'committed' });
    expect(await links()).toEqual(['foo_l', 'foo_l', 'foo_l']);
  });

  it('refuses where the idle slot does not hold the release before', async () => {
    await deploy(local.fleet, await local.release('1', ONE), options());
    const refused = await rollback(local.fleet, options());
    expect(refused).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    expect(refused.hosts[0]?.error?.code).toBe('NO_PREVIOUS');
  });
});

describe('status', () => {
  it('changes nothing and names the drift of the live slot', async () => {
    await deploy(local.fleet, await local.release('1', ONE), options());
    await rm(join(local.root('web1'), 'foo_l', 'lib', 'gone.txt'));
    const before = await readTree(local.root('web1'));
    const report = await status(local.fleet, options());
    expect(await readTree(local.root('web1'))).toEqual(before);
    expect(report).toMatchObject({ split: false, settled: true });
    expect(report.hosts[0]?.live?.drift).toMatchObject({ missing: 1, changed: 0, extra: 0 });
  });
});
