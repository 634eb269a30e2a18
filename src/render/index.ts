/** The views: each is a fold of the same events. */

import type { Emit } from '../ports.ts';
import { createLiveView, createWaitingView } from './live.ts';
import { createPaint, type Paint } from './paint.ts';
import { formatEvent } from './plain.ts';
import type { Output } from './screen.ts';

export { createLog, type Log } from './log.ts';
export { formatEnd } from './plain.ts';
export { describeHolders, formatHistory, formatPlan, formatStatus } from './reports.ts';

export interface View {
  readonly emit: Emit;
  /** Leaves the terminal to somebody else, such as a question, as long as the work lasts. */
  suspend<T>(work: () => Promise<T>): Promise<T>;
  /** Gives the terminal back. */
  end(): void;
}

export type ViewKind = 'tty' | 'plain' | 'json';

export interface ViewOptions {
  readonly kind: ViewKind;
  readonly out: Output;
  readonly command: string;
  /** The command's output is one report: its events are not shown. */
  readonly report: boolean;
}

export function createView({ kind, out, command, report }: ViewOptions): View {
  const paint = createPaint(out.isTTY === true && out.hasColors?.() === true);
  if (kind === 'tty') return (report ? createWaitingView : createLiveView)({ out, paint, command });
  return createWriter(report ? () => undefined : kind === 'json' ? writeJson(out) : writeLines(out, paint));
}

function writeJson(out: Output): Emit {
  return event => void out.write(`${JSON.stringify(event)}\n`);
}

function writeLines(out: Output, paint: Paint): Emit {
  return event => {
    for (const line of formatEvent(event, paint)) out.write(`${line}\n`);
  };
}

function createWriter(emit: Emit): View {
  return { emit, suspend: work => work(), end: () => undefined };
}
