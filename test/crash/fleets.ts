/** Many runs on several fleets side by side; each fleet takes the next run when it is done with one. */

import { type Arena, type ArenaOptions, startArena } from './arena.ts';

export interface Campaign<T, R extends { readonly violations: readonly string[] }> {
  readonly fleets: number;
  readonly arena: ArenaOptions;
  readonly items: (arena: Arena) => Promise<readonly T[]>;
  readonly run: (arena: Arena, item: T) => Promise<R>;
}

export interface Outcome<T, R> {
  readonly results: readonly { readonly item: T; readonly result: R }[];
  /** Of the watchers. */
  readonly reads: number;
  readonly unresolved: readonly string[];
}

export async function runCampaign<T, R extends { readonly violations: readonly string[] }>({
  fleets,
  arena,
  items,
  run,
}: Campaign<T, R>): Promise<Outcome<T, R>> {
  const arenas = await startAll(fleets, arena);
  const [first] = arenas;
  if (first === undefined) throw new Error('a campaign has fleets');
  try {
    const queue = [...(await items(first))];
    const results: { item: T; result: R }[] = [];
    const work = async (one: Arena): Promise<void> => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
        const result = await run(one, item);
        // At once: a campaign that is cut short has told what it found.
        for (const violation of result.violations) console.error(violation);
        results.push({ item, result });
      }
    };
    await Promise.all(arenas.map(work));
    const seen = await Promise.all(arenas.map(one => one.stopWatching()));
    return {
      results,
      reads: seen.reduce((sum, one) => sum + one.reads, 0),
      unresolved: seen.flatMap(one => one.violations),
    };
  } finally {
    await Promise.all(arenas.map(one => one.stop()));
  }
}

async function startAll(fleets: number, options: ArenaOptions): Promise<readonly Arena[]> {
  const settled = await Promise.allSettled(Array.from({ length: fleets }, () => startArena(options)));
  const started = settled.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = settled.find(one => one.status === 'rejected');
  if (failed === undefined) return started;
  await Promise.all(started.map(one => one.stop()));
  throw failed.reason;
}
