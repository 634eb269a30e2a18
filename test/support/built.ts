/** The sources as JavaScript, for tests that start a process: never older than the sources, unlike `dist`. */

import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const HOME = join(import.meta.dirname, '../..');
const CACHE = join(HOME, 'node_modules/.cache/fleetflip-test');

/** By a source's path, what is done to its text. A negative control breaks what is to be proven. */
export type Alterations = Readonly<Record<string, (text: string) => string>>;

/**
 * Resolves with a directory that has `src` and `test/support` in it, transpiled, such as `src/cli/main.js`.
 * It is below node_modules, so that packages resolve; equal sources share one directory.
 * @throws Error when an alteration alters nothing
 */
export async function buildSources(alterations: Alterations = {}): Promise<string> {
  const files = [...(await list('src')), ...(await list('test/support'))].sort();
  const texts = await Promise.all(files.map(file => readSource(file, alterations)));
  const digest = createHash('sha256')
    .update(JSON.stringify([files, texts]))
    .digest('hex')
    .slice(0, 16);
  const built = join(CACHE, digest);
  if (await exists(built)) return built;
  await mkdir(CACHE, { recursive: true });
  const fresh = await mkdtemp(join(CACHE, 'new-'));
  for (const [at, file] of files.entries()) await transpile(join(fresh, file), texts[at] ?? '');
  await cp(join(HOME, 'package.json'), join(fresh, 'package.json'));
  await rename(fresh, built).catch(async thrown => {
    await rm(fresh, { recursive: true });
    if (!(await exists(built))) throw thrown;
  });
  return built;
}

async function readSource(file: string, alterations: Alterations): Promise<string> {
  const text = await readFile(join(HOME, file), 'utf8');
  const altered = alterations[file]?.(text);
  if (altered === text) throw new Error(`nothing in ${file} was altered`);
  return altered ?? text;
}

async function transpile(to: string, text: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  if (!to.endsWith('.ts')) return writeFile(to, text);
  const compilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
    rewriteRelativeImportExtensions: true,
  };
  await writeFile(to.replace(/\.ts$/, '.js'), ts.transpileModule(text, { compilerOptions }).outputText);
}

async function list(folder: string): Promise<string[]> {
  const found = await readdir(join(HOME, folder), { recursive: true, withFileTypes: true });
  return found.filter(item => item.isFile()).map(item => join(item.parentPath, item.name).slice(HOME.length + 1));
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
