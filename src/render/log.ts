/** Every event as a line of pino's JSON, written at once so that nothing is lost at the end. */

import { closeSync, openSync, writeSync } from 'node:fs';
import { pino } from 'pino';
import type { FleetEvent } from '../domain/event.ts';

export interface Log {
  emit(event: FleetEvent): void;
  end(): void;
}

/**
 * @param onError told once, when a line cannot be written; the log ends there
 * @throws the system's error when the file cannot be opened
 */
export function createLog(file: string, onError: (error: Error) => void): Log {
  let descriptor: number | null = openSync(file, 'a');
  const end = (): void => {
    if (descriptor !== null) closeSync(descriptor);
    descriptor = null;
  };
  // pino's own destination tries a full disk again and again.
  const write = (line: string): void => {
    try {
      if (descriptor !== null) writeAll(descriptor, Buffer.from(line));
    } catch (thrown) {
      end();
      onError(thrown instanceof Error ? thrown : new Error(String(thrown)));
    }
  };
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, { write });
  return {
    emit(event) {
      const failed = event.kind === 'host-failed' || (event.kind === 'result' && event.exitCode !== 0);
      if (failed) log.error({ event }, event.kind);
      else log.info({ event }, event.kind);
    },
    end,
  };
}

function writeAll(descriptor: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}
