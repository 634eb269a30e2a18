/** Whether a host fetches the artifact itself, or gets what it lacks from us. */

import type { ByteString } from './bytes.ts';
import type { HostPart } from './plan.ts';
import { type Manifest, totalSize } from './release.ts';
import type { Observation } from './slot.ts';
import { planTransfer, type Scan, type Transfer } from './transfer.ts';

/** What a host does with the artifact: it fills the slot anew, but for the files that it copies from its live slot. */
export interface Pull {
  /** Bytes of the artifact. */
  readonly size: number;
  readonly copy: readonly ByteString[];
  /** Bytes. */
  readonly copySize: number;
}

export interface Pulling {
  /** Bytes of the artifact; null: there is none that a host could unpack. */
  readonly artifact: number | null;
  readonly manifest: Manifest;
  /** What would be sent instead. */
  readonly transfer: Transfer;
  readonly live: Scan | null;
  readonly observation: Observation;
}

/** A pull where more than a quarter of the release is missing on the host and both artifact and release fit on its disk. */
export function planPull({ artifact, manifest, transfer, live, observation }: Pulling): Pull | null {
  if (artifact === null) return null;
  const missing = transfer.sendSize + transfer.send.length * MEMBER;
  const whole = totalSize(manifest) + manifest.length * MEMBER;
  if (missing * 4 <= whole) return null;
  const { freeBytes } = observation;
  if (freeBytes !== null && artifact + totalSize(manifest) + manifest.length * BLOCK > freeBytes) return null;
  const { copy, copySize } = planTransfer(manifest, null, live);
  return { size: artifact, copy, copySize };
}

/** What an entry costs in an archive, and what it may cost on a disk, beside its content. */
const MEMBER = 512;
const BLOCK = 4096;

/** How a slot is filled, in numbers. */
export interface Bringing {
  /** Entries. */
  readonly send: number;
  readonly copy: number;
  readonly remove: number;
  /** Bytes of content to send, and to copy on the host. */
  readonly sendSize: number;
  readonly copySize: number;
  /** Bytes of the artifact that the host fetches itself; 0: it gets what is sent. */
  readonly pullSize: number;
}

export function countBringing({ transfer, pull }: HostPart): Bringing {
  const remove = transfer?.remove.length ?? 0;
  if (pull !== null)
    return { send: 0, sendSize: 0, pullSize: pull.size, copy: pull.copy.length, copySize: pull.copySize, remove };
  return {
    send: transfer?.send.length ?? 0,
    sendSize: transfer?.sendSize ?? 0,
    pullSize: 0,
    copy: transfer?.copy.length ?? 0,
    copySize: transfer?.copySize ?? 0,
    remove,
  };
}
