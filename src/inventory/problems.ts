/** Every problem of an inventory with its place in the file. */

import { type Document, isNode, type LineCounter } from 'yaml';
import type { z } from 'zod';
import type { Failure } from '../domain/error.ts';
import { nearest } from '../domain/suggest.ts';
import { KNOWN_KEYS, LATER_KEYS } from './schema.ts';

export type KeyPath = readonly (string | number)[];

export interface Source {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
}

export interface Problem {
  readonly code: string;
  readonly path: KeyPath;
  readonly what: string;
  readonly hint: string;
}

/** `FILE:LINE:COLUMN: key.path: what`, of the value at the path or the nearest that stands above it. */
export function locate(source: Source, problem: Problem): Failure {
  const { line, col } = findPosition(source, problem.path);
  const key = showPath(problem.path);
  const what = `${source.file}:${line}:${col}: ${key === '' ? '' : `${key}: `}${problem.what}`;
  return { kind: 'refused', code: problem.code, phase: 'prepare', what, hint: problem.hint };
}

/** One issue of zod to problems: an unknown key each, or the deepest issue of a union. */
export function explainIssue(issue: z.core.$ZodIssue): readonly Problem[] {
  const path = issue.path.map(step => (typeof step === 'symbol' ? String(step) : step));
  if (issue.code === 'unrecognized_keys') return issue.keys.map(key => unknownKey([...path, key]));
  if (issue.code === 'invalid_union') return explainUnion(issue, path);
  if (issue.code === 'invalid_type') return [wrongType(path, issue.expected, issue.message)];
  return [{ code: 'INVENTORY_VALUE', path, what: issue.message, hint: 'Correct the value' }];
}

function explainUnion(issue: z.core.$ZodIssueInvalidUnion, path: KeyPath): readonly Problem[] {
  const branches = issue.errors.filter(
    branch => !branch.some(one => one.code === 'invalid_type' && one.path.length === 0),
  );
  const [first] = branches;
  if (first === undefined)
    return [{ code: 'INVENTORY_TYPE', path, what: 'has the wrong type', hint: 'See inventory.example.yaml' }];
  return first.flatMap(inner => explainIssue({ ...inner, path: [...path, ...inner.path] }));
}

function unknownKey(path: KeyPath): Problem {
  const dotted = path.filter(step => typeof step === 'string').join('.');
  if (LATER_KEYS.includes(dotted))
    return {
      code: 'INVENTORY_LATER_KEY',
      path,
      what: 'this version of fleetflip does not act on this key',
      hint: 'Leave it out, or update fleetflip',
    };
  const place = path
    .slice(0, -1)
    .filter(step => typeof step === 'string')
    .join('.');
  const near = nearest(String(path.at(-1)), KNOWN_KEYS[place] ?? []);
  const hint = near === null ? `Known here: ${(KNOWN_KEYS[place] ?? []).join(', ')}` : `Did you mean \`${near}\`?`;
  return { code: 'INVENTORY_UNKNOWN_KEY', path, what: 'unknown key', hint };
}

function wrongType(path: KeyPath, expected: string, message: string): Problem {
  const missing = message.endsWith('received undefined');
  return {
    code: missing ? 'INVENTORY_MISSING' : 'INVENTORY_TYPE',
    path,
    what: missing ? 'is missing' : `must be ${/^[aeiou]/.test(expected) ? 'an' : 'a'} ${expected}`,
    hint: missing ? 'Add it' : 'Quote the value if it is meant as text',
  };
}

function findPosition({ document, lines }: Source, path: KeyPath): { line: number; col: number } {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]);
  }
  return { line: 1, col: 1 };
}

function showPath(path: KeyPath): string {
  return path.map((step, at) => (typeof step === 'number' ? `[${step}]` : at === 0 ? step : `.${step}`)).join('');
}
