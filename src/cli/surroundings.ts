/** What surrounds every command that meets the fleet: inventory, view, log, signals, and every way in which it may end. */

import { type Failure, FleetflipError } from '../domain/error.ts';
import type { Command, FleetEvent, Result } from '../domain/event.ts';
import { type Fleet, loadInventory, type RunOptions } from '../index.ts';
import { explainDuration, parseDuration } from '../inventory/index.ts';
import { createLog, createView, formatEnd, type Log, type View, type ViewKind } from '../render/index.ts';
import { askYes } from './ask.ts';
import { type Signals, watchSignals } from './signals.ts';
import { createWitness, type Witness } from './witness.ts';

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
  readonly wait?: string;
  readonly to?: string;
}

/** How the output is shown when nobody says: live in a terminal, lines elsewhere. */
export function chooseView({ output }: Pick<CommonOptions, 'output'>): ViewKind {
  if (output !== undefined) return output;
  const { CI = '', TERM } = process.env;
  return process.stdout.isTTY && (CI === '' || CI === 'false') && TERM !== 'dumb' ? 'tty' : 'plain';
}

export type Ask = (question: string) => Promise<boolean>;

export interface Performance<T> {
  readonly command: Command;
  readonly options: CommonOptions;
  readonly work: (fleet: Fleet, run: RunOptions, ask: Ask) => Promise<T>;
  /** Shows what the work gave and says the exit code. */
  readonly end: (value: T, kind: ViewKind) => number;
}

/** @returns the exit code; wrong inventories, releases and selections are 2 and shown in the chosen form. */
export async function withFleet<T>({ command, options, work, end }: Performance<T>): Promise<number> {
  const kind = chooseView(options);
  const stage = setStage(command, kind);
  try {
    stage.openLog(options.log);
    const fleet = await loadInventory(options.inventory);
    const only = options.only === undefined ? {} : { only: options.only };
    const wait = options.wait === undefined ? {} : { wait: readWait(options.wait) };
    const { emit, signals, view } = stage;
    const ask: Ask = question => view.suspend(() => askYes(question, signals.interrupt));
    const value = await work(fleet, { emit, signal: signals.signal, ...only, ...wait }, ask);
    view.end();
    return end(value, kind);
  } catch (thrown) {
    return stage.fail(thrown);
  } finally {
    stage.end();
  }
}

/** Commands whose output is one report. */
const READING: readonly Command[] = ['status', 'plan', 'history'];

interface Stage {
  readonly view: View;
  readonly signals: Signals;
  readonly emit: (event: FleetEvent) => void;
  /** @throws FleetflipError `LOG_NOT_WRITABLE` */
  openLog(file: string | undefined): void;
  /** Tells what was thrown and gives the exit code. */
  fail(thrown: unknown): number;
  end(): void;
}

function setStage(command: Command, kind: ViewKind): Stage {
  const view = createView({ kind, out: process.stdout, command, report: READING.includes(command) });
  const witness = createWitness(command);
  let log: Log | null = null;

  const conclude = (result: Result): number => {
    view.end();
    const told = witness.result();
    if (told !== null) return told.exitCode;
    log?.emit(result);
    announce(result, kind);
    return result.exitCode;
  };
  const signals = watchSignals(() => process.exit(conclude(witness.breakOff(LEFT))));
  const fail = (thrown: unknown): number => conclude(explain(thrown, witness, signals.signal));
  const crash = (thrown: unknown): never => process.exit(fail(thrown));
  process.once('uncaughtException', crash);

  return {
    view,
    signals,
    emit(event) {
      witness.observe(event);
      log?.emit(event);
      ignoringFullDisks(() => view.emit(event));
    },
    openLog(file) {
      if (file !== undefined) log = openLog(file);
    },
    fail,
    end() {
      signals.end();
      process.off('uncaughtException', crash);
      log?.end();
    },
  };
}

const INTERRUPTED = { code: 'INTERRUPTED', what: 'the run was interrupted' } as const;
const LEFT = { code: 'LEFT_AT_ONCE', what: 'the run was left at once, as a second signal asked' } as const;

function openLog(file: string): Log {
  const onError = ({ message }: Error): void => {
    process.stderr.write(`fleetflip: the log ${file} ends here: ${message}. The run goes on.\n`);
  };
  try {
    return createLog(file, onError);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new FleetflipError(
      refuse('LOG_NOT_WRITABLE', `the log ${file} cannot be written: ${why}`, 'Name another file'),
    );
  }
}

/** @throws FleetflipError `USAGE` */
function readWait(text: string): number {
  const mistake = explainDuration(text, { least: '1s', most: '24h' });
  if (mistake === null) return parseDuration(text) ?? 0;
  throw new FleetflipError(refuse('USAGE', `--wait ${text}: ${mistake[0]}`, mistake[1]));
}

export function refuse(code: string, what: string, hint: string): Failure {
  return { kind: 'refused', code, phase: 'prepare', what, hint };
}

/** A refusal before any contact is the user's to mend; whatever else is thrown is a defect. */
function explain(thrown: unknown, witness: Witness, { aborted, reason }: AbortSignal): Result {
  if (thrown instanceof FleetflipError && !witness.wasContacted()) return witness.refuse(thrown.failures);
  if (aborted && thrown === reason) return witness.breakOff(INTERRUPTED);
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  process.stderr.write(`fleetflip: this is a defect, please report it:\n${error.stack ?? error.message}\n`);
  return witness.breakOff({ code: 'INTERNAL', what: `an internal error ended the run: ${error.message}` });
}

/** The end of a run that has none of its own. */
export function announce(result: Result, kind: ViewKind): void {
  if (kind === 'json') process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stderr.write(`${formatEnd(result).join('\n')}\n`);
}

/** A run must not break in the middle because nobody can read about it. */
function ignoringFullDisks(write: () => void): void {
  try {
    write();
  } catch (thrown) {
    if (!(thrown instanceof Error && 'syscall' in thrown)) throw thrown;
  }
}
