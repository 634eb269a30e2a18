/** What an interrupted deployment left, and what settles it: decided over the participants in the hosts' records. */

import { type DeploymentRecord, isSettled, type Observation } from './slot.ts';

export type Remedy = 'confirm' | 'forward' | 'revert';

export interface Settlement {
  readonly deployment: string;
  readonly decider: string;
  /** Hosts to be given the remedy, the decider first when it is among them. */
  readonly steps: readonly { readonly host: string; readonly remedy: Remedy }[];
  /** Participants of whom nothing was read. */
  readonly unseen: readonly string[];
  /** Why nothing may be done; null when the steps may be taken. */
  readonly stuck: string | null;
}

/**
 * @param observations of every host that was read, by name
 * @param decidedBefore what the history of a decider says of deployments that its record no longer holds
 */
export function planRecovery(
  observations: ReadonlyMap<string, Observation>,
  decidedBefore: ReadonlyMap<string, string>,
): readonly Settlement[] {
  const open = new Map<string, DeploymentRecord>();
  for (const observation of observations.values())
    if (!isSettled(observation) && observation.deployment !== null)
      open.set(observation.deployment.deployment, observation.deployment);
  return [...open.values()].map(run => settle(run, observations, decidedBefore));
}

function settle(
  run: DeploymentRecord,
  observations: ReadonlyMap<string, Observation>,
  decidedBefore: ReadonlyMap<string, string>,
): Settlement {
  const { deployment, decider, participants } = run;
  const states = new Map<string, DeploymentRecord['state']>();
  for (const [host, observation] of observations)
    if (observation.deployment?.deployment === deployment) states.set(host, observation.deployment.state);
  const unseen = participants.filter(host => !observations.has(host));
  const committed = [...states.values()].includes('confirmed') || decidedBefore.get(deployment) === 'committed';
  if (!committed && !observations.has(decider)) {
    const stuck = `the decider ${decider} cannot be read, and no host is seen confirmed`;
    return { deployment, decider, steps: [], unseen, stuck };
  }
  const steps = [...states].flatMap(([host, state]) => {
    const remedy = committed ? toCommit(state) : toRevert(state);
    return remedy === null ? [] : [{ host, remedy }];
  });
  steps.sort((one, other) => Number(other.host === decider) - Number(one.host === decider));
  return { deployment, decider, steps, unseen, stuck: null };
}

function toCommit(state: DeploymentRecord['state']): Remedy | null {
  if (state === 'confirmed') return null;
  return state === 'flipped' ? 'confirm' : 'forward';
}

function toRevert(state: DeploymentRecord['state']): Remedy | null {
  return state === 'armed' || state === 'flipped' ? 'revert' : null;
}
