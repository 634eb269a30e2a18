import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { COMMANDS } from '../src/cli/commands.ts';

const HOME = join(import.meta.dirname, '..');
let readme: string;
beforeAll(async () => {
  readme = await readFile(join(HOME, 'README.md'), 'utf8');
});

function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(match => match[1] ?? '');
}

describe('the README', () => {
  test('names files that are there', async () => {
    const named = [...readme.matchAll(/`(test\/[^`]+)`|\]\(([^)]+)\)/g)].map(match => match[1] ?? match[2] ?? '');
    expect(named.length).toBeGreaterThan(5);
    for (const file of named) await access(join(HOME, file));
  });

  test('names every command, and none that is not there', () => {
    const names = COMMANDS.map(({ name }) => name);
    for (const name of names)
      expect(readme, name).toMatch(new RegExp(`fleetflip ${name}\\b|\`${name}\`|run ${name}\\b`));
    const used = blocks('sh').flatMap(block => [...block.matchAll(/^fleetflip (\w+)/gm)].map(match => match[1] ?? ''));
    expect(used.filter(name => !names.includes(name))).toEqual([]);
  });

  test('names scripts that are there', async () => {
    const { scripts } = JSON.parse(await readFile(join(HOME, 'package.json'), 'utf8')) as { scripts: object };
    for (const [, name = ''] of readme.matchAll(/npm run (\w+)/g)) expect(Object.keys(scripts)).toContain(name);
  });

  test('has a program that type-checks', async () => {
    const [program = ''] = blocks('ts');
    const directory = await mkdtemp(join(HOME, 'node_modules/.readme-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const file = join(directory, 'program.mts');
    await writeFile(file, program);
    const checked = ts.createProgram([file], {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.NodeNext,
      types: ['node'],
      typeRoots: [join(HOME, 'node_modules/@types')],
      paths: { fleetflip: [join(HOME, 'src/index.ts')] },
    });
    const problems = ts.getPreEmitDiagnostics(checked);
    expect(problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
    expect(program).toContain("from 'fleetflip'");
  }, 120_000);
});
