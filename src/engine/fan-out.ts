/** The one place where many hosts are worked on at a time. */

import pMap from 'p-map';
import { type Failure, type Phase, toFailure } from '../domain/error.ts';
import type { Host } from '../domain/fleet.ts';

export type Answer<T> =
  | { readonly host: Host; readonly ok: true; readonly value: T }
  | { readonly host: Host; readonly ok: false; readonly failure: Failure };

export interface FanOut<T> {
  readonly hosts: readonly Host[];
  readonly phase: Phase;
  /** Hosts worked on at a time. */
  readonly concurrency: number;
  readonly work: (host: Host) => Promise<T>;
}

/** Works on every host, whatever the others do; a failure is a value with the host's name in it. */
export async function fanOut<T>({ hosts, phase, concurrency, work }: FanOut<T>): Promise<readonly Answer<T>[]> {
  const one = async (host: Host): Promise<Answer<T>> => {
    try {
      return { host, ok: true, value: await work(host) };
    } catch (thrown) {
      return { host, ok: false, failure: toFailure(thrown, { phase, host: host.name }) };
    }
  };
  return pMap(hosts, one, { concurrency: Math.max(1, concurrency) });
}
