/** What is right of a file that has mistakes, so that the mistakes between its parts are found with the others. */

import type { z } from 'zod';
import type { Parts } from './resolve.ts';
import { partSchemas } from './schema.ts';

export function salvage(value: unknown): Parts {
  const file = isObject(value) ? value : {};
  const { hosts } = file;
  return {
    app: keep(partSchemas.app, file.app) ?? NO_APP,
    ssh: keep(partSchemas.ssh, file.ssh),
    hosts: Array.isArray(hosts) ? hosts.map(host => keep(partSchemas.host, host)) : [],
  };
}

/** No slot can be named like it. */
const NO_APP = { name: '', root: '/' };

function keep<T>(schema: z.ZodType<T>, part: unknown): T | undefined {
  return schema.safeParse(part).data;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
