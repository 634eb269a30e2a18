import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deploy } from '../../src/index.ts';
import type { HostSession, PullRequest } from '../../src/ports.ts';
import { type Agents, createAgents, isRunning, LOCK, recordOf } from '../support/agent.ts';
import { type ArtifactServer, MISDEEDS, startArtifactServer } from '../support/artifact-server.ts';
import { type MadeArtifact, makeArtifact } from '../support/artifacts.ts';
import { failureOf } from '../support/failures.ts';
import { type LocalFleet, makeLocalFleet, readTree } from '../support/local-fleet.ts';
import { until } from '../support/until.ts';
import { findUserlands } from '../support/userlands.ts';

describe.each(findUserlands())('a pull under $name', ({ path }) => {
  let local: LocalFleet;
  let agents: Agents;
  let server: ArtifactServer;
  let made: MadeArtifact;
  beforeEach(async () => {
    local = await makeLocalFleet(1, path);
    agents = createAgents(local);
    server = await startArtifactServer();
    made = await makeArtifact(local, server, 'one');
  });
  afterEach(async () => {
    agents.close();
    await server.stop();
    await local.remove();
  });

  function request(): PullRequest {
    const artifact = { url: made.url, size: made.size, sha256: made.sha256, packed: 'gzip' } as const;
    const { release } = made;
    return { slot: 'foo_l', release, label: '', deployment: 'd', from: null, copy: [], mtime: 1_700_000_000, artifact };
  }

  async function locked(): Promise<HostSession> {
    const session = await agents.open();
    await session.lock({ deployment: 'd', ...LOCK });
    return session;
  }

  const part = () => recordOf(local, `pull.${made.sha256}`);

  /** A pull that stands still with a part of the artifact on the host. */
  async function startHanging(session: HostSession, signal?: AbortSignal) {
    server.misbehave(MISDEEDS.hang());
    const pulling = failureOf(session.pull(request(), signal));
    await until(() => expect(statSync(part()).size).toBeGreaterThan(0));
    return { pulling, fetcher: await until(() => findFetcher(made.url)) };
  }

  it('fills the slot, and is proven', async () => {
    const session = await locked();
    writeFileSync(join(local.root('web1'), 'stray'), '');
    expect(await session.pull(request())).toBe(made.size);
    expect(statSync(join(local.root('web1'), 'foo_l/index.html')).mtimeMs).toBe(1_700_000_000_000);
    const { release } = made;
    expect(await session.prove({ slot: 'foo_l', expected: release, release, label: '' })).toEqual({ proven: true });
  });

  it('ends with its coordinator, leaves the part in the record, and is gone on with by the next stage', async () => {
    const control = new AbortController();
    const { pulling, fetcher } = await startHanging(await locked(), control.signal);
    control.abort(new Error('killed'));
    expect(await pulling).toMatchObject({ code: 'INTERRUPTED' });
    await until(() => expect(isRunning(fetcher)).toBe(false));
    agents.close();
    expect(readdirSync(join(local.root('web1'), 'foo_l'))).toEqual([]);
    expect(existsSync(part())).toBe(true);
    await until(() => expect(readdirSync(recordOf(local)).filter(name => /^(lists|tree)\./.test(name))).toEqual([]));
    server.misbehave(null);
    const result = await deploy(local.fleet, made.url, { connector: local.connector });
    expect(result).toMatchObject({ outcome: 'committed', hosts: [{ bytesSent: 0 }] });
    expect(result.hosts[0]?.bytesPulled).toBeLessThan(made.size);
    expect(server.ofHosts().at(-1)?.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(readdirSync(recordOf(local)).filter(name => name.startsWith('pull.'))).toEqual([]);
  });

  it('removes what an earlier one left of another artifact', async () => {
    const session = await locked();
    await session.probe('none');
    const other = recordOf(local, `pull.${'0'.repeat(64)}`);
    for (const file of [other, recordOf(local, 'tree.1')]) writeFileSync(file, 'x');
    await session.pull(request());
    expect(readdirSync(recordOf(local)).filter(name => /^(pull|tree|lists)\./.test(name))).toEqual([]);
  });

  it('begins again when what was left is not the beginning of the artifact', async () => {
    const session = await locked();
    await session.probe('none');
    writeFileSync(part(), Buffer.alloc(1000, 1));
    await session.pull(request());
    expect(server.ofHosts().map(({ range }) => range)).toEqual(['bytes=1000-', null]);
    writeFileSync(part(), Buffer.alloc(made.size + 1, 1));
    expect(await session.pull(request())).toBe(made.size);
  });

  it('changes nothing in the slot when it fails', async () => {
    const session = await locked();
    await session.pull(request());
    const before = await readTree(local.root('web1'));
    server.misbehave(MISDEEDS.forge());
    expect(await failureOf(session.pull(request()))).toMatchObject({
      kind: 'failed',
      code: 'PULL_FAILED',
      phase: 'stage',
    });
    const slot = (tree: Record<string, string>) => Object.entries(tree).filter(([path]) => path.startsWith('foo_l/'));
    expect(slot(await readTree(local.root('web1')))).toEqual(slot(before));
  });

  it('of an orphan is ended before the lock is given, and cannot fill the slot', async () => {
    const { pulling, fetcher } = await startHanging(await locked());
    for (const pid of readdirSync(recordOf(local, 'locks')).flatMap(name => /^w\.(\d+)$/.exec(name)?.[1] ?? []))
      if (isReceiving(Number(pid))) process.kill(Number(pid), 'SIGKILL');
    expect((await pulling).code).toBe('UPLOAD_LOST');
    agents.close();
    const next = await agents.open();
    await until(() => next.lock({ deployment: 'e', ...LOCK }));
    expect(isRunning(fetcher)).toBe(false);
  });
});

/** The program on this machine that holds a connection for that artifact: its command line names the part, not the URL. */
function findFetcher(url: string): number {
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    const command = readCommand(pid);
    if (/^(\S*\/)?(curl|wget)\0/.test(command) && command.includes('.foo.fleetflip/pull.')) return Number(pid);
  }
  throw new Error(`nothing fetches ${url}`);
}

function isReceiving(pid: number): boolean {
  return readCommand(String(pid)).includes('\0receive\0');
}

function readCommand(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
