import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromBytes, toBytes } from '../../src/domain/bytes.ts';
import {
  decodeManifest,
  diffManifests,
  encodeManifest,
  isSame,
  releaseId,
  sameEntry,
  type Tree,
  totalSize,
} from '../../src/domain/release.ts';
import { trees as manifests } from './trees.ts';

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const example: Tree = [
  { kind: 'directory', path: 'd', mode: '755' },
  { kind: 'file', path: 'd/f\n', mode: '644', size: 3, sha256: 'a'.repeat(64) },
  { kind: 'link', path: 'l', target: 'd/\xff' },
];

describe('the canonical bytes', () => {
  test('are as the protocol says', () => {
    const table = `d 755\nf 644 3 ${'a'.repeat(64)}\nl\n`;
    expect(fromBytes(encodeManifest(example))).toBe(`fleetflip manifest 1\n${table}\n./d\0./d/f\n\0./l\0d/\xff\0`);
    expect(fromBytes(encodeManifest([]))).toBe('fleetflip manifest 1\n\n');
    expect(releaseId(example, digest)).toBe(`sha256:${digest(encodeManifest(example))}`);
  });

  test('read back as what was written', () => {
    fc.assert(
      fc.property(manifests, manifest => {
        expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest);
      }),
    );
  });

  test('are equal for equal trees only', () => {
    fc.assert(
      fc.property(manifests, manifests, (one, other) => {
        const equal = releaseId(one, digest) === releaseId(other, digest);
        expect(equal).toBe(JSON.stringify(one) === JSON.stringify(other));
        expect(equal).toBe(isSame(diffManifests(one, other)));
      }),
    );
  });

  test('changed anywhere are refused, or are the canonical bytes of another tree', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.constantFrom(...'\0\n ./0179adflx\xff')), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(manifests, changes, fc.boolean(), (manifest, edits, insert) => {
        const bytes = [...fromBytes(encodeManifest(manifest))];
        for (const [at, value] of edits) bytes.splice(at % bytes.length, insert ? 0 : 1, value);
        const changed = toBytes(bytes.join(''));
        expectCanonical(changed);
      }),
      { numRuns: 2000 },
    );
  });

  test('cut short are refused', () => {
    const whole = encodeManifest(example);
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeManifest(whole.subarray(0, length)), String(length)).toThrow('not a manifest');
    }
  });

  test('that are nearly canonical are refused', () => {
    const file = (line: string): string => `fleetflip manifest 1\n${line}\n\n./f\0`;
    const hash = 'a'.repeat(64);
    expect(decodeManifest(toBytes(file(`f 644 3 ${hash}`)))).toHaveLength(1);
    for (const line of [
      `f 0644 3 ${hash}`,
      `f 644 03 ${hash}`,
      `f 644 3 ${hash.toUpperCase()}`,
      `f 644 99999999999999999999 ${hash}`,
      `f 888 3 ${hash}`,
      'd 0755',
      '',
    ]) {
      expect(() => decodeManifest(toBytes(file(line))), line).toThrow('not a manifest');
    }
    for (const names of ['./b\0./a\0', './a\0./a\0', './a\0b\0', './a\0./\0', './a\0', './a\0./b\0./c\0']) {
      expect(() => decodeManifest(toBytes(`fleetflip manifest 1\nd 755\nd 755\n\n${names}`)), names).toThrow(
        'not a manifest',
      );
    }
  });
});

function expectCanonical(bytes: Uint8Array): void {
  let decoded: Tree;
  try {
    decoded = decodeManifest(bytes);
  } catch (thrown) {
    expect(String(thrown)).toContain('not a manifest');
    return;
  }
  expect(fromBytes(encodeManifest(decoded))).toBe(fromBytes(bytes));
}

describe('the difference of two manifests', () => {
  test('names every path once: missing, changed, extra or the same', () => {
    fc.assert(
      fc.property(manifests, manifests, (expected, actual) => {
        const { missing, changed, extra } = diffManifests(expected, actual);
        const found = new Map(actual.map(entry => [entry.path, entry]));
        const same = expected.flatMap(entry => {
          const other = found.get(entry.path);
          return other !== undefined && sameEntry(entry, other) ? [entry.path] : [];
        });
        expect([...missing, ...changed, ...same].sort()).toEqual(expected.map(entry => entry.path));
        expect([...extra, ...changed, ...same].sort()).toEqual(actual.map(entry => entry.path));
      }),
    );
  });

  test('turned around, swaps missing and extra', () => {
    fc.assert(
      fc.property(manifests, manifests, (one, other) => {
        const there = diffManifests(one, other);
        expect(diffManifests(other, one)).toEqual({
          missing: there.extra,
          changed: there.changed,
          extra: there.missing,
        });
      }),
    );
  });

  test('sees kind, mode, content and target', () => {
    const file = { kind: 'file', path: 'p', mode: '644', size: 1, sha256: 'a'.repeat(64) } as const;
    const link = { kind: 'link', path: 'p', target: 'a' } as const;
    for (const other of [{ ...file, mode: '755' }, { ...file, size: 2 }, { ...file, sha256: 'b'.repeat(64) }, link]) {
      expect(diffManifests([file], [other]).changed).toEqual(['p']);
    }
    expect(diffManifests([link], [{ ...link, target: 'b' }]).changed).toEqual(['p']);
    expect(diffManifests([link], [{ ...link }]).changed).toEqual([]);
  });
});

test('the size of a release is that of its files', () => {
  expect(totalSize(example)).toBe(3);
  expect(totalSize([])).toBe(0);
});
