/** Colour, or none: views ask for a tone, never for a code. */

import { styleText } from 'node:util';

export type Tone = 'plain' | 'strong' | 'quiet' | 'good' | 'warn' | 'bad';

export type Paint = (tone: Tone, text: string) => string;

const STYLES = { strong: 'bold', quiet: 'dim', good: 'green', warn: 'yellow', bad: 'red' } as const;

/** The stream was asked already whether it has colours, so `styleText` is told not to ask again. */
export function createPaint(color: boolean): Paint {
  return (tone, text) =>
    !color || tone === 'plain' || text === '' ? text : styleText(STYLES[tone], text, { validateStream: false });
}

/** The tone of a run's end. */
export function toneOfExit(exitCode: number): Tone {
  if (exitCode === 0) return 'good';
  return exitCode === 2 || exitCode === 4 ? 'bad' : 'warn';
}
