/** The views: each is a fold of the same events. */

import { createLogUpdate } from 'log-update';
import { pino } from 'pino';
import type { FleetEvent } from '../domain/event.ts';
import type { Emit } from '../ports.ts';
import { drawFrame } from './frame.ts';
import { createPaint } from './paint.ts';
import { formatEnd, formatEvent } from './plain.ts';
import { EMPTY, foldEvent } from './state.ts';

export { formatHistory, formatPlan, formatStatus } from './reports.ts';

export interface View {
  readonly emit: Emit;
  /** Gives the terminal back. */
  end(): void;
}

export type ViewKind = 'tty' | 'plain' | 'json';

export function createView(kind: ViewKind, out: NodeJS.WriteStream): View {
  switch (kind) {
    case 'json':
      return { emit: event => void out.write(`${JSON.stringify(event)}\n`), end: () => undefined };
    case 'plain':
      return createLines(out);
    case 'tty':
      return createLiveView(out);
  }
}

/** Every event as a line of pino's JSON, written at once so that nothing is lost at the end. */
export function createLog(file: string): View {
  const destination = pino.destination({ dest: file, sync: true, append: true });
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return {
    emit(event) {
      const failed = event.kind === 'host-failed' || (event.kind === 'result' && event.exitCode !== 0);
      if (failed) log.error({ event }, event.kind);
      else log.info({ event }, event.kind);
    },
    end: () => destination.flushSync(),
  };
}

function createLines(out: NodeJS.WriteStream): View {
  const paint = createPaint(hasColor(out));
  return {
    emit(event) {
      for (const line of formatEvent(event, paint)) out.write(`${line}\n`);
    },
    end: () => undefined,
  };
}

/** A frame at the bottom that is redrawn; what must not be missed stays above it. */
function createLiveView(out: NodeJS.WriteStream): View {
  const paint = createPaint(hasColor(out));
  const redraw = createLogUpdate(out);
  let state = EMPTY;
  let timer: NodeJS.Timeout | null = null;
  const draw = (): void => {
    timer = null;
    redraw(drawFrame(state, { columns: out.columns, rows: out.rows }, Date.now(), paint));
  };
  const stop = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    redraw.done();
  };
  return {
    emit(event) {
      state = foldEvent(state, event);
      if (event.kind === 'result') {
        draw();
        stop();
        for (const line of formatEnd(event, paint)) out.write(`${line}\n`);
        return;
      }
      if (STAYING.includes(event.kind)) for (const line of formatEvent(event, paint)) redraw.persist(line);
      timer ??= setTimeout(draw, 100);
    },
    end: stop,
  };
}

const STAYING: readonly FleetEvent['kind'][] = ['check-output', 'host-failed', 'warning', 'interrupted'];

function hasColor(out: NodeJS.WriteStream): boolean {
  return out.isTTY === true && out.hasColors();
}
