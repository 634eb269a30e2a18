// The long mode: FLEETFLIP_SIM_RUNS stories (100,000) in batches of a seed each, every batch in a process of its own, because
// Node keeps what signals made by AbortSignal.any refer to. A seed or a path in the environment tells one batch alone.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import pMap from 'p-map';

const BATCH = 5_000;
const total = Number(process.env.FLEETFLIP_SIM_RUNS ?? 100_000);
const seeds = Array.from({ length: Math.ceil(total / BATCH) }, (_, at) => at + 1);

/** Stories of one seed. @returns whether every law held in all of them */
function tell(runs, seed) {
  const env = { ...process.env, FLEETFLIP_SIM_RUNS: String(runs), FLEETFLIP_SIM_SEED: String(seed) };
  const args = ['vitest', 'run', '--project', 'unit', 'test/sim', '-t', 'ends on one release'];
  const child = spawn('npx', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk));
  return new Promise(resolve =>
    child.once('close', code => {
      console.log(output);
      resolve(code === 0);
    }),
  );
}

if (process.env.FLEETFLIP_SIM_SEED !== undefined || process.env.FLEETFLIP_SIM_PATH !== undefined) {
  process.exitCode = (await tell(total, process.env.FLEETFLIP_SIM_SEED ?? 1)) ? 0 : 1;
} else {
  const runsOf = seed => Math.min(BATCH, total - (seed - 1) * BATCH);
  const held = await pMap(seeds, seed => tell(runsOf(seed), seed), { concurrency: availableParallelism() });
  const broken = seeds.filter((_, at) => !held[at]);
  console.log(
    `${total} stories, ${broken.length === 0 ? '0 violations' : `violations with seed ${broken.join(', ')}`}`,
  );
  process.exitCode = broken.length === 0 ? 0 : 1;
}
