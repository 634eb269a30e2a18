/** A small release: ten pages of 9 KB. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** @param directory is made */
export async function writePages(directory: string): Promise<void> {
  await mkdir(directory);
  for (let at = 0; at < 10; at++) await writeFile(join(directory, `page-${at}.html`), `page ${at} `.repeat(1_000));
}
