/**
 * Links that leave the release. Reading a target's text is not enough: `a/..` is not where it stands when `a` is a link
 * itself, so links of the release are followed as a kernel would.
 */

import type { ByteString } from '../domain/bytes.ts';
import type { Failure } from '../domain/error.ts';
import { REFUSALS } from './problems.ts';
import type { Found } from './source.ts';

/** As many links as Linux follows: beyond that, nobody gets anywhere. */
const MOST_LINKS = 40;

export function findEscapes(found: readonly Found[]): readonly Failure[] {
  const links = new Map(found.flatMap(entry => (entry.kind === 'link' ? [[entry.path, entry.target] as const] : [])));
  return [...links]
    .filter(([path, target]) => leavesByText(path, target) || leavesByLinks(path, links))
    .map(([path, target]) => REFUSALS.escapes(path, target));
}

/** Also what cannot be followed today, because something on the way is not there, must not point outside. */
function leavesByText(path: ByteString, target: ByteString): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return true;
  let depth = path.split('/').length - 1;
  for (const step of target.split('/')) {
    if (step === '' || step === '.') continue;
    depth += step === '..' ? -1 : 1;
    if (depth < 0) return true;
  }
  return false;
}

function leavesByLinks(path: ByteString, links: ReadonlyMap<ByteString, ByteString>): boolean {
  const steps = path.split('/').reverse();
  const at: string[] = [];
  for (let followed = 0; steps.length > 0; ) {
    const step = steps.pop() ?? '';
    if (step === '' || step === '.') continue;
    if (step === '..') {
      if (at.pop() === undefined) return true;
      continue;
    }
    const target = links.get([...at, step].join('/'));
    if (target === undefined) at.push(step);
    else if (target.startsWith('/')) return true;
    else if (++followed > MOST_LINKS) return false;
    else steps.push(...target.split('/').reverse());
  }
  return false;
}
