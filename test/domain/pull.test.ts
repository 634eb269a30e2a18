import { describe, expect, it } from 'vitest';
import { hideSecrets, isUrl, readUrl, showUrl } from '../../src/domain/artifact.ts';
import { planPull } from '../../src/domain/pull.ts';
import type { FileEntry, Manifest } from '../../src/domain/release.ts';
import type { Observation } from '../../src/domain/slot.ts';
import { planTransfer, type Scan } from '../../src/domain/transfer.ts';

const ID = `sha256:${'a'.repeat(64)}`;

function file(path: string, size: number, digit = '0'): FileEntry {
  return { kind: 'file', path, mode: '644', size, sha256: digit.repeat(64) };
}

/** A hundred files of a megabyte, the last so many of them changed. */
function release(changed: number): Manifest {
  return Array.from({ length: 100 }, (_, at) =>
    file(`f${String(at).padStart(2, '0')}`, 1_000_000, at < 100 - changed ? '0' : '1'),
  );
}

const LIVE: Scan = { manifest: release(0), times: Array.from({ length: 100 }, () => 1) };

function decide(
  changed: number,
  { live = LIVE as Scan | null, artifact = 50 as number | null, free = null as number | null } = {},
) {
  const manifest = release(changed);
  const observation = { freeBytes: free } as Observation;
  return planPull({ artifact, manifest, transfer: planTransfer(manifest, null, live), live, observation });
}

describe('a pull', () => {
  it('is planned where more than a quarter of the release is missing', () => {
    expect(decide(25)).toBeNull();
    expect(decide(26)).toMatchObject({ size: 50, copySize: 74_000_000 });
    expect(decide(26)?.copy).toHaveLength(74);
    expect(decide(0, { live: null })).toMatchObject({ size: 50, copy: [], copySize: 0 });
  });

  it('is not planned without an artifact, and where artifact and release have no room', () => {
    expect(decide(100, { artifact: null })).toBeNull();
    expect(decide(100, { free: 100_000_000 })).toBeNull();
    expect(decide(100, { free: 101_000_000 })).not.toBeNull();
  });
});

describe('a URL', () => {
  it('is read with the id behind it, in characters that no program takes for a quote', () => {
    expect(readUrl(`HTTPS://Ann:p%40@Files.example.com/a b/"c"?x=\\"#${ID}`)).toEqual({
      source: { url: 'https://Ann:p%40@files.example.com/a%20b/%22c%22?x=%5C%22', release: ID },
    });
    expect(readUrl('http://x/a\nb')).toMatchObject({ source: { url: 'http://x/ab' } });
  });

  it('is refused when it is of another kind, or names something else behind its #', () => {
    for (const text of ['ftp://x/y', 'https://', 'x', 'http://x/#v1', 'http://x/#sha256:abc', 'file:///etc/passwd'])
      expect(readUrl(text), text).toHaveProperty('mistake');
    expect(['http://x', 'HTTPS://x', 'ftp://x', 'C:\\x', 'git:v1', 'a/b'].map(isUrl)).toEqual([
      ...[true, true, true],
      ...[false, false, false],
    ]);
  });

  it('is shown without its secrets, also in what others say', () => {
    expect(showUrl('https://ann:hush@x:8443/a/b?t=hush')).toBe('https://x:8443/a/b');
    const said = 'http://ann:hush@x/a?t=hush:\n2026 ERROR 403, (https://y/?hush=hush) HTTP://z/?hush';
    expect(hideSecrets(said)).not.toContain('hush');
    expect(hideSecrets(said)).toContain('http://x/a\n2026 ERROR 403, (https://y/');
  });
});
