import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const MAIN = join(import.meta.dirname, '../../dist/cli/main.js');

it('the demo tells its story over real SSH connections and leaves nothing behind', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
  const text = execFileSync(process.execPath, [MAIN, 'demo'], {
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: directory },
  });
  expect(text.match(/exit code \d/g)).toEqual([
    'exit code 0',
    'exit code 0',
    'exit code 1',
    'exit code 0',
    'exit code 0',
  ]);
  expect(text).toContain('demo4: site_l does not hold the release: 1 changed');
  expect(await readdir(directory)).toEqual([]);
  await rm(directory, { recursive: true });
});
