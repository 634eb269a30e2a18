/** A command whose run breaks off, for tests of what surrounds it. Arguments: the inventory, where it is, what happens. */

import { withFleet } from '../../src/cli/surroundings.ts';
import type { Command, EventData, FleetEvent } from '../../src/domain/event.ts';
import { FleetflipError } from '../../src/index.ts';

const [inventory = '', place = '', happening = '', command = 'deploy'] = process.argv.slice(2);

const EVENTS: Readonly<Record<string, readonly EventData[]>> = {
  before: [],
  connected: [
    {
      kind: 'run-started',
      command: 'deploy',
      deployment: 'D',
      app: 'foo',
      hosts: ['web01'],
      release: null,
      label: 'v1',
    },
    { kind: 'phase-started', phase: 'stage', hosts: ['web01'] },
  ],
};

process.exitCode = await withFleet({
  command: command as Command,
  options: { inventory, output: 'json' },
  async work(_fleet, { emit, signal }) {
    const flip: EventData = { kind: 'phase-started', phase: 'flip', hosts: ['web01'] };
    const events = place === 'flipping' ? [...(EVENTS.connected ?? []), flip] : (EVENTS[place] ?? []);
    for (const event of events) emit?.({ v: 1, time: '2026-01-02T03:04:05.000Z', ...event } as FleetEvent);
    signal?.addEventListener('abort', () => process.stderr.write('aborted\n'));
    return happen(signal);
  },
  end: code => code,
});

function happen(signal: AbortSignal | undefined): Promise<number> {
  if (happening === 'bug') throw new TypeError('a bug');
  if (happening === 'refusal')
    throw new FleetflipError({ kind: 'refused', code: 'NO', phase: 'prepare', what: 'no', hint: 'h' });
  if (happening === 'uncaught') setImmediate(() => void happenLater());
  process.stderr.write('hanging\n');
  return new Promise((_, reject) => {
    const alive = setInterval(() => undefined, 1000);
    if (happening !== 'interruption') return;
    signal?.addEventListener('abort', () => {
      clearInterval(alive);
      reject(signal.reason);
    });
  });
}

async function happenLater(): Promise<never> {
  throw new TypeError('a bug nobody waits for');
}
