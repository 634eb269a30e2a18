/** What a rejection says. */

import { type Failure, FleetflipError } from '../../src/domain/error.ts';

/** Why the promise was rejected; anything but a FleetflipError is thrown on. */
export async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  try {
    await promise;
  } catch (thrown) {
    if (thrown instanceof FleetflipError) return thrown.failure;
    throw thrown;
  }
  throw new Error('it did not fail');
}
