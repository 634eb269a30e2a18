import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import * as running from './running.ts';

// Processes start slowly on a machine that is busy with other tests.
vi.setConfig({ testTimeout: 120_000 });

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

function run(...args: string[]): Promise<running.Ran> {
  return running.run(cwd, ...args);
}

describe('the command', () => {
  it('ends with 2 and a suggestion on wrong usage', async () => {
    expect(await run('deply', 'x')).toMatchObject({ code: 2, stderr: expect.stringContaining('Did you mean deploy?') });
    expect(await run('pack')).toMatchObject({ code: 2, stderr: expect.stringContaining('release') });
    expect(await run('status', '--outputt', 'json')).toMatchObject({ code: 2 });
  });

  it('shows the exit codes in its help', async () => {
    expect(await run('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('Exit codes: 0 as asked') });
  });

  it('shows two examples of every command in its help', async () => {
    for (const { name, examples } of COMMANDS) {
      const { code, stdout } = await run('help', name);
      expect(code).toBe(0);
      for (const example of examples) {
        expect(example).toMatch(new RegExp(`^fleetflip ${name}( |$)`));
        expect(stdout).toContain(`$ ${example}\n`);
      }
    }
  });

  it('ends with 2 where there is no inventory, in words and in JSON', async () => {
    expect(await run('status')).toMatchObject({ code: 2, stderr: expect.stringContaining('INVENTORY_NOT_FOUND') });
    const { code, stdout } = await run('deploy', '.', '--output', 'json');
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      v: 1,
      kind: 'result',
      outcome: 'invalid',
      exitCode: 2,
      errors: [{ code: 'INVENTORY_NOT_FOUND' }],
    });
  });

  it('ends with 2 where neither the command nor the inventory names a release', async () => {
    await writeFile(join(cwd, 'inventory.yaml'), 'app: {name: foo, root: /tmp}\nhosts: [web01]\n');
    for (const command of ['deploy', 'stage', 'plan'])
      expect(await run(command)).toMatchObject({ code: 2, stderr: expect.stringContaining('no release is named') });
    // An empty variable of a script is no release, and does not mean the source either.
    await appendFile(join(cwd, 'inventory.yaml'), 'source: {url: "http://127.0.0.1/x"}\n');
    expect(await run('deploy', '')).toMatchObject({ code: 2, stderr: expect.stringContaining('no release is named') });
  });

  it('packs a release, in words and in JSON', async () => {
    await writeFile(join(cwd, 'index.html'), 'x');
    const packed = await run('pack', '.', '--to', join(cwd, 'a.tgz'), '--output', 'json', '--label', 'v1');
    expect(packed).toMatchObject({ code: 0, stderr: '' });
    const [result = {}] = packed.json();
    expect(result).toMatchObject({ v: 1, kind: 'result', command: 'pack', outcome: 'done', exitCode: 0, label: 'v1' });
    const id = String(result.release);
    expect(await readFile(join(cwd, 'a.tgz.id'), 'utf8')).toBe(`${id}\n`);
    await rm(join(cwd, 'a.tgz'));
    await rm(join(cwd, 'a.tgz.id'));
    expect((await run('pack', '.')).stdout).toMatch(
      new RegExp(`^${id}\nrelease-\\w{12}\\.tar\\.gz: \\d+ bytes, sha256 `),
    );
    const refused = await run('pack', 'nothing', '--output', 'json');
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.json()).toMatchObject([
      { outcome: 'invalid', exitCode: 2, errors: [{ code: 'RELEASE_NOT_FOUND' }] },
    ]);
  });

  it('writes an inventory once, and touches none that is there', async () => {
    expect(await run('init')).toMatchObject({ code: 0 });
    await writeFile(join(cwd, 'inventory.yaml'), 'mine');
    expect(await run('init')).toMatchObject({ code: 2 });
    expect(await readFile(join(cwd, 'inventory.yaml'), 'utf8')).toBe('mine');
  });

  it('ends with 1 and names the host when nothing listens, as JSON lines that end in the result', async () => {
    await writeFile(join(cwd, 'index.html'), 'x');
    await writeFile(
      join(cwd, 'inventory.yaml'),
      'app: {name: foo, root: /tmp}\nssh: {user: nobody}\nhosts: [{name: web01, address: 127.0.0.1, port: 1}]\n',
    );
    const { code, stdout } = await run('deploy', '.', '--output', 'json', '--log', 'run.log');
    const lines = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(code).toBe(1);
    expect(lines.at(-1)).toMatchObject({
      kind: 'result',
      outcome: 'unchanged',
      hosts: [{ name: 'web01', outcome: 'failed', error: { code: 'CONNECTION_REFUSED', phase: 'connect' } }],
    });
    expect((await readFile(join(cwd, 'run.log'), 'utf8')).trim().split('\n')).toHaveLength(lines.length);
  });
});
