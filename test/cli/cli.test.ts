import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const MAIN = join(import.meta.dirname, '../../dist/cli/main.js');
let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { cwd, encoding: 'utf8', env: { ...process.env, CI: '1' } });
}

describe('the command', () => {
  it('ends with 2 and a suggestion on wrong usage', () => {
    expect(run('deply', 'x')).toMatchObject({ status: 2, stderr: expect.stringContaining('Did you mean deploy?') });
    expect(run('deploy')).toMatchObject({ status: 2, stderr: expect.stringContaining('release') });
    expect(run('status', '--outputt', 'json')).toMatchObject({ status: 2 });
  });

  it('shows the exit codes and two examples of a command in its help', () => {
    expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('Exit codes: 0 as asked') });
    expect(run('deploy', '--help').stdout.match(/\$ fleetflip deploy/g)).toHaveLength(2);
  });

  it('ends with 2 where there is no inventory, in words and in JSON', () => {
    expect(run('status')).toMatchObject({ status: 2, stderr: expect.stringContaining('INVENTORY_NOT_FOUND') });
    const { status, stdout } = run('deploy', '.', '--output', 'json');
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      v: 1,
      kind: 'result',
      outcome: 'invalid',
      exitCode: 2,
      errors: [{ code: 'INVENTORY_NOT_FOUND' }],
    });
  });

  it('writes an inventory once, and touches none that is there', async () => {
    expect(run('init')).toMatchObject({ status: 0 });
    await writeFile(join(cwd, 'inventory.yaml'), 'mine');
    expect(run('init')).toMatchObject({ status: 2 });
    expect(await readFile(join(cwd, 'inventory.yaml'), 'utf8')).toBe('mine');
  });

  it('ends with 1 and names the host when nothing listens, as JSON lines that end in the result', async () => {
    await writeFile(join(cwd, 'index.html'), 'x');
    await writeFile(
      join(cwd, 'inventory.yaml'),
      'app: {name: foo, root: /tmp}\nssh: {user: nobody}\nhosts: [{name: web01, address: 127.0.0.1, port: 1}]\n',
    );
    const { status, stdout } = run('deploy', '.', '--output', 'json', '--log', 'run.log');
    const lines = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(status).toBe(1);
    expect(lines.at(-1)).toMatchObject({
      kind: 'result',
      outcome: 'unchanged',
      hosts: [{ name: 'web01', outcome: 'failed', error: { code: 'CONNECTION_REFUSED', phase: 'connect' } }],
    });
    expect((await readFile(join(cwd, 'run.log'), 'utf8')).trim().split('\n')).toHaveLength(lines.length);
  });
});
