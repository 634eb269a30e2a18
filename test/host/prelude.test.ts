import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writePrelude } from '../../src/host/prelude.ts';
import { findUserlands } from '../support/userlands.ts';

const NONCE = '0123456789abcdef';
/** Stands for the agent: shows its own words, one a line, and then its input. */
const BYTES = Buffer.from('for one do printf "<%s>\\n" "$one"; done\ncat\n');
const AGENT = { bytes: BYTES, digest: createHash('sha256').update(BYTES).digest('hex') };
/** Login shells of other kinds, those that are here. */
const OTHER_SHELLS = ['csh', 'tcsh', 'fish', 'zsh', 'ksh', 'mksh']
  .flatMap(shell => [join('/bin', shell), join('/usr/bin', shell), join('/usr/local/bin', shell)])
  .filter(existsSync);

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

interface Wanted {
  readonly root: string;
  readonly persist: boolean;
  readonly path: string;
  /** What comes after the prelude and, where it is needed, the agent. */
  readonly rest?: string;
  readonly agent?: Buffer;
  /** The login's. */
  readonly shell?: string;
}

async function run({ root, persist, path, rest = '', agent = BYTES, shell = 'sh' }: Wanted): Promise<string[]> {
  const app = { name: 'foo', root, slots: ['foo_l', 'foo_r'] };
  const words = ["it's", '$(touch injected)', '`touch injected`', 'a b', '*', '"', ''];
  const { command, input } = writePrelude({ app, agent: AGENT, nonce: NONCE, verb: 'serve', words, persist });
  const child = spawn(shell, ['-c', command], { cwd: directory, env: { PATH: path }, stdio: 'pipe' });
  child.stdin.on('error', () => undefined);
  child.stdin.write(input);
  child.stdout.once('data', chunk => {
    if (String(chunk).includes('need')) child.stdin.write(agent);
    child.stdin.end(rest);
  });
  return (await text(child.stdout)).split('\n');
}

const ready = `fleetflip ${NONCE} ready`;
const need = `fleetflip ${NONCE} need`;
const shown = (root: string): string[] =>
  ['serve', root, 'foo', "it's", '$(touch injected)', '`touch injected`', 'a b', '*', '"', ''].map(word => `<${word}>`);

describe.each(findUserlands())('the prelude under $name', ({ path }) => {
  it('brings the agent once, then finds it, and gives it the rest of the input', async () => {
    const root = join(directory, 'www');
    await mkdir(root);
    const wanted = { root, persist: true, path, rest: 'the rest\n' };
    expect(await run(wanted)).toEqual([need, ready, ...shown(root), 'the rest', '']);
    expect(await run(wanted)).toEqual([ready, ...shown(root), 'the rest', '']);
    expect(await readdir(join(root, '.foo.fleetflip'))).toEqual([`agent-${AGENT.digest}.sh`]);
  });

  it('runs the agent from memory where nothing may be left, and takes one that is there', async () => {
    const root = join(directory, 'www');
    await mkdir(root);
    const wanted = { root, persist: false, path, rest: 'the rest\n' };
    expect(await run(wanted)).toEqual([need, ready, ...shown(root), 'the rest', '']);
    expect(await readdir(root)).toEqual([]);
    await run({ ...wanted, persist: true });
    expect(await run(wanted)).toEqual([ready, ...shown(root), 'the rest', '']);
  });

  it('takes nothing of a name for something else', async () => {
    for (const name of [
      "it's",
      'a b',
      '$(touch injected)',
      '`touch injected`',
      '-rf',
      '"; touch injected; "',
      '*',
      'é\\n',
    ]) {
      const root = join(directory, name);
      await mkdir(root);
      expect(await run({ root, persist: true, path }), name).toEqual([need, ready, ...shown(root), '']);
      expect(existsSync(join(directory, 'injected'))).toBe(false);
      await rm(root, { recursive: true });
    }
  });

  it('leaves no part of an agent that was cut or altered, and runs none of it', async () => {
    const root = join(directory, 'www');
    await mkdir(root);
    const altered = Buffer.from(BYTES);
    altered[0] = 35;
    for (const agent of [BYTES.subarray(0, 10), altered]) {
      expect(await run({ root, persist: true, path, agent })).toEqual([
        need,
        `fleetflip ${NONCE} refused WRITE_FAILED`,
        '',
      ]);
      expect(await readdir(join(root, '.foo.fleetflip'))).toEqual([]);
    }
  });

  it('brings an agent again that was damaged on the host', async () => {
    const root = join(directory, 'www');
    await mkdir(root);
    await run({ root, persist: true, path });
    const file = join(root, '.foo.fleetflip', `agent-${AGENT.digest}.sh`);
    await writeFile(file, `${await readFile(file, 'utf8')}# more\n`);
    expect(await run({ root, persist: true, path })).toEqual([need, ready, ...shown(root), '']);
    expect(await readFile(file)).toEqual(BYTES);
  });

  it('says when there is no root', async () => {
    const lines = await run({ root: join(directory, 'none'), persist: true, path });
    expect(lines).toEqual([`fleetflip ${NONCE} refused NO_ROOT`, '']);
  });

  it('makes the record for the login alone, or for the group where the root is setgid', async () => {
    for (const [rootMode, mode] of [
      [0o755, 0o700],
      [0o2775, 0o2770],
    ] as const) {
      const root = join(directory, `www${rootMode}`);
      await mkdir(root);
      await chmod(root, rootMode);
      await run({ root, persist: true, path });
      expect((await stat(join(root, '.foo.fleetflip'))).mode & 0o7777).toBe(mode);
    }
  });
});

describe('the command that starts it', () => {
  it('is short, and has nothing that a login shell could take for something else', () => {
    const app = { name: 'foo', root: `/${'x'.repeat(3000)}`, slots: [] };
    const { command } = writePrelude({ app, agent: AGENT, nonce: NONCE, verb: 'serve', words: [], persist: true });
    expect(command).toMatch(/^exec sh -c 'eval "\$\(dd bs=1 count=\d+ 2>\/dev\/null\)"'$/);
  });

  it.each(OTHER_SHELLS)('is understood by %s as a login shell', async shell => {
    const root = join(directory, 'www');
    await mkdir(root);
    const wanted = { root, persist: false, path: process.env.PATH ?? '', shell };
    expect(await run(wanted)).toEqual([need, ready, ...shown(root), '']);
  });
});
