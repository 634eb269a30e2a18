/** What an interrupted deployment left, and what settles it: decided over the participants in the hosts' records. */

import { type DeploymentRecord, type DeploymentState, findConflicts, isSettled, type Observation } from './slot.ts';

export type Remedy = 'confirm' | 'forward' | 'revert';

export interface Settlement {
  readonly deployment: string;
  readonly decider: string;
  /** Null: nothing may be decided from what is seen. */
  readonly decision: 'commit' | 'revert' | null;
  /** How the deployment stands on each participant that was read and knows of it. */
  readonly states: ReadonlyMap<string, DeploymentState>;
  /** Hosts to be given the remedy, the decider first when it is among them. */
  readonly steps: readonly { readonly host: string; readonly remedy: Remedy }[];
  /** Participants of whom nothing was read. */
  readonly unseen: readonly string[];
}

/**
 * @param observations of every host that was read, by name
 * @param decidedBefore what the histories of deciders say of deployments that their records no longer hold
 */
export function planRecovery(
  observations: ReadonlyMap<string, Observation>,
  decidedBefore: ReadonlyMap<string, string>,
): readonly Settlement[] {
  const conflicts = findConflicts(observations.values());
  const open = new Map<string, DeploymentRecord>();
  for (const observation of observations.values()) {
    const { deployment, host } = observation;
    if (deployment === null || (isSettled(observation) && !conflicts.has(host))) continue;
    // A torn record names nobody: any other that speaks of the same deployment is better.
    if (!open.has(deployment.deployment) || deployment.state !== 'torn') open.set(deployment.deployment, deployment);
  }
  return [...open.values()].map(run => settle(run, observations, decidedBefore));
}

/** Participants of deployments that are not settled, as the records name them. */
export function findParticipants(observations: ReadonlyMap<string, Observation>): ReadonlySet<string> {
  const all = [...observations.values()].flatMap(({ deployment }) => deployment?.participants ?? []);
  return new Set(all);
}

function settle(
  run: DeploymentRecord,
  observations: ReadonlyMap<string, Observation>,
  decidedBefore: ReadonlyMap<string, string>,
): Settlement {
  const { deployment, decider, participants } = run;
  const states = new Map<string, DeploymentState>();
  for (const [host, observation] of observations)
    if (observation.deployment?.deployment === deployment) states.set(host, observation.deployment.state);
  const unseen = participants.filter(host => !observations.has(host));
  const decision = decideFrom([...states.values()], observations.has(decider), decidedBefore.get(deployment));
  const steps = [...states].flatMap(([host, state]) => {
    const remedy = decision === 'commit' ? toCommit(state) : decision === 'revert' ? toRevert(state) : null;
    return remedy === null ? [] : [{ host, remedy }];
  });
  steps.sort((one, other) => Number(other.host === decider) - Number(one.host === decider));
  return { deployment, decider, decision, states, steps, unseen };
}

/** A commit that anybody has seen stands. Without one, the decider's silence decides nothing. */
function decideFrom(
  states: readonly DeploymentState[],
  deciderSeen: boolean,
  before: string | undefined,
): Settlement['decision'] {
  if (states.includes('confirmed') || states.includes('forwarding') || before === 'committed') return 'commit';
  return deciderSeen ? 'revert' : null;
}

function toCommit(state: DeploymentState): Remedy | null {
  if (state === 'confirmed' || state === 'torn') return null;
  return state === 'flipped' ? 'confirm' : 'forward';
}

function toRevert(state: DeploymentState): Remedy | null {
  return state === 'armed' || state === 'flipped' || state === 'reverting' ? 'revert' : null;
}
