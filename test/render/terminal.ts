/** A terminal in memory, as far as the views use one: it wraps, moves up, erases, and wraps anew when its width changes. */

import type { Output } from '../../src/render/screen.ts';

export interface Terminal {
  /** For whoever writes to a terminal. */
  readonly out: Output;
  /** What can be seen, without blanks at the ends. */
  lines(): string[];
  /** What was written, escapes and all. */
  written(): string;
  isCursorHidden(): boolean;
  resize(columns: number, rows: number): void;
}

interface Line {
  text: string;
  /** It goes on in the next one. */
  wraps: boolean;
}

export function openTerminal(columns: number, rows: number, colors = false): Terminal {
  let lines: Line[] = [{ text: '', wraps: false }];
  let at = { row: 0, column: 0 };
  let hidden = false;
  let all = '';

  const line = (): Line => {
    while (lines.length <= at.row) lines.push({ text: '', wraps: false });
    return lines[at.row] ?? { text: '', wraps: false };
  };
  const put = (character: string): void => {
    if (at.column === size.columns) {
      line().wraps = true;
      at = { row: at.row + 1, column: 0 };
    }
    const current = line();
    current.text = current.text.padEnd(at.column).slice(0, at.column) + character + current.text.slice(at.column + 1);
    at.column += 1;
  };
  const obey = (count: string, command: string): void => {
    if (command === 'A') at.row = Math.max(0, at.row - Number(count || 1));
    else if (command === 'K' || command === 'J') line().text = line().text.slice(0, at.column);
    else if (command !== 'm') throw new Error(`the terminal does not know ${JSON.stringify(command)}`);
    if (command === 'K' || command === 'J') line().wraps = false;
    if (command === 'J') lines = lines.slice(0, at.row + 1);
  };
  const write = (text: string): boolean => {
    all += text;
    for (const [, cursor, count = '', command, character = ''] of text.matchAll(TOKEN)) {
      if (cursor !== undefined) hidden = cursor === 'l';
      else if (command !== undefined) obey(count, command);
      else if (character === '\n') at = { row: at.row + 1, column: 0 };
      else if (character === '\r') at.column = 0;
      else put(character);
      line();
    }
    return true;
  };

  const size = { columns, rows };
  return {
    out: {
      write,
      isTTY: true,
      hasColors: () => colors,
      get columns() {
        return size.columns;
      },
      get rows() {
        return size.rows;
      },
    },
    lines: () => trimEnd(lines.map(({ text }) => text.trimEnd())),
    written: () => all,
    isCursorHidden: () => hidden,
    resize(width, height) {
      const whole = lines.reduce<string[]>((texts, { text }, index) => {
        if (lines[index - 1]?.wraps) texts.push((texts.pop() ?? '') + text);
        else texts.push(text);
        return texts;
      }, []);
      lines = whole.flatMap(text => rewrap(text, width));
      at = { row: lines.length - 1, column: 0 };
      Object.assign(size, { columns: width, rows: height });
    },
  };
}

const TOKEN = /\x1b\[\?25([lh])|\x1b\[(\d*)(?:;\d+)*([A-Za-z])|([^\x1b])/gsu;

function rewrap(text: string, width: number): Line[] {
  const count = Math.max(1, Math.ceil(text.length / width));
  return Array.from({ length: count }, (_, part) => {
    return { text: text.slice(part * width, (part + 1) * width), wraps: part < count - 1 };
  });
}

function trimEnd(texts: string[]): string[] {
  return texts.slice(0, texts.findLastIndex(text => text !== '') + 1);
}
