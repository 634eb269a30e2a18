import { describe, expect, it } from 'vitest';
import { choosePacking, isSlow, sampleSize } from '../../src/domain/packing.ts';

const MB = 1 << 20;

describe('how an archive travels', () => {
  it.each([
    ['auto', ['gzip', 'zstd', 'patch'], true, { compression: 'zstd', patched: true }],
    ['auto', ['gzip', 'zstd', 'patch'], false, { compression: 'gzip', patched: true }],
    ['zstd', ['gzip'], true, { compression: 'gzip', patched: false }],
    ['zstd', ['zstd'], true, { compression: 'zstd', patched: false }],
    ['gzip', ['gzip', 'zstd'], true, { compression: 'gzip', patched: false }],
    ['gzip', ['zstd', 'patch'], true, null],
    ['auto', ['patch'], true, null],
    ['none', ['gzip', 'zstd', 'patch'], true, null],
  ] as const)('wished %s of a host with %s, zstd here %s: %o', (wish, host, zstd, packing) => {
    expect(choosePacking(wish, host, zstd)).toEqual(packing);
  });
});

describe('a link', () => {
  it('is not measured for what is small', () => {
    expect(sampleSize(MB - 1)).toBe(0);
  });

  it('is measured with a small part of what is sent', () => {
    expect(sampleSize(MB)).toBe(MB / 16);
    expect(sampleSize(2 * MB)).toBe(MB / 8);
    expect(sampleSize(1000 * MB)).toBe(MB / 4);
  });

  it.each([
    ['slow', { pace: 500, load: 0.1 }, 20 * MB, true],
    ['slow for more than it has to carry', { pace: 500, load: 0.1 }, MB / 2, false],
    ['fast', { pace: 50_000, load: 0.1 }, 4000 * MB, false],
    ['hidden behind our own work', { pace: 500, load: 0.9 }, 20 * MB, false],
  ])('is %s: %o with %i bytes', (_, measure, size, slow) => {
    expect(isSlow(measure, size)).toBe(slow);
  });
});
