import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { abortable, limitTime } from '../src/waiting.ts';
import { until } from './support/until.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('a time limit', () => {
  it('holds through garbage collection, alone and with others', async () => {
    const reasons: unknown[] = [];
    for (const limit of [limitTime(100), limitTime(100, AbortSignal.any([new AbortController().signal]))])
      limit.addEventListener('abort', () => reasons.push(limit.reason.name));
    await until(() => {
      collectGarbage();
      expect(reasons).toEqual(['TimeoutError', 'TimeoutError']);
    });
  });

  it('ends with the others, for their reason, and at once when one of them has ended', () => {
    const other = new AbortController();
    const limit = limitTime(1 << 30, new AbortController().signal, other.signal);
    expect(limit.aborted).toBe(false);
    other.abort('enough');
    expect([limit.aborted, limit.reason]).toEqual([true, 'enough']);
    expect(limitTime(1 << 30, other.signal).reason).toBe('enough');
  });
});

describe('waiting that can be given up', () => {
  it('settles as the work does', async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(1), signal)).toBe(1);
    await expect(abortable(Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
  });

  it('rejects with the reason while the work goes on, whose failure then concerns nobody', async () => {
    const control = new AbortController();
    let fail: (reason: Error) => void = () => undefined;
    const work = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const waiting = abortable(work, control.signal);
    control.abort(new Error('given up'));
    await expect(waiting).rejects.toThrow('given up');
    await expect(abortable(work, control.signal)).rejects.toThrow('given up');
    fail(new Error('later'));
    await expect(work).rejects.toThrow('later');
  });
});
