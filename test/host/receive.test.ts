import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildLists } from '../../src/host/lists.ts';
import { upload } from '../../src/host/receive.ts';
import type { StageRequest } from '../../src/ports.ts';
import { failureOf } from '../support/failures.ts';
import { until } from '../support/until.ts';
import { NONCE, type ScriptedHost, scriptHost } from './channel.ts';

const PAYLOAD = 'the archive';

function makeRequest(more: Partial<StageRequest> = {}): StageRequest {
  return {
    slot: 'foo_r',
    release: 'sha256:x',
    label: '',
    deployment: 'd',
    from: 'foo_l',
    remove: [],
    copy: [],
    archive: () => Readable.from([Buffer.from(PAYLOAD)]),
    onSent: () => undefined,
    ...more,
  };
}

/** An upload to a host that has come so far that the payload is sent. */
async function send(host: ScriptedHost, more: Partial<StageRequest> = {}, signal?: AbortSignal) {
  host.say(`fleetflip ${NONCE} ready\n`);
  const sending = upload({ start: host.start, token: '7', request: makeRequest(more), signal });
  sending.catch(() => undefined);
  await until(() => expect(host.heard()).toContain(`'7' 'foo_r' 'archive' 'foo_l'\n${PAYLOAD}`));
  return sending;
}

/** What came of it, when the host says this and ends so. */
async function outcome(said: string, code: number | null, signal: string | null = null) {
  const host = scriptHost();
  host.say(`fleetflip ${NONCE} ready\n`);
  const sending = failureOf(upload({ start: host.start, token: '7', request: makeRequest(), signal: undefined }));
  await until(() => expect(host.heard()).toContain(PAYLOAD));
  host.say(said);
  host.exit({ code, signal });
  return sending;
}

describe('an upload', () => {
  it('is done when the host says so and its status too, and counts what was sent', async () => {
    const host = scriptHost();
    let sent = 0;
    host.say(`fleetflip ${NONCE} ready\ndone\n`);
    const onSent = (bytes: number): void => {
      sent += bytes;
    };
    const sending = upload({ start: host.start, token: '7', request: makeRequest({ onSent }), signal: undefined });
    await until(() => expect(host.heard()).toContain(PAYLOAD));
    host.exit({ code: 0, signal: null });
    await sending;
    expect(sent).toBe(PAYLOAD.length);
  });

  it('is not done without a status, with a bad one, or without the word', async () => {
    expect(await outcome('done\n', null)).toMatchObject({ kind: 'unknown', code: 'NO_EXIT_STATUS', phase: 'stage' });
    expect(await outcome('done\n', null, 'SIGKILL')).toMatchObject({ kind: 'lost', code: 'UPLOAD_LOST' });
    expect(await outcome('done\n', 1)).toMatchObject({ kind: 'lost', code: 'UPLOAD_LOST' });
    expect(await outcome('', 0)).toMatchObject({ kind: 'lost', code: 'UPLOAD_LOST' });
    expect(await outcome('don', null)).toMatchObject({ kind: 'lost', code: 'UPLOAD_LOST' });
  });

  it("fails with the host's own words, safe to show", async () => {
    expect(await outcome('failed tar:\\0040bad\\0040block\\0033\\01332J\n', 1)).toMatchObject({
      kind: 'failed',
      code: 'UNPACK_FAILED',
      what: 'the host could not unpack the release: tar: bad block\\x1b[2J',
    });
    expect(await outcome('failed No\\0040space\\0040left\n', 1)).toMatchObject({ code: 'NO_SPACE', phase: 'stage' });
  });

  it('to which the host answers nonsense is unknown', async () => {
    for (const said of [
      '\0\xff\n',
      'done done\n',
      'done\ndone\n',
      'failed\n',
      'failed a b\n',
      'failed \\09\n',
      '\n',
      'x'.repeat(2 << 20),
    ])
      expect(await outcome(said, 0), said.slice(0, 20)).toMatchObject({
        kind: 'unknown',
        code: 'AGENT_NONSENSE',
        phase: 'stage',
      });
  });

  it('is given up with its time or its run, and its channel too', async () => {
    for (const [reason, code] of [
      [new DOMException('late', 'TimeoutError'), 'TIMED_OUT'],
      [new Error('enough'), 'INTERRUPTED'],
    ] as const) {
      const host = scriptHost();
      const control = new AbortController();
      const sending = send(host, {}, control.signal);
      await until(() => expect(host.heard()).toContain(PAYLOAD));
      control.abort(reason);
      expect(await failureOf(sending)).toMatchObject({ code, phase: 'stage', host: 'web1' });
      expect(host.destroyed()).toBe(true);
    }
  });

  it('lets go of the archive when the host gives up in the middle', async () => {
    const host = scriptHost();
    const endless = new Readable({
      read() {
        setImmediate(() => this.push(Buffer.alloc(1 << 10)));
      },
    });
    host.say(`fleetflip ${NONCE} ready\n`);
    const sending = failureOf(
      upload({ start: host.start, token: '7', request: makeRequest({ archive: () => endless }), signal: undefined }),
    );
    await until(() => expect(host.heard().length).toBeGreaterThan(1 << 14));
    host.say('failed disk\\0040full\n');
    host.exit({ code: 1, signal: null });
    expect(await sending).toMatchObject({ code: 'NO_SPACE' });
    await until(() => expect(endless.destroyed).toBe(true));
  });

  it('of nothing opens no channel', async () => {
    const host = scriptHost();
    await upload({ start: host.start, token: '7', request: makeRequest({ archive: null }), signal: undefined });
    expect(host.commands).toEqual([]);
  });
});

describe('the lists', () => {
  it('are read by tar as they were written, whatever the names are', async () => {
    const byte = fc.integer({ min: 1, max: 255 }).map(code => String.fromCharCode(code));
    const names = fc.array(fc.string({ unit: byte, minLength: 1, maxLength: 20 }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(names, names, async (remove, copy) => {
        const directory = await mkdtemp(join(tmpdir(), 'fleetflip-test-'));
        execFileSync('tar', ['-xf', '-', '-C', directory], { input: buildLists(remove, copy) });
        expect((await readdir(directory)).sort()).toEqual(['copy', 'remove']);
        const read = async (file: string) => (await readFile(join(directory, file), 'latin1')).split('\0').slice(0, -1);
        expect(await read('remove')).toEqual(remove.map(name => `./${name}`));
        expect(await read('copy')).toEqual(copy.map(name => `./${name}`));
        await rm(directory, { recursive: true });
      }),
      { numRuns: 30 },
    );
  });
});
