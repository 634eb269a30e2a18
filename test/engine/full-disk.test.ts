import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FAKES } from '../support/embedded.ts';
import { canMount, freeSpace, mountSmallDisk, unmountSmallDisk } from '../support/small-disk.ts';
import {
  type Disks,
  expectLive,
  expectReverted,
  expectServed,
  type FaultyFleet,
  otherSlot,
  startFaultyFleet,
} from './faulty-fleet.ts';

/** Which disk the host has is in the tests' names. */
const REAL = canMount();

/** Bytes: room for three releases of the usual size. */
const SIZE = 2_000_000;

/** With 300,000 bytes left, and what the idle slot gives back. */
const TOO_LARGE = 1_200_000;

const PATIENCE = 120_000;

let faulty: FaultyFleet;
let before: Disks;
let root: string;
beforeAll(async () => {
  faulty = await startFaultyFleet();
  ({ root } = faulty.host('demo2'));
  if (REAL) mountSmallDisk(root, SIZE);
  await faulty.expectSound();
  await faulty.expectSound();
}, PATIENCE);
afterAll(async () => {
  if (REAL) unmountSmallDisk(root);
  await faulty.stop();
});
beforeEach(async () => {
  before = await faulty.readQuiet();
});
afterEach(async () => {
  await rm(join(root, 'fill'), { force: true });
  await faulty.heal();
});

/** Leaves so many bytes. */
const fillTo = (left: number): Promise<void> =>
  writeFile(join(root, 'fill'), Buffer.alloc(Math.max(0, freeSpace(root) - left)));

/** For `sh`, on the host: writes until nothing more can be written. */
const fillUp = (): string => `dd if=/dev/zero of='${join(root, 'fill')}' bs=4k 2>/dev/null`;

/** For `mv`: the disk is full from the flip on. */
const fillAtFlip = (): string =>
  `for last; do :; done\n[ "$last" != '${join(root, 'site')}' ] || ${fillUp()}\nPATH=\${PATH#*:}\nexec mv "$@"`;

function expectUnmoved(after: Disks): void {
  for (const [name, disk] of Object.entries(after)) expectServed(name, { disk, before: before[name] });
}

describe(`a disk that fills in the upload (${REAL ? 'a real small file system' : 'a tar that says so'})`, () => {
  it(
    'fails its host, moves no link, and leaves the slot unproven',
    async () => {
      if (REAL) {
        await faulty.host('demo2').fake('df', 'exit 1');
        await fillTo(300_000);
      } else await faulty.host('demo2').fake('tar', FAKES.diskFull);
      const { release, result, failures } = await faulty.deployNext({ large: TOO_LARGE });
      expect(failures).toEqual({ demo2: { kind: 'failed', code: 'NO_SPACE', phase: 'stage' } });
      expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
      const after = await faulty.readQuiet();
      expectUnmoved(after);
      expect(after.demo2?.records[otherSlot(before.demo2?.link ?? null)]).toBe(`unproven ${release.label}`);
      await rm(join(root, 'fill'), { force: true });
      await faulty.heal();
      await faulty.expectSound();
    },
    PATIENCE,
  );
});

describe.each(REAL ? ['a real small file system'] : [])('a disk that is full (%s)', () => {
  it(
    'is seen before the first byte is sent',
    async () => {
      await fillTo(300_000);
      const { result, failures } = await faulty.deployNext({ large: TOO_LARGE });
      expect(failures).toEqual({ demo2: { kind: 'refused', code: 'NO_SPACE', phase: 'plan' } });
      expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
      expect(result.hosts.map(host => host.bytesSent)).toEqual([0, 0, 0]);
      expect(await faulty.readQuiet()).toEqual(before);
      await rm(join(root, 'fill'));
      await faulty.expectSound();
    },
    PATIENCE,
  );

  it(
    'when it comes to arming refuses, and no link moves',
    async () => {
      const { result, failures } = await faulty.deployNext({
        checks: [`case $PWD in '${root}'/*) ${fillUp()} ;; esac; true`],
      });
      expect(failures).toEqual({ demo2: { kind: 'refused', code: 'WRITE_FAILED', phase: 'arm' } });
      expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
      expectUnmoved(await faulty.readQuiet());
      await rm(join(root, 'fill'));
      await faulty.expectSound();
    },
    PATIENCE,
  );

  it(
    'from the flip on does not hinder the commit',
    async () => {
      await faulty.host('demo2').fake('mv', fillAtFlip());
      const { release, result } = await faulty.deployNext();
      expect(freeSpace(root)).toBeLessThan(20_000);
      expect(result.hosts.map(host => host.error)).toEqual([undefined, undefined, undefined]);
      expect(result).toMatchObject({ outcome: 'committed', exitCode: 0 });
      const after = await faulty.readQuiet();
      for (const [name, disk] of Object.entries(after)) expectLive(name, { disk, before: before[name], release });
      expect(after.demo2?.records[before.demo2?.link ?? '']).toMatch(/^verified v\d+ previous$/);
      await rm(join(root, 'fill'));
      await faulty.heal();
      await faulty.expectSound();
    },
    PATIENCE,
  );

  it(
    'from the flip on does not hinder the way back',
    async () => {
      await faulty.host('demo2').fake('mv', fillAtFlip());
      await faulty.host('demo3').fake('mv', FAKES.failOn(join(faulty.host('demo3').root, 'site')));
      const { release, result } = await faulty.deployNext();
      expect(freeSpace(root)).toBeLessThan(20_000);
      expect(result).toMatchObject({ outcome: 'reverted', exitCode: 3 });
      expect(result.hosts.map(host => host.outcome)).toEqual(['reverted', 'reverted', 'failed']);
      expectReverted(await faulty.readQuiet(), { before, label: release.label });
      await rm(join(root, 'fill'));
      await faulty.heal();
      await faulty.expectSound();
    },
    PATIENCE,
  );
});
