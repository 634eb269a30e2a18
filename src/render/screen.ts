/**
 * A block of lines at the bottom of a terminal that is drawn over itself. Own code, because the kept libraries lose their
 * place when lines between equal ones go away, and do not count the lines that a narrower window has wrapped.
 */

import type { Paint, Tone } from './paint.ts';
import { cut, makeSafe, measure } from './text.ts';

/** What the views write to: `process.stdout`, or anything like it. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  hasColors?(): boolean;
}

export interface Row {
  readonly tone: Tone;
  readonly text: string;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Screen {
  /** What the window is now; a terminal that does not know is taken for a common one. */
  size(): Size;
  /** Replaces the block. Rows are made safe and cut to the window; what is more than the window holds is left out. */
  draw(rows: readonly Row[]): void;
  /** Writes lines that stay, above the block. */
  persist(lines: readonly string[]): void;
  /** Takes the block away and gives the cursor back. */
  clear(): void;
  /** Leaves the block where it is and gives the cursor back. */
  done(): void;
}

const HIDE = '\x1b[?25l';
const SHOW = '\x1b[?25h';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

export function createScreen(out: Output, paint: Paint): Screen {
  let shown: readonly Row[] = [];
  let last = '';
  let hidden = false;

  const size = (): Size => ({ columns: out.columns || 80, rows: out.rows || 24 });
  const give = (): void => void out.write(SHOW);

  /** The cursor is in the line below the block; lines that were drawn in a wider window are wrapped now. */
  function goUp(): string {
    const { columns } = size();
    const lines = shown.reduce((sum, { text }) => sum + Math.max(1, Math.ceil(measure(text) / columns)), 0);
    return lines === 0 ? '' : `\x1b[${lines}A\r`;
  }

  function replace(rows: readonly Row[], before = ''): void {
    const lines = rows.map(({ tone, text }) => `${paint(tone, text)}${CLEAR_LINE}\n`).join('');
    out.write(`${hidden ? '' : HIDE}${goUp()}${before}${lines}${CLEAR_BELOW}`);
    if (!hidden) process.once('exit', give);
    hidden = true;
    shown = rows;
  }

  function release(): void {
    if (hidden) give();
    process.off('exit', give);
    hidden = false;
    shown = [];
    last = '';
  }

  return {
    size,
    draw(rows) {
      const { columns, rows: height } = size();
      const fitting = rows
        .slice(0, Math.max(1, height - 1))
        .map(({ tone, text }) => ({ tone, text: cut(makeSafe(text), Math.max(1, columns - 1)) }));
      const frame = JSON.stringify([columns, height, fitting]);
      if (frame !== last) replace(fitting);
      last = frame;
    },
    persist(lines) {
      replace(shown, lines.map(line => `${line}${CLEAR_LINE}\n`).join(''));
    },
    clear() {
      if (shown.length > 0) out.write(`${goUp()}${CLEAR_BELOW}`);
      release();
    },
    done: release,
  };
}
