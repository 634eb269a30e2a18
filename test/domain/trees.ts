/** Arbitrary trees as manifests. Names are chosen so that byte order and directory order differ. */

import fc from 'fast-check';
import type { Manifest, Tree, TreeEntry } from '../../src/domain/release.ts';

const names = fc.constantFrom('a', 'b', 'a-b', 'a.b', 'a b', '\xff', 'n\nl', 'back\\slash');
const paths = fc.array(names, { minLength: 1, maxLength: 4 }).map(parts => parts.join('/'));

const files = fc.record({
  kind: fc.constant('file' as const),
  mode: fc.constantFrom('644', '755', '600', '0', '4755'),
  size: fc.constantFrom(0, 1, 2 ** 40),
  sha256: fc.constantFrom('0'.repeat(64), 'f'.repeat(64), '0123456789abcdef'.repeat(4)),
});
const directories = fc.record({ kind: fc.constant('directory' as const), mode: fc.constantFrom('755', '755', '700') });
const links = fc.record({ kind: fc.constant('link' as const), target: fc.constantFrom('a', '../b', '\xfe\n', '') });
const nodes = fc.oneof(files, files, directories, links);
const others = fc.record({ kind: fc.constant('other' as const) });

/** Trees as a release can hold them: parents are directories, each path is there once, in byte order. */
export const manifests = grow(nodes) as fc.Arbitrary<Manifest>;

/** Trees as a disk can hold them. */
export const trees = grow(fc.oneof(nodes, nodes, others));

type Node = TreeEntry extends infer E ? (E extends TreeEntry ? Omit<E, 'path'> : never) : never;

function grow(kinds: fc.Arbitrary<Node>): fc.Arbitrary<Tree> {
  return fc.array(fc.tuple(paths, kinds), { maxLength: 14 }).map(plant);
}

function plant(drawn: readonly (readonly [string, Node])[]): Tree {
  const tree = new Map<string, TreeEntry>();
  for (const [path, node] of drawn) {
    const above = parents(path);
    if (tree.has(path) || above.some(parent => (tree.get(parent)?.kind ?? 'directory') !== 'directory')) continue;
    for (const parent of above)
      if (!tree.has(parent)) tree.set(parent, { kind: 'directory', path: parent, mode: '755' });
    tree.set(path, { ...node, path } as TreeEntry);
  }
  return [...tree.values()].sort((one, other) => (one.path < other.path ? -1 : 1));
}

export function parents(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join('/'));
}
