/** Lets a bounded number through each gate at a time. */

export interface Turnstile {
  pass<T>(gate: string, work: () => Promise<T>): Promise<T>;
}

export function createTurnstile(limit: number): Turnstile {
  const inside = new Map<string, number>();
  const queues = new Map<string, (() => void)[]>();
  return {
    async pass(gate, work) {
      const count = inside.get(gate) ?? 0;
      if (count >= limit) {
        await new Promise<void>(resolve => {
          const queue = queues.get(gate) ?? [];
          queue.push(resolve);
          queues.set(gate, queue);
        });
      } else {
        inside.set(gate, count + 1);
      }
      try {
        return await work();
      } finally {
        const next = queues.get(gate)?.shift();
        if (next === undefined) inside.set(gate, (inside.get(gate) ?? 1) - 1);
        else next();
      }
    },
  };
}
