import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import type { Fleet } from '../../src/domain/fleet.ts';
import type { CompressWish } from '../../src/domain/packing.ts';
import { deploy } from '../../src/index.ts';
import type { Connector } from '../../src/ports.ts';
import { type LocalFleet, makeLocalFleet, readTree } from '../support/local-fleet.ts';
import { pathWithout } from '../support/path-without.ts';

/** What compression makes a quarter smaller. */
const BIG = randomBytes(150_000).toString('base64');
const OLD = { 'big.bin': BIG, "o'dd \n ~name": BIG.slice(0, 70_000), 'page.html': 'page '.repeat(5_000) };
const NEW = {
  'big.bin': `${BIG.slice(0, 50_000)}changed${BIG.slice(50_123)}`,
  "o'dd \n ~name": `before ${OLD["o'dd \n ~name"]}`,
  'page.html': 'side '.repeat(5_000),
  'empty.txt': '',
};

let local: LocalFleet;
afterEach(() => local.remove());

async function start(...lacking: readonly string[]): Promise<void> {
  local = await makeLocalFleet(2, pathWithout(process.env.PATH ?? '', ...lacking));
}

async function release(
  fleet: Fleet,
  name: string,
  files: Readonly<Record<string, string>>,
  connector: Connector = local.connector,
) {
  return deploy(fleet, await local.release(name, files), { connector, emit: () => undefined });
}

function wishing(compress: CompressWish): Fleet {
  return { ...local.fleet, strategy: { ...local.fleet.strategy, compress } };
}

/** Both releases, one after the other. @returns bytes sent for the second, by host */
async function releaseTwice(fleet: Fleet): Promise<readonly number[]> {
  expect((await release(fleet, 'old', OLD)).outcome).toBe('committed');
  const { outcome, hosts } = await release(fleet, 'new', NEW);
  expect(outcome).toBe('committed');
  for (const { name } of local.fleet.hosts) expect(await readTree(join(local.root(name), 'foo'))).toEqual(NEW);
  return hosts.map(host => host.bytesSent);
}

describe('a release that travels packed', () => {
  it.each([
    ['perl', 'python3'],
    ['python3', 'perl'],
  ])('goes as differences to what %s finds in the live slot', async (_, lacking) => {
    await start(lacking);
    for (const bytes of await releaseTwice(wishing('gzip'))) expect(bytes).toBeLessThan(3_000);
  });

  it('goes whole, and compressed, to hosts with no interpreter', async () => {
    await start('perl', 'python3');
    const sizes = await releaseTwice(wishing('gzip'));
    for (const bytes of sizes) {
      expect(bytes).toBeGreaterThan(190_000);
      expect(bytes).toBeLessThan(230_000);
    }
  });

  it('goes as it is to hosts without the tool, and where nothing else is wanted', async () => {
    await start('gzip', 'zstd');
    for (const bytes of await releaseTwice(wishing('gzip'))) expect(bytes).toBeGreaterThan(290_000);
  });

  it('goes whole to a host whose live slot holds something else than its record says', async () => {
    await start();
    const fleet = wishing('gzip');
    expect((await release(fleet, 'old', OLD)).outcome).toBe('committed');
    await writeFile(join(local.root('web2'), 'foo', 'big.bin'), 'short');
    const { outcome, hosts } = await release(fleet, 'new', NEW);
    expect(outcome).toBe('committed');
    expect(hosts[0]?.bytesSent).toBeLessThan(3_000);
    expect(hosts[1]?.bytesSent).toBeGreaterThan(100_000);
  });

  it('goes compressed over a link that is measured to be slow, and as it is over any other', async () => {
    await start('python3');
    const files = { 'index.html': `${BIG.slice(0, 1_000)}\n`.repeat(2_000) };
    const fast = await release(local.fleet, 'fast', files);
    for (const { bytesSent } of fast.hosts) expect(bytesSent).toBeGreaterThan(2_000_000);
    const slow = await release(local.fleet, 'slow', { 'other.html': files['index.html'] }, slowly(local.connector));
    expect(slow.outcome).toBe('committed');
    for (const { bytesSent } of slow.hosts) expect(bytesSent).toBeLessThan(300_000);
  });
});

/** Takes 400 bytes a millisecond. */
function slowly(connector: Connector): Connector {
  return {
    ...connector,
    async connect(host, options) {
      const connection = await connector.connect(host, options);
      return {
        ...connection,
        async exec(command) {
          const channel = await connection.exec(command);
          const stdin = new Transform({
            transform: (chunk: Buffer, _, done) => void setTimeout(done, chunk.length / 400, null, chunk),
          });
          stdin.pipe(channel.stdin);
          channel.stdin.on('error', () => stdin.destroy());
          return { ...channel, stdin, destroy: () => channel.destroy() };
        },
      };
    },
  };
}
