/**
 * The library: what the commands do, without the terminal. Nothing here prints or exits. What happens on hosts is in the
 * results; what is thrown (FleetflipError) happened before any host was contacted.
 */

export type { ArtifactSource } from './domain/artifact.ts';
export { describeFailure, type Failure, type FailureKind, FleetflipError, type Phase } from './domain/error.ts';
export type { Command, FleetEvent, HostOutcome, HostResult, Outcome, Result } from './domain/event.ts';
export type { App, Checks, CommandCheck, Fleet, Host, JumpHost, SshSettings, Strategy } from './domain/fleet.ts';
export { lastSentence } from './domain/report.ts';
export type { Drift, LockHolder, SlotRole, SlotState } from './domain/slot.ts';
export type { HistoryReport, HistoryRun, HostPlan, HostStatus, PlanReport, StatusReport } from './domain/status.ts';
export type { RunOptions } from './engine/context.ts';
export {
  deploy,
  type FlipOptions,
  flip,
  type ReleaseOptions,
  type RollbackOptions,
  rollback,
  stage,
} from './engine/deploy.ts';
export { type PackOptions, type PackResult, pack } from './engine/pack.ts';
export { recover } from './engine/recover.ts';
export { check, history, plan, status } from './engine/status.ts';
export { type AdoptOptions, adopt, type HeldLock, type UnlockOptions, unlock } from './engine/upkeep.ts';
export { inventoryTemplate, type LoadOptions, loadInventory } from './inventory/index.ts';
export type { Channel, Clock, Connection, Connector, Emit, Exit } from './ports.ts';
