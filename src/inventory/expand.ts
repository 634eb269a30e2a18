/** `${ENVIRONMENT}` and `~` in the texts of an inventory. */

import type { KeyPath, Problem } from './problems.ts';

export interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
}

/** A copy with every variable replaced, except in hooks and checks, which are shell text of the hosts. */
export function expandVariables(
  value: unknown,
  { env }: Surroundings,
): { readonly value: unknown; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];

  function walk(node: unknown, path: KeyPath): unknown {
    if (path[0] === 'checks' || path[0] === 'hooks') return node;
    if (typeof node === 'string') return node.replace(/\$\{([^}]*)\}/g, (_, name: string) => lookUp(name, path));
    if (Array.isArray(node)) return node.map((item, at) => walk(item, [...path, at]));
    if (typeof node !== 'object' || node === null) return node;
    return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, walk(item, [...path, key])]));
  }

  function lookUp(name: string, path: KeyPath): string {
    const found = env[name];
    if (found !== undefined) return found;
    problems.push({
      code: 'INVENTORY_ENV',
      path,
      what: `the environment variable ${name} is not set`,
      hint: `Set ${name}, or write the value`,
    });
    return '';
  }

  return { value: walk(value, []), problems };
}
