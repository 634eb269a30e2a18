import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = join(import.meta.dirname, '../src');
const FLOORS: Readonly<Record<string, number>> = {
  domain: 0,
  'ports.ts': 1,
  'waiting.ts': 1,
  inventory: 2,
  release: 2,
  host: 2,
  transport: 2,
  render: 2,
  engine: 3,
  'index.ts': 3.5,
  demo: 4,
  cli: 4.5,
};

async function imports(): Promise<{ from: string; to: string }[]> {
  const files = (await readdir(SRC, { recursive: true })).filter(file => file.endsWith('.ts'));
  const found = await Promise.all(
    files.map(async file => {
      const text = await readFile(join(SRC, file), 'utf8');
      return [...text.matchAll(/(?:from|import) '([^']+)'/g)].map(match => ({ from: file, to: match[1] ?? '' }));
    }),
  );
  return found.flat();
}

function place(file: string): string {
  return file.split('/')[0] ?? '';
}

describe('the house', () => {
  it('imports only from the same room or from a floor below', async () => {
    const wrong = (await imports()).filter(({ from, to }) => {
      if (!to.startsWith('.')) return false;
      const target = relative(SRC, join(SRC, dirname(from), to));
      const [mine, theirs] = [place(from), place(target)];
      return mine !== theirs && (FLOORS[theirs] ?? Number.NaN) >= (FLOORS[mine] ?? Number.NaN);
    });
    expect(wrong).toEqual([]);
  });

  it('names a floor for every room', async () => {
    expect((await readdir(SRC)).filter(room => FLOORS[room] === undefined)).toEqual([]);
  });

  it('keeps the domain free of node and npm', async () => {
    expect((await imports()).filter(({ from, to }) => place(from) === 'domain' && !to.startsWith('.'))).toEqual([]);
  });
});
