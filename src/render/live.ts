/** Views that are drawn over themselves in a terminal. */

import type { FleetEvent } from '../domain/event.ts';
import { countHosts } from '../domain/report.ts';
import { formatRunning } from './format.ts';
import { drawFrame } from './frame.ts';
import type { View } from './index.ts';
import type { Paint } from './paint.ts';
import { formatEnd, formatEvent } from './plain.ts';
import { createScreen, type Output, type Row, type Screen } from './screen.ts';
import { foldEvent, newState } from './state.ts';

export interface LiveOptions {
  readonly out: Output;
  readonly paint: Paint;
  /** What is shown before the first event. */
  readonly command: string;
}

/** A frame at the bottom; what must not be missed stays above it, and the end stays below it. */
export function createLiveView({ out, paint, command }: LiveOptions): View {
  const screen = createScreen(out, paint);
  let state = newState(command, Date.now());
  const ticker = createTicker(screen, () => drawFrame(state, screen.size(), Date.now()));
  return {
    emit(event) {
      state = foldEvent(state, event);
      if (event.kind === 'result') {
        ticker.stop();
        screen.draw(drawFrame(state, screen.size(), Date.now()));
        screen.done();
        for (const line of formatEnd(event, paint)) out.write(`${line}\n`);
      } else if (mustStay(event)) screen.persist(formatEvent(event, paint));
    },
    suspend: ticker.suspend,
    end: ticker.clear,
  };
}

/** One line while hosts are read; it is gone when the report is printed. */
export function createWaitingView({ out, paint, command }: LiveOptions): View {
  const screen = createScreen(out, paint);
  const began = Date.now();
  let answered = 0;
  const ticker = createTicker(screen, () => [
    { tone: 'quiet', text: `${command}: ${countHosts(answered)} answered, ${formatRunning(Date.now() - began)}` },
  ]);
  return {
    emit(event) {
      if (event.kind === 'host-done') answered += 1;
    },
    suspend: ticker.suspend,
    end: ticker.clear,
  };
}

/** Failing hosts have their row, and are told again at the end. */
function mustStay(event: FleetEvent): boolean {
  if (event.kind === 'check-output') return event.exitCode !== 0;
  return event.kind === 'warning' || event.kind === 'recovery' || event.kind === 'interrupted';
}

interface Ticker {
  stop(): void;
  clear(): void;
  suspend<T>(work: () => Promise<T>): Promise<T>;
}

/** Draws again and again, because time passes and windows change their size without any event. */
function createTicker(screen: Screen, frame: () => readonly Row[]): Ticker {
  const draw = (): void => screen.draw(frame());
  const start = (): NodeJS.Timeout => setInterval(draw, 100).unref();
  let timer: NodeJS.Timeout | null = start();
  const stop = (): void => {
    if (timer !== null) clearInterval(timer);
    timer = null;
  };
  const clear = (): void => {
    if (timer !== null) screen.clear();
    stop();
  };
  return {
    stop,
    clear,
    async suspend(work) {
      const ticking = timer !== null;
      clear();
      try {
        return await work();
      } finally {
        if (ticking) timer = start();
      }
    },
  };
}
