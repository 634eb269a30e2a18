/** `${ENVIRONMENT}` in the texts of an inventory. */

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
    if (typeof node === 'string') return expandText(node, path);
    if (Array.isArray(node)) return node.map((item, at) => walk(item, [...path, at]));
    if (typeof node !== 'object' || node === null) return node;
    return Object.fromEntries(Object.entries(node).map(([key, item]) => [key, walk(item, [...path, key])]));
  }

  function expandText(text: string, path: KeyPath): unknown {
    const expanded = text.replace(/\$\{([^}]*)(\}?)/g, (_, name: string, end: string) =>
      lookUp(end === '' ? null : name, path),
    );
    const isNumber = NUMBERS.includes(path.at(-1)) && expanded !== text && /^\d+$/.test(expanded);
    return isNumber ? Number(expanded) : expanded;
  }

  /** @param name null: no } ends it */
  function lookUp(name: string | null, path: KeyPath): string {
    const found = env[name ?? ''];
    if (name === null) problems.push({ ...UNREADABLE, path, what: `\${ has no } behind it` });
    else if (name === '') problems.push({ ...UNREADABLE, path, what: `\${} names no variable` });
    else if (found === undefined)
      problems.push({
        code: 'INVENTORY_ENV',
        path,
        what: `the environment variable ${name} is not set`,
        hint: `Set ${name}, or write the value`,
      });
    return found ?? '';
  }

  return { value: walk(value, []), problems };
}

const UNREADABLE = { code: 'INVENTORY_ENV', hint: `Write a variable such as \${NAME}` } as const;

/** A variable is text; these keys are numbers. */
const NUMBERS: readonly unknown[] = ['port', 'parallel'];
