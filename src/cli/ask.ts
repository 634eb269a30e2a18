/** Questions to the person at the terminal. */

import { createInterface } from 'node:readline';

/**
 * @param interrupt called for Ctrl-C, which is no signal while a question is asked
 * @returns false where there is nobody to ask, and when the question is left without an answer
 */
export function askYes(question: string, interrupt: () => void): Promise<boolean> {
  if (!process.stdin.isTTY) {
    process.stderr.write(`${question}\nThere is no terminal to ask.\n`);
    return Promise.resolve(false);
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise(resolve => {
    let answered = false;
    let yes = false;
    prompt.once('SIGINT', () => {
      interrupt();
      prompt.close();
    });
    prompt.once('close', () => {
      if (!answered) process.stderr.write('\n');
      resolve(yes);
    });
    prompt.question(`${question} [y/N] `, answer => {
      answered = true;
      yes = /^y(es)?$/i.test(answer.trim());
      prompt.close();
    });
  });
}
