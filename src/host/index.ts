/** The host side, as the engine uses it. */

export { loadAgent } from './agent.ts';
export type { AgentSource } from './prelude.ts';
export { recordDirectory } from './record.ts';
export type { ManifestCache } from './scans.ts';
export { openSession, type SessionOptions } from './session.ts';
