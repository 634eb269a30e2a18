/** The commands that run the two-phase machine: deploy, stage, flip, rollback. */

import type { HostResult, Result } from '../domain/event.ts';
import type { Fleet } from '../domain/fleet.ts';
import type { Aim } from '../domain/plan.ts';
import type { Release } from '../release/index.ts';
import type { Context, RunOptions } from './context.ts';
import { prepare } from './prepare.ts';
import { finish, hostResult, plainResult } from './result.ts';
import { runTransaction } from './run.ts';
import { loadWanted, sizeToPull, warnOf } from './source.ts';

export interface ReleaseOptions extends RunOptions {
  /** For people. Default: what git describes. */
  readonly label?: string;
  /** Where a relative release is looked for. Default: the working directory. */
  readonly cwd?: string;
}

/**
 * Both phases: stages the release on every host, and flips all links when every host has proven it.
 * @param source a directory, a `.tar`, `.tar.gz` or `.tgz` file, an http or https URL, or `git:REF`; null: the `source` of the
 * inventory. What is at a URL is fetched by the hosts themselves where most of it is missing there
 * @throws FleetflipError kind `refused` when release or selection is not usable; then no host was contacted.
 * What happens on hosts is in the result, never thrown.
 */
export function deploy(fleet: Fleet, source: string | null, options: ReleaseOptions = {}): Promise<Result> {
  return withRelease('deploy', fleet, source, options);
}

/** Phase one alone. Takes and throws what `deploy` does. */
export function stage(fleet: Fleet, source: string | null, options: ReleaseOptions = {}): Promise<Result> {
  return withRelease('stage', fleet, source, options);
}

export interface FlipOptions extends RunOptions {
  /** A release id, the beginning of one, or a label. Default: whatever is staged. */
  readonly release?: string;
}

/** Phase two alone, on what is staged. Throws FleetflipError only when `only` matches nothing. */
export async function flip(fleet: Fleet, options: FlipOptions = {}): Promise<Result> {
  const context = await prepare('flip', fleet, options);
  return run(context, { kind: 'flip', release: options.release ?? null }, null);
}

export interface RollbackOptions extends RunOptions {
  /** Flip back even if files of the release before were changed or are missing. */
  readonly acceptDrift?: boolean;
}

/** Flips every host back to the release that was live before. Throws FleetflipError only when `only` matches nothing. */
export async function rollback(fleet: Fleet, options: RollbackOptions = {}): Promise<Result> {
  const context = await prepare('rollback', fleet, options);
  return run(context, { kind: 'rollback', acceptDrift: options.acceptDrift ?? false }, null);
}

async function withRelease(
  kind: 'deploy' | 'stage',
  fleet: Fleet,
  source: string | null,
  options: ReleaseOptions,
): Promise<Result> {
  const context = await prepare(kind, fleet, options);
  const wanted = { named: source, label: options.label, cwd: options.cwd };
  const release = await loadWanted(context, wanted).catch(thrown => endInterrupted(context, thrown));
  if (release === null) return plainResult(context, { outcome: 'unchanged', hosts: untouched(context) });
  try {
    warnOf(release, context);
    const { id, label, manifest } = release;
    return await run(context, { kind, release: id, label, manifest, artifact: sizeToPull(release) }, release);
  } finally {
    await release.close();
  }
}

/** An interrupt is no error, also while the release is read. */
function endInterrupted({ signal }: Context, thrown: unknown): null {
  if (signal.aborted && thrown === signal.reason) return null;
  throw thrown;
}

function untouched({ hosts }: Context): readonly HostResult[] {
  return hosts.map(({ name }) => hostResult(name, 'unchanged'));
}

async function run(context: Context, aim: Aim, release: Release | null): Promise<Result> {
  const { command, deployment, fleet, hosts, emit } = context;
  const names = hosts.map(host => host.name);
  emit({
    kind: 'run-started',
    command,
    deployment,
    app: fleet.app.name,
    hosts: names,
    release: release?.id ?? null,
    label: release?.label ?? '',
  });
  return finish(context, await runTransaction({ context, aim, release }));
}
