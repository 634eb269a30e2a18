/** Lets a bounded number through each gate at a time. */

export interface Turnstile {
  /** @throws the signal's reason when it aborts before the work has begun */
  pass<T>(gate: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

export function createTurnstile(limit: number): Turnstile {
  const inside = new Map<string, number>();
  const queues = new Map<string, (() => void)[]>();

  async function enter(gate: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const count = inside.get(gate) ?? 0;
    if (count < limit) {
      inside.set(gate, count + 1);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const queue = queues.get(gate) ?? [];
      const leave = (): void => {
        queue.splice(queue.indexOf(go), 1);
        reject(signal.reason);
      };
      const go = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      queue.push(go);
      queues.set(gate, queue);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  function leave(gate: string): void {
    const next = queues.get(gate)?.shift();
    if (next === undefined) inside.set(gate, (inside.get(gate) ?? 1) - 1);
    else next();
  }

  return {
    async pass(gate, signal, work) {
      await enter(gate, signal);
      try {
        return await work();
      } finally {
        leave(gate);
      }
    },
  };
}
