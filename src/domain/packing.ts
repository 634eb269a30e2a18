/** In which form an archive travels to a host: whole, compressed, or as differences to files that its live slot has. */

/** `auto`: what the link is measured to need. */
export type CompressWish = 'auto' | 'none' | 'gzip' | 'zstd';

/** What a host can undo. */
export type Unpacker = 'gzip' | 'zstd' | 'patch';

export interface Packing {
  readonly compression: 'gzip' | 'zstd';
  /** Files whose older version the live slot has travel as differences to it. */
  readonly patched: boolean;
}

/** Bytes; a smaller archive is sent before its link is measured. */
const WORTH_MEASURING = 1 << 20;
/** Bytes. */
const SAMPLE = { least: 1 << 16, most: 1 << 18 };
/** Bytes a millisecond: on a faster link a host needs as long to unpack. */
const FAST = 8_000;
/** Milliseconds. */
const SHORT = 2_000;
/** How much of the time this side was at work: beyond it, it is no link that is measured. */
const BUSY = 0.5;

/** @returns bytes with which to measure the link; 0: it is not worth it */
export function sampleSize(archiveSize: number): number {
  if (archiveSize < WORTH_MEASURING) return 0;
  return Math.min(SAMPLE.most, Math.max(SAMPLE.least, Math.floor(archiveSize / 16)));
}

export interface LinkMeasure {
  /** Bytes a millisecond. */
  readonly pace: number;
  /** 0 to 1: how much of the time this side was at work. */
  readonly load: number;
}

export function isSlow({ pace, load }: LinkMeasure, archiveSize: number): boolean {
  return load < BUSY && pace < FAST && archiveSize / pace > SHORT;
}

/**
 * @param zstd whether this side has it
 * @returns null when the archive travels as it is: nothing else is wanted, or the host lacks the tool
 */
export function choosePacking(wish: CompressWish, host: readonly Unpacker[], zstd: boolean): Packing | null {
  if (wish === 'none') return null;
  const patched = host.includes('patch');
  if (wish !== 'gzip' && zstd && host.includes('zstd')) return { compression: 'zstd', patched };
  return host.includes('gzip') ? { compression: 'gzip', patched } : null;
}
