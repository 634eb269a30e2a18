/** Text that a terminal can be trusted with: nothing in it moves the cursor, and its width is known. */

import { fromText, show } from '../domain/bytes.ts';

/** Control characters, line breaks and direction marks as `\xNN`: a host's text cannot draw on the screen. */
export function makeSafe(text: string): string {
  return show(fromText(text));
}

/** Columns that safe text takes. */
export function measure(text: string): number {
  let columns = 0;
  for (const character of text) columns += widthOf(character);
  return columns;
}

/** The beginning that fits, with a mark where something was cut off. */
export function cut(text: string, columns: number): string {
  if (measure(text) <= columns) return text;
  let kept = '';
  let used = 0;
  for (const character of text) {
    used += widthOf(character);
    if (used > columns - 1) break;
    kept += character;
  }
  return columns < 1 ? '' : `${kept}…`;
}

export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - measure(text)));
}

const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|^\p{Emoji_Presentation}/u;

function widthOf(character: string): number {
  if (character < '\u0300') return 1;
  if (/^\p{M}/u.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
