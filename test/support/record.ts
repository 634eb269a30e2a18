/** What stands on a host's disk: link, slots, and the record in words. Read from the files, by nothing of fleetflip. */

import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeWord } from '../../src/host/words.ts';
import { readTree } from './local-fleet.ts';

export interface OnDisk {
  /** Null when there is none. */
  readonly link: string | null;
  /** The text of every file and link, by slot. */
  readonly slots: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** By slot, such as `verified v1 previous` or `unproven v2`; slots without a record are left out. */
  readonly records: Readonly<Record<string, string>>;
  /** Of the newest deployment, such as `confirmed`; null when there is none. */
  readonly run: string | null;
  /** `free`, or the deployment that holds it. */
  readonly lock: string;
  /** Outcome and label of every deployment, oldest first. */
  readonly history: readonly string[];
  /** What has no business in a record that is settled. */
  readonly leftovers: readonly string[];
}

/** @param root of the app */
export async function readDisk({ root, name }: { root: string; name: string }): Promise<OnDisk> {
  const record = join(root, `.${name}.fleetflip`);
  const names = await list(record);
  const slots = (await list(root)).filter(one => one.startsWith(`${name}_`));
  const runs = names.map(one => /^run\.(\d+)\.[^.]+\.(\w+)$/.exec(one)).filter(match => match !== null);
  runs.sort((one, other) => Number(one[1]) - Number(other[1]));
  return {
    link: await readlink(join(root, name)).catch(() => null),
    slots: Object.fromEntries(await Promise.all(slots.map(async slot => [slot, await readTree(join(root, slot))]))),
    records: Object.fromEntries(
      await Promise.all(
        names
          .filter(one => /^slot\.[^.]+$/.test(one))
          .map(async one => [one.slice('slot.'.length), await readSlotRecord(join(record, one))]),
      ),
    ),
    run: runs.at(-1)?.[2] ?? null,
    lock: await readLock(join(record, 'locks')),
    history: await readHistory(join(record, 'history')),
    leftovers: names.filter(one => !EXPECTED.test(one)),
  };
}

/** What a deployment made ready may stay: nobody reads it again. */
const EXPECTED =
  /^(agent-[0-9a-f]{64}\.sh|slot\.[^.]+(\.manifest|\.times|\.known)?|tools|run\.\d+\.[^.]+\.(confirmed|reverted)|(be|there|back)\..*|locks|history)$/;

function list(directory: string): Promise<string[]> {
  return readdir(directory).then(
    names => names.sort(),
    () => [],
  );
}

async function readSlotRecord(file: string): Promise<string> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  const value = (key: string): string => {
    const line = lines.find(one => one.startsWith(`${key}=`));
    return line === undefined ? '' : decodeWord(line.slice(key.length + 1));
  };
  return ['state', 'label', 'role'].map(value).filter(Boolean).join(' ');
}

/** The newest generation counts. */
async function readLock(locks: string): Promise<string> {
  const generations = (await list(locks)).filter(one => one.startsWith('g.')).map(one => Number(one.slice(2)));
  if (generations.length === 0) return 'free';
  const text = await readlink(join(locks, `g.${Math.max(...generations)}`));
  return text === 'free' ? 'free' : (text.split(' ')[3] ?? '');
}

async function readHistory(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map(line => {
      const words = line.split(' ').map(decodeWord);
      return `${words[4]} ${words[7]}`.trim();
    });
}
