/** Every problem of an inventory with its place in the file. */

import { type Document, isMap, isNode, isScalar, type LineCounter } from 'yaml';
import type { z } from 'zod';
import type { Failure } from '../domain/error.ts';
import { nearest } from '../domain/suggest.ts';
import { knownKeys } from './json-schema.ts';
import { LATER_KEYS } from './schema.ts';

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
  /** The key itself is at fault, not its value. */
  readonly key?: true;
}

/** `FILE:LINE:COLUMN: key.path: what`, in the order of the file. */
export function locateAll(source: Source, problems: readonly Problem[]): readonly Failure[] {
  return problems
    .map(problem => ({ problem, offset: findOffset(source.document, problem) }))
    .sort((one, other) => one.offset - other.offset)
    .map(({ problem, offset }) => {
      const { line, col } = source.lines.linePos(offset);
      const key = showPath(problem.path);
      const what = `${source.file}:${line}:${col}: ${key === '' ? '' : `${key}: `}${problem.what}`;
      return { kind: 'refused', code: problem.code, phase: 'prepare', what, hint: problem.hint };
    });
}

/** One issue of zod to problems: an unknown key each, or those of the form that the value was meant to have. */
export function explainIssue(issue: z.core.$ZodIssue): readonly Problem[] {
  const path = issue.path.map(step => (typeof step === 'symbol' ? String(step) : step));
  if (issue.code === 'unrecognized_keys') return issue.keys.map(key => unknownKey([...path, key]));
  if (issue.code === 'invalid_union') return explainUnion(issue, path);
  if (issue.code === 'invalid_type') return [wrongType(path, issue)];
  const hint = issue.code === 'custom' ? issue.params?.hint : undefined;
  return [value(path, issue.message, typeof hint === 'string' ? hint : 'Correct the value')];
}

function value(path: KeyPath, what: string, hint: string): Problem {
  return { code: 'INVENTORY_VALUE', path, what, hint };
}

function explainUnion(issue: z.core.$ZodIssueInvalidUnion, path: KeyPath): readonly Problem[] {
  const meant = issue.errors.find(branch => !branch.some(one => one.code === 'invalid_type' && one.path.length === 0));
  if (meant !== undefined) return meant.flatMap(inner => explainIssue({ ...inner, path: [...path, ...inner.path] }));
  const what = UNIONS[String(path.findLast(step => typeof step === 'string'))] ?? 'has the wrong type';
  return [{ code: 'INVENTORY_TYPE', path, what, hint: 'See inventory.example.yaml' }];
}

const UNIONS: Readonly<Record<string, string>> = {
  hosts: 'must be the name of a host, or an object with a name',
  identity: 'must be a file, or a list of files',
  idle: 'must be a command, or an object with run',
};

function unknownKey(path: KeyPath): Problem {
  const dotted = path.filter(step => typeof step === 'string').join('.');
  if (LATER_KEYS.includes(dotted))
    return {
      code: 'INVENTORY_LATER_KEY',
      path,
      key: true,
      what: 'not supported yet: this version of fleetflip does not act on this key',
      hint: 'Leave it out, or update fleetflip',
    };
  const known = knownKeys(dotted.split('.').slice(0, -1).join('.'));
  const near = nearest(String(path.at(-1)), known);
  const hint = near === null ? `Known here: ${known.join(', ')}` : `Did you mean \`${near}\`?`;
  return { code: 'INVENTORY_UNKNOWN_KEY', path, key: true, what: 'unknown key', hint };
}

function wrongType(path: KeyPath, { expected, message }: z.core.$ZodIssueInvalidType): Problem {
  if (message.endsWith('received undefined'))
    return { code: 'INVENTORY_MISSING', path, what: 'is missing', hint: 'Add it' };
  const [what, hint] = TYPES[expected] ?? [`must be of type ${expected}`, 'Correct the value'];
  return { code: 'INVENTORY_TYPE', path, what: `must be ${what}`, hint };
}

const NUMBER = ['a whole number', 'Write it without quotes and without a fraction'] as const;

const TYPES: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  string: ['text', 'Put the value in quotes'],
  int: NUMBER,
  number: NUMBER,
  array: ['a list', 'Write [a, b], or each item on a line of its own behind "- "'],
  object: ['an object with keys', 'Write its keys on lines of their own, indented'],
};

/** Where the value stands, or its key, or the nearest that stands above it. */
function findOffset(document: Document, { path, key }: Problem): number {
  if (key) {
    const above = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
    const pair = isMap(above) ? above.items.find(item => isScalar(item.key) && item.key.value === path.at(-1)) : null;
    if (isNode(pair?.key) && pair.key.range) return pair.key.range[0];
  }
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function showPath(path: KeyPath): string {
  return path.map((step, at) => (typeof step === 'number' ? `[${step}]` : at === 0 ? step : `.${step}`)).join('');
}
