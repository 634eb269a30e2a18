/** Waiting that can be given up, and time limits that hold. */

/** Settles as the work does, or rejects with the signal's reason as soon as it aborts; the work itself goes on. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
    if (signal.aborted) stop();
  });
}

/**
 * Aborts with a `TimeoutError` after the time, or as soon as one of the others does.
 * An `AbortSignal.timeout` inside `AbortSignal.any` is held by nobody: the garbage collector takes the limit away.
 */
export function limitTime(milliseconds: number, ...others: readonly AbortSignal[]): AbortSignal {
  const limit = new AbortController();
  const late = (): void => limit.abort(new DOMException('the time is over', 'TimeoutError'));
  setTimeout(late, milliseconds).unref();
  return others.length === 0 ? limit.signal : AbortSignal.any([limit.signal, ...others]);
}
