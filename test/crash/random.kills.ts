import { expect, it } from 'vitest';
import { recoverOnce } from './aftermath.ts';
import { type Arena, startArena } from './arena.ts';
import { startSshdFleet } from './sshd.ts';
import { awaitGuards, judgeLinks, readEnds } from './verdict.ts';

const HOSTS = 10;
const KILLS = Number(process.env.FLEETFLIP_KILLS ?? 200);

/** Milliseconds that an undisturbed deployment takes. */
async function measure(arena: Arena): Promise<number> {
  const run = arena.prepare({ command: 'deploy', source: (await arena.makeRelease()).path, killAt: null });
  await run.ready;
  const began = performance.now();
  run.send('go\n');
  await run.end;
  return performance.now() - began;
}

interface Killed {
  readonly violations: readonly string[];
  readonly how: 'alike by itself' | 'after one recover' | 'ended before the kill';
}

async function killAfter(arena: Arena, time: number): Promise<Killed> {
  const before = await arena.readDisks();
  const run = arena.prepare({ command: 'deploy', source: (await arena.makeRelease()).path, killAt: null });
  await run.ready;
  run.send('go\n');
  const timer = setTimeout(() => process.kill(run.pid, 'SIGKILL'), time);
  const { signal } = await run.end;
  clearTimeout(timer);
  const { confirmed, others } = readEnds(await awaitGuards(arena), before);
  const split = confirmed.length > 0 && others.length > 0;
  const found = split ? await recoverOnce(arena) : [];
  const violations = [...found, ...judgeLinks(await awaitGuards(arena))];
  const how = split ? 'after one recover' : signal === null ? 'ended before the kill' : 'alike by itself';
  return { violations: violations.map(what => `killed after ${time} ms: ${what}`), how };
}

it(`ends on one release after ${KILLS} kills at random moments of a deployment to ${HOSTS} real servers`, async () => {
  const arena = await startArena({ hosts: HOSTS, start: startSshdFleet });
  try {
    const took = await measure(arena);
    const killed: Killed[] = [];
    for (let kill = 0; kill < KILLS; kill++) killed.push(await killAfter(arena, Math.random() * took));
    const { reads, violations: unresolved } = await arena.stopWatching();
    const count = (how: Killed['how']): number => killed.filter(one => one.how === how).length;
    const violations = killed.flatMap(one => one.violations);
    console.log(
      `${KILLS} kills within ${Math.round(took)} ms: ${count('alike by itself')} fleets alike by themselves, ` +
        `${count('after one recover')} after one recover, ${count('ended before the kill')} ended before the kill; ` +
        `${violations.length} violations; ${reads} reads through the links, ${unresolved.length} unresolved`,
    );
    expect([...violations, ...unresolved]).toEqual([]);
  } finally {
    await arena.stop();
  }
});
