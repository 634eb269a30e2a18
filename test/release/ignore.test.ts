import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toBytes } from '../../src/domain/bytes.ts';
import { createIgnore } from '../../src/release/ignore.ts';
import { makeTree, run } from './trees.ts';

function rules(text: string): ReturnType<typeof createIgnore> {
  return createIgnore(toBytes(text));
}

describe('rules', () => {
  test('tell upper from lower case, in names of any encoding', () => {
    const ignored = rules('Config\n\xe3*\n');
    expect(ignored('Config', false)).toBe(true);
    expect(ignored('config', false)).toBe(false);
    expect(ignored('\xe3\x81', false)).toBe(true);
    expect(ignored('\xc3\xa0', false)).toBe(false);
  });

  test('are bytes: what looks like a space in some encoding is none', () => {
    const ignored = rules('voil\xc3\xa0\r\nnext\x85\n');
    expect(ignored('voil\xc3\xa0', false)).toBe(true);
    expect(ignored('voil\xc3', false)).toBe(false);
    expect(ignored('next\x85', false)).toBe(true);
  });

  test('begin after a byte order mark', () => {
    expect(rules('\xef\xbb\xbfsecret\n')('secret', false)).toBe(true);
  });

  test('match names with newlines and backslashes', () => {
    const ignored = rules('*.log\nback\\\\slash\n');
    expect(ignored('new\nline.log', false)).toBe(true);
    expect(ignored('back\\slash', false)).toBe(true);
    expect(ignored('a\\b.log', false)).toBe(true);
  });

  test('cannot bring .git back, nor the file itself', () => {
    const ignored = rules('!.git\n!.fleetflipignore\n');
    for (const path of ['.git', '.git/config', 'sub/.git', '.fleetflipignore'])
      expect(ignored(path, false), path).toBe(true);
    for (const path of ['.gitignore', '.gitea', 'sub/.fleetflipignore', 'a.git'])
      expect(ignored(path, false), path).toBe(false);
  });

  test('ending with a slash are for directories', () => {
    const ignored = rules('cache/\n');
    expect(ignored('cache', false)).toBe(false);
    expect(ignored('cache', true)).toBe(true);
    expect(ignored('cache/x', false)).toBe(true);
  });
});

test('git itself decides alike', async () => {
  const directory = await makeTree({
    'a/b/a': { file: '' },
    'b/a': { file: '' },
    'c\xff/b': { file: '' },
    ab: { file: '' },
    'a/c d': { file: '' },
  });
  await run(directory, 'git', ['init', '-q']);
  const paths = ['a', 'a/b', 'a/b/a', 'b', 'b/a', 'c\xff', 'c\xff/b', 'ab', 'a/c d'];
  const directories = new Set(['a', 'a/b', 'b', 'c\xff']);
  const pattern = fc.array(fc.constantFrom('a', 'b', 'c', '\xff', '*', '**', '/', '?', '!', '[ab]', '\\', ' ', '#'), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 4 }), lines => {
      const text = lines.map(line => `${line.join('')}\n`).join('');
      writeFileSync(join(directory, '.gitignore'), text, 'latin1');
      const byGit = spawnSync('git', ['check-ignore', '-z', '--stdin', '--no-index', '--verbose', '--non-matching'], {
        cwd: directory,
        env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' },
        input: toBytes(paths.map(path => `${path}\0`).join('')),
      });
      expect(byGit.stderr.toString()).toBe('');
      const fields = byGit.stdout.toString('latin1').split('\0');
      const theirs = paths.filter((_, at) => isExcluded(fields[at * 4 + 2] ?? ''));
      const ignored = rules(text);
      expect({ text, ignored: paths.filter(path => ignored(path, directories.has(path))) }).toEqual({
        text,
        ignored: theirs,
      });
    }),
    { numRuns: 60 },
  );
});

/** A negated pattern that matches is reported too. */
function isExcluded(pattern: string): boolean {
  return pattern !== '' && !pattern.startsWith('!');
}
