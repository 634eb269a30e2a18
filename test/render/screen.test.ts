import { describe, expect, test } from 'vitest';
import { createPaint } from '../../src/render/paint.ts';
import { createScreen, type Row } from '../../src/render/screen.ts';
import { openTerminal, type Terminal } from './terminal.ts';

const LONG = 'a row that is longer than any window should be';

function rows(...texts: string[]): Row[] {
  return texts.map(text => ({ tone: 'plain', text }));
}

function open(columns = 40, height = 20): { terminal: Terminal; screen: ReturnType<typeof createScreen> } {
  const terminal = openTerminal(columns, height);
  terminal.out.write('$ fleetflip\n');
  return { terminal, screen: createScreen(terminal.out, createPaint(false)) };
}

describe('a block', () => {
  test('is drawn over itself, whichever of its lines come and go', () => {
    const { terminal, screen } = open();
    for (const block of [
      ['head', 'a', 'b', 'c', 'last'],
      ['head', 'last'],
      ['head', 'a', 'last'],
      ['other', 'x'],
      ['other', 'x', 'y', 'z'],
    ]) {
      screen.draw(rows(...block));
      expect(terminal.lines()).toEqual(['$ fleetflip', ...block]);
    }
  });

  test('writes nothing when nothing is new', () => {
    const { terminal, screen } = open();
    screen.draw(rows('a', 'b'));
    const before = terminal.written();
    screen.draw(rows('a', 'b'));
    expect(terminal.written()).toBe(before);
  });

  test('stays below the lines that stay', () => {
    const { terminal, screen } = open();
    screen.draw(rows('one', 'two'));
    screen.persist(['a warning that is longer than the window is wide', 'another']);
    expect(terminal.lines()).toEqual([
      '$ fleetflip',
      'a warning that is longer than the window',
      ' is wide',
      'another',
      'one',
      'two',
    ]);
    screen.draw(rows('three'));
    expect(terminal.lines().slice(-2)).toEqual(['another', 'three']);
  });

  test('is cut to the window, which is wrapped anew when it gets narrower', () => {
    const { terminal, screen } = open();
    screen.draw(rows(LONG, 'short', 'gone'));
    expect(terminal.lines()[1]).toBe('a row that is longer than any window s…');
    for (const columns of [25, 12, 60]) {
      terminal.resize(columns, 20);
      screen.draw(rows(LONG, 'short'));
      const cut = LONG.slice(0, columns - 2);
      expect(terminal.lines()).toEqual(['$ fleetflip', columns === 60 ? cut : `${cut}…`, 'short']);
    }
  });

  test('is never higher than the window', () => {
    const { terminal, screen } = open(40, 3);
    screen.draw(rows('a', 'b', 'c', 'd'));
    expect(terminal.lines()).toEqual(['$ fleetflip', 'a', 'b']);
  });

  test('cannot be drawn on by what is shown in it', () => {
    const { terminal, screen } = open();
    screen.draw(rows('evil \x1b[2J\x1b]0;title\x07 \r\n text'));
    expect(terminal.lines()[1]).toBe('evil \\x1b[2J\\x1b]0;title\\x07 \\x0d\\x0a …');
  });

  test('goes away without a trace, or stays', () => {
    const { terminal, screen } = open();
    screen.draw(rows('a', 'b'));
    screen.clear();
    expect(terminal.lines()).toEqual(['$ fleetflip']);
    screen.draw(rows('c'));
    screen.done();
    screen.draw(rows('d'));
    expect(terminal.lines()).toEqual(['$ fleetflip', 'c', 'd']);
    screen.done();
  });
});

describe('the cursor', () => {
  test('is hidden while a block is drawn, and given back at its end', () => {
    const { terminal, screen } = open();
    const listeners = process.listenerCount('exit');
    screen.draw(rows('a'));
    expect(terminal.isCursorHidden()).toBe(true);
    expect(process.listenerCount('exit')).toBe(listeners + 1);
    screen.done();
    expect(terminal.isCursorHidden()).toBe(false);
    screen.draw(rows('b'));
    screen.clear();
    expect(terminal.isCursorHidden()).toBe(false);
    expect(process.listenerCount('exit')).toBe(listeners);
  });

  test('is not touched when nothing was drawn', () => {
    const { terminal, screen } = open();
    screen.clear();
    screen.done();
    expect(terminal.written()).toBe('$ fleetflip\n');
  });
});
