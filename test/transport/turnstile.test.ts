import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTurnstile } from '../../src/transport/turnstile.ts';

const NEVER = new AbortController().signal;

/** Work that ends when it is told to. */
function makeWork() {
  const ends: (() => void)[] = [];
  return {
    inside: () => ends.length,
    end: () => ends.shift()?.(),
    work: () => new Promise<void>(resolve => ends.push(resolve)),
  };
}

describe('a turnstile', () => {
  it('lets so many through one gate at a time, in their order, and counts gates apart', async () => {
    const turnstile = createTurnstile(2);
    const [one, other] = [makeWork(), makeWork()];
    const order: number[] = [];
    const passing = [1, 2, 3, 4].map(number =>
      turnstile.pass('one', NEVER, () => {
        order.push(number);
        return one.work();
      }),
    );
    void turnstile.pass('other', NEVER, other.work);
    await turn();
    expect([one.inside(), other.inside()]).toEqual([2, 1]);
    for (let count = 0; count < 4; count++) {
      one.end();
      await turn();
    }
    await Promise.all(passing);
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it('lets the next one in after work that failed', async () => {
    const turnstile = createTurnstile(1);
    await expect(turnstile.pass('gate', NEVER, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await turnstile.pass('gate', NEVER, async () => 'in')).toBe('in');
  });

  it('begins nothing once the signal has ended', async () => {
    const turnstile = createTurnstile(1);
    const ended = AbortSignal.abort(new Error('over'));
    await expect(turnstile.pass('gate', ended, async () => 'in')).rejects.toThrow('over');
  });

  it('never lets more in than its limit, and leaves nobody behind, whoever gives up', async () => {
    const step = fc.constantFrom('come' as const, 'go' as const, 'give up' as const);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 3 }), async (steps, limit) => {
        const turnstile = createTurnstile(limit);
        const { work, end, inside } = makeWork();
        const comers: { control: AbortController; passed: Promise<unknown> }[] = [];
        for (const what of steps) {
          if (what === 'go') end();
          if (what === 'give up') comers.at(-1)?.control.abort();
          if (what === 'come') {
            const control = new AbortController();
            comers.push({ control, passed: turnstile.pass('gate', control.signal, work).catch(() => undefined) });
          }
          await turn();
          expect(inside()).toBeLessThanOrEqual(limit);
        }
        while (inside() > 0) {
          end();
          await turn();
        }
        await Promise.all(comers.map(({ passed }) => passed));
        expect(await turnstile.pass('gate', NEVER, async () => 'in')).toBe('in');
      }),
      { numRuns: 50 },
    );
  });
});
