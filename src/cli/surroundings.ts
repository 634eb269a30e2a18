/** What surrounds every command that meets the fleet: inventory, view, log, signals, and errors before any contact. */

import { describeFailure, FleetflipError } from '../domain/error.ts';
import type { Command, FleetEvent, Result } from '../domain/event.ts';
import { type Fleet, loadInventory, type RunOptions } from '../index.ts';
import { createLog, createView, type View, type ViewKind } from '../render/index.ts';
import { watchSignals } from './signals.ts';

export interface CommonOptions {
  readonly inventory: string;
  readonly only?: string;
  readonly output?: ViewKind;
  readonly log?: string;
  readonly label?: string;
  readonly acceptDrift?: boolean;
  readonly force?: boolean;
  readonly allowGap?: boolean;
  readonly keep?: boolean;
}

/** How the output is shown when nobody says: live in a terminal, lines elsewhere. */
export function chooseView({ output }: CommonOptions): ViewKind {
  if (output !== undefined) return output;
  return process.stdout.isTTY && process.env.CI === undefined && process.env.TERM !== 'dumb' ? 'tty' : 'plain';
}

export interface Performance<T> {
  readonly command: Command;
  readonly options: CommonOptions;
  readonly work: (fleet: Fleet, run: RunOptions) => Promise<T>;
  /** Shows what the work gave and says the exit code. */
  readonly end: (value: T, kind: ViewKind) => number;
}

/** @returns the exit code; wrong inventories, releases and selections are 2 and shown in the chosen form. */
export async function withFleet<T>({ command, options, work, end }: Performance<T>): Promise<number> {
  const kind = chooseView(options);
  const view = createView(kind, process.stdout);
  const log = options.log === undefined ? null : createLog(options.log);
  const signals = watchSignals();
  const emit = (event: FleetEvent): void => {
    signals.observe(event);
    log?.emit(event);
    if (READING.includes(command)) return;
    view.emit(event);
  };
  try {
    const fleet = await loadInventory(options.inventory);
    const only = options.only === undefined ? {} : { only: options.only };
    const value = await work(fleet, { emit, signal: signals.signal, ...only });
    view.end();
    return end(value, kind);
  } catch (thrown) {
    view.end();
    return refuse(thrown, command, { kind, view });
  } finally {
    signals.end();
    log?.end();
  }
}

/** Commands whose output is one report. */
const READING: readonly Command[] = ['status', 'plan', 'history'];

function refuse(thrown: unknown, command: Command, { kind, view }: { kind: ViewKind; view: View }): number {
  if (!(thrown instanceof FleetflipError)) throw thrown;
  if (kind === 'json') view.emit(invalidResult(thrown, command));
  else process.stderr.write(`${thrown.failures.map(describeFailure).join('\n')}\nNo host was contacted.\n`);
  return 2;
}

function invalidResult(error: FleetflipError, command: Command): Result {
  return {
    v: 1,
    time: new Date().toISOString(),
    kind: 'result',
    command,
    outcome: 'invalid',
    exitCode: 2,
    deployment: '',
    release: null,
    label: '',
    flip: { skewMs: null, errorMs: null },
    fleetSplit: false,
    hosts: [],
    errors: error.failures,
  };
}
