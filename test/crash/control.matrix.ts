import { expect, it } from 'vitest';
import type { Alterations } from '../support/built.ts';
import { type Arena, startArena } from './arena.ts';
import { killAt } from './kill.ts';

/** The parts that make the promises true, each broken; where the coordinator is killed then, the matrix must see it. */
const BROKEN: readonly {
  readonly what: string;
  readonly at: string;
  readonly alterations: Alterations;
  readonly found: RegExp;
}[] = [
  {
    what: 'a guard that never fires',
    at: 'demo2 channel-1 hears flip',
    alterations: {
      'src/host/agent.sh': text => text.replace(' || fire "$1"', ' || :'),
    },
    found: /is not settled/,
  },
  {
    what: 'a decider that is asked last',
    at: 'demo1 channel-1 asks confirm',
    alterations: {
      'src/domain/transaction/state.ts': text =>
        text.replace('return movers(state)[0];', 'return movers(state).at(-1);'),
    },
    found: /confirmed, and the decider did not/,
  },
];

it.each(BROKEN)(
  'the matrix finds $what',
  async ({ at, alterations, found }) => {
    const arena = await startArena({ hosts: 3, alterations });
    try {
      expect(await judge(arena, at)).toMatch(found);
    } finally {
      await arena.stop();
    }
  },
  300_000,
);

/** The violations of one run, or why its end was never seen. */
async function judge(arena: Arena, point: string): Promise<string> {
  try {
    return (await killAt(arena, { point, aftermath: 'guards' })).violations.join('\n');
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
