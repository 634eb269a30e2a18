import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fleet } from '../../src/domain/fleet.ts';
import { deploy, loadInventory, status } from '../../src/index.ts';
import { formatEnd } from '../../src/render/plain.ts';
import { createSsh2Connector } from '../../src/transport/index.ts';
import { type EmbeddedFleet, startEmbeddedFleet } from '../support/embedded.ts';

let embedded: EmbeddedFleet;
let fleet: Fleet;
let knownHosts: string;
let lines: readonly string[];
beforeAll(async () => {
  embedded = await startEmbeddedFleet(6);
  const loaded = await loadInventory(embedded.inventory);
  const [first, , , , , last] = loaded.hosts;
  if (first === undefined || last === undefined) throw new Error('no hosts');
  const jump = [{ user: 'ops', address: first.address, port: first.ssh.port }];
  const behind = { ...last, ssh: { ...last.ssh, jump } };
  const hosts = [...loaded.hosts.slice(0, -1), behind];
  fleet = { ...loaded, hosts, strategy: { ...loaded.strategy, maxSkew: 3_600_000 } };
  knownHosts = join(embedded.directory, 'known_hosts');
  lines = (await readFile(knownHosts, 'utf8')).trimEnd().split('\n');
});
afterAll(() => embedded.stop());

const options = () => ({ connector: createSsh2Connector({ env: {}, home: embedded.directory, username: 'ann' }) });
const lineOf = (at: number): string => lines[at - 1] ?? '';
const [NAME, TYPE, KEY] = [0, 1, 2];
const part = (at: number, which: number): string => lineOf(at).split(' ')[which] ?? '';

/** As OpenSSH prints it. */
function fingerprint(at: number): string {
  const digest = createHash('sha256')
    .update(Buffer.from(part(at, KEY), 'base64'))
    .digest('base64');
  return `SHA256:${digest.replace(/=+$/, '')}`;
}

/** 1 is not there, 2 has the key of 3, 3 and 6 are as they should be, 4 is revoked, 5 takes no key of ours. 6 is behind 1. */
async function spoil(): Promise<void> {
  const changed = `${part(2, NAME)} ${part(3, TYPE)} ${part(3, KEY)}`;
  const revoked = `@revoked ${lineOf(4)}`;
  await writeFile(
    knownHosts,
    `# known\n${[changed, lineOf(3), lineOf(4), revoked, lineOf(5), lineOf(6)].join('\n')}\n`,
  );
  await embedded.host('demo5').setFaults({ refuseLogin: true });
}

/** What each host is told to have failed in. */
function expected(): Record<string, { code: string; texts: readonly string[] }> {
  const unknown = [part(1, TYPE), fingerprint(1), `port ${embedded.host('demo1').port}`, knownHosts];
  return {
    demo1: { code: 'HOST_KEY_UNKNOWN', texts: unknown },
    demo2: {
      code: 'HOST_KEY_CHANGED',
      texts: [fingerprint(2), `${knownHosts}:2`, `port ${embedded.host('demo2').port}`],
    },
    demo4: { code: 'HOST_KEY_REVOKED', texts: [fingerprint(4), `${knownHosts}:5`] },
    demo5: { code: 'LOGIN_FAILED', texts: [`demo@127.0.0.1 port ${embedded.host('demo5').port}`, 'id_ed25519'] },
    demo6: { code: 'HOST_KEY_UNKNOWN', texts: ['at a bastion', ...unknown] },
  };
}

describe('hosts whose keys are not the known ones', () => {
  it('are all named in one run, with fingerprint, file and line, and no byte of the release is sent to anybody', async () => {
    await spoil();
    const source = await embedded.makeRelease('1', { 'index.html': 'one' });
    const result = await deploy(fleet, source, options());
    expect(result).toMatchObject({ outcome: 'unchanged', exitCode: 1 });
    const said = formatEnd(result);
    for (const { name, error, bytesSent } of result.hosts) {
      const { code, texts } = expected()[name] ?? { code: undefined, texts: [] };
      expect([name, error?.code, error?.phase]).toEqual([name, code, code && 'connect']);
      for (const text of texts) expect(error?.what).toContain(text);
      const own = said.filter(line => line.startsWith(`${name}: `));
      expect(own.map(line => line.includes(`${error?.what} (${code})`))).toEqual(code === undefined ? [] : [true]);
      expect(bytesSent).toBe(0);
      const root = await readdir(embedded.host(name).root);
      expect([name, root]).toEqual([name, code === undefined ? ['.site.fleetflip'] : []]);
    }
    expect(await readdir(join(embedded.host('demo3').root, '.site.fleetflip'))).toEqual([
      expect.stringMatching(/^agent-[0-9a-f]{64}\.sh$/),
    ]);
  });

  it('are all named by status too', async () => {
    const { hosts } = await status(fleet, options());
    const failed = hosts.flatMap(({ name, error }) => (error === undefined ? [] : [[name, error.code]]));
    expect(failed).toEqual(Object.entries(expected()).map(([name, { code }]) => [name, code]));
  });

  it('are refused under accept-new as well, but for the unknown ones, which are remembered', async () => {
    const trusting = fleet.hosts.map(host => ({ ...host, ssh: { ...host.ssh, hostKeys: 'accept-new' as const } }));
    const { hosts } = await status({ ...fleet, hosts: trusting }, options());
    const failed = hosts.flatMap(({ name, error }) => (error === undefined ? [] : [[name, error.code]]));
    expect(failed).toEqual([
      ['demo2', 'HOST_KEY_CHANGED'],
      ['demo4', 'HOST_KEY_REVOKED'],
      ['demo5', 'LOGIN_FAILED'],
    ]);
    expect(await readFile(knownHosts, 'utf8')).toContain(`\n${lineOf(1)}\n`);
  });

  it('are deployed to once known_hosts is right', async () => {
    await writeFile(knownHosts, `${lines.join('\n')}\n`);
    await embedded.host('demo5').setFaults({});
    const source = await embedded.makeRelease('2', { 'index.html': 'two' });
    const result = await deploy(fleet, source, options());
    expect(result.hosts.map(host => host.error)).toEqual(Array(6).fill(undefined));
    expect(result).toMatchObject({ outcome: 'committed', exitCode: 0 });
    for (const host of embedded.hosts)
      expect(await readFile(join(host.root, 'site', 'index.html'), 'utf8')).toBe('two');
  });
});
