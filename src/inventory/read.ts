/** An inventory's text to plain values and the places that they stand at, or everything that is wrong with its YAML. */

import { readFile } from 'node:fs/promises';
import { type Document, LineCounter, parseDocument, visit, type YAMLParseError } from 'yaml';
import { type Failure, FleetflipError } from '../domain/error.ts';
import type { Source } from './problems.ts';

export interface Read {
  readonly source: Source;
  readonly value: unknown;
}

/** @throws FleetflipError `INVENTORY_NOT_FOUND`, `INVENTORY_SYNTAX`, `INVENTORY_EMPTY` */
export async function readInventory(file: string): Promise<Read> {
  const text = await readText(file);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const syntax = document.errors.filter(isFirstOfKind).map(error => explainSyntax({ file, text, lines }, error));
  if (syntax.length > 0) throw new FleetflipError(syntax);
  const source: Source = { file, document, lines };
  const value = toValue(source);
  if (value === null || value === undefined)
    throw refuse('INVENTORY_EMPTY', `the inventory ${file} is empty`, 'Write one with fleetflip init');
  return { source, value };
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown);
    const what =
      code === 'ENOENT'
        ? `there is no inventory ${file}`
        : `the inventory ${file} cannot be read: ${REASONS[code] ?? code}`;
    throw refuse('INVENTORY_NOT_FOUND', what, 'Name it with --inventory, or write one with fleetflip init', thrown);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is no directory',
};

/** What a token that nobody expected makes of all that follow would only hide it. */
function isFirstOfKind(error: YAMLParseError, at: number, all: readonly YAMLParseError[]): boolean {
  return error.code !== 'UNEXPECTED_TOKEN' || all.findIndex(one => one.code === error.code) === at;
}

interface Text {
  readonly file: string;
  readonly text: string;
  readonly lines: LineCounter;
}

function explainSyntax({ file, text, lines }: Text, error: YAMLParseError): Failure {
  const { line, col } = lines.linePos(error.pos[0]);
  const [what, hint] = explainCode(error, text);
  return failure('INVENTORY_SYNTAX', `${file}:${line}:${col}: ${what}`, hint);
}

function explainCode({ code, message, pos }: YAMLParseError, text: string): readonly [what: string, hint: string] {
  if (code === 'MULTIPLE_DOCS') return ['holds more than one document', 'Remove the line --- and what is behind it'];
  if (code === 'DUPLICATE_KEY') return ['this key stands here twice', 'Remove one of the two'];
  const said = (message.split('\n')[0] ?? '').replace(/ at line \d+.*$/, '');
  return [
    said,
    text.slice(pos[0] - 1, pos[0] + 1) === `\${` ? `Put \${...} in quotes inside { } and [ ]` : 'Correct the YAML',
  ];
}

/** Aliases are looked up only now: one without its anchor is found out here, and so are very many. */
function toValue({ file, document, lines }: Source): unknown {
  try {
    return document.toJS();
  } catch (thrown) {
    if (!(thrown instanceof ReferenceError)) throw thrown;
    const { line, col } = lines.linePos(findLostAlias(document));
    throw refuse('INVENTORY_SYNTAX', `${file}:${line}:${col}: ${thrown.message}`, 'Correct the YAML', thrown);
  }
}

function findLostAlias(document: Document): number {
  let offset = 0;
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      offset = alias.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return offset;
}

function failure(code: string, what: string, hint: string): Failure {
  return { kind: 'refused', code, phase: 'prepare', what, hint };
}

function refuse(code: string, what: string, hint: string, cause?: unknown): FleetflipError {
  return new FleetflipError(failure(code, what, hint), { cause });
}
