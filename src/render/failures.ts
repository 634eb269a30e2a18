/** Failures as lines: hosts that failed alike are named together, so that a cause stands there once. */

import { describeFailure, type Failure } from '../domain/error.ts';
import { makeSafe } from './text.ts';

export function describeFailures(failures: readonly Failure[]): readonly string[] {
  const groups = new Map<string, { readonly first: Failure; readonly hosts: string[] }>();
  for (const failure of failures) {
    const key = JSON.stringify([failure.host === undefined, failure.code, failure.what, failure.hint]);
    const group = groups.get(key) ?? { first: failure, hosts: [] };
    if (failure.host !== undefined) group.hosts.push(failure.host);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ first, hosts }) =>
    makeSafe(describeFailure(hosts.length === 0 ? first : { ...first, host: hosts.join(', ') })),
  );
}
