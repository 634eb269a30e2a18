/** The schema as JSON Schema, for editors, and the keys that it knows, for suggestions. */

import { z } from 'zod';
import { inventorySchema } from './schema.ts';

interface Node {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly description?: string;
  readonly [key: string]: unknown;
}

/** Where a text may stand, a variable may stand, also in a value that has a form of its own. */
export function jsonSchema(): object {
  return { title: 'Inventory of fleetflip', ...allowVariables(read()) };
}

/** The keys known at a place, such as `ssh` or `hosts`: its path without numbers, empty for the file itself. */
export function knownKeys(place: string): readonly string[] {
  const steps = place === '' ? [] : place.split('.');
  const found = steps.reduce<readonly Node[]>(
    (nodes, step) => flatten(nodes, node => node.properties?.[step]),
    [read()],
  );
  return [...new Set(flatten(found, node => node).flatMap(node => Object.keys(node.properties ?? {})))];
}

function read(): Node {
  return z.toJSONSchema(inventorySchema, { io: 'input' }) as Node;
}

/** What a step leads to, with the alternatives and the items of lists in it. */
function flatten(nodes: readonly Node[], step: (node: Node) => Node | undefined): readonly Node[] {
  const open = (node: Node | undefined): readonly Node[] =>
    node === undefined ? [] : [node, ...open(node.items), ...(node.anyOf ?? []).flatMap(open)];
  return nodes.flatMap(node => open(step(node)));
}

const VARIABLE: Node = { type: 'string', pattern: '\\$\\{[^}]+\\}' };

function allowVariables(node: Node): Node {
  const { properties, items, anyOf } = node;
  if (isFormed(node)) {
    const { description, ...rest } = node;
    return { ...(description === undefined ? {} : { description }), anyOf: [rest, VARIABLE] };
  }
  return {
    ...node,
    ...(properties && { properties: mapValues(properties) }),
    ...(items && { items: allowVariables(items) }),
    ...(anyOf && { anyOf: anyOf.map(allowVariables) }),
  };
}

function isFormed(node: Node): boolean {
  return node.type === 'integer' || 'pattern' in node || 'enum' in node;
}

function mapValues(nodes: Readonly<Record<string, Node>>): Readonly<Record<string, Node>> {
  return Object.fromEntries(Object.entries(nodes).map(([key, node]) => [key, allowVariables(node)]));
}
