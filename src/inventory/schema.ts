/** What an inventory file may hold. The JSON Schema for editors is made from the same. */

import { z } from 'zod';

const PART = /^(?!\.)(?!-)[A-Za-z0-9._+@=,-]+$/;
const partText = 'must be one part of a path: letters, digits and . _ + @ = , - (not beginning with . or -)';

const part = z.string().regex(PART, partText);
const absolute = z.string().regex(/^\/[^\0\n]*$/, 'must be an absolute path');
const duration = z.string().regex(/^\d+(ms|s|m|h)$/, 'must be a time such as 100ms, 60s, 15m or 2h');
const port = z.int().min(1).max(65535);
const identity = z.union([z.string(), z.array(z.string())]);
const jump = z.array(
  z.string().regex(/^([^@\s]+@)?(\[[0-9A-Fa-f:.%]+\]|[^@:\s[\]]+)(:\d{1,5})?$/, 'must be [USER@]ADDRESS[:PORT]'),
);
const slots = z.array(part).min(2, 'must name two or more slots');

const sshKeys = {
  user: z.string().min(1).optional().describe('The login; default: the local user'),
  port: port.optional().describe('Default: 22'),
  identity: identity.optional().describe('Private key files; default: the SSH agent, then the usual files'),
  knownHosts: z.string().optional().describe('Default: ~/.ssh/known_hosts'),
  hostKeys: z.enum(['strict', 'accept-new']).optional().describe('Default: strict'),
  jump: jump.optional().describe('Bastions, in order'),
};

const check = z.union([z.string().min(1), z.strictObject({ run: z.string().min(1), within: duration.optional() })]);

const host = z.union([
  z.string().min(1),
  z.strictObject({
    name: z.string().min(1).describe('A host, or a range of hosts'),
    address: z.string().min(1).optional().describe('Default: the name'),
    tags: z.array(z.string().regex(/^[A-Za-z0-9._-]+$/, 'must be letters, digits and . _ -')).optional(),
    root: absolute.optional(),
    slots: slots.optional(),
    ...sshKeys,
  }),
]);

export const inventorySchema = z.strictObject({
  app: z.strictObject({
    name: part.describe('The live link is <root>/<name>'),
    root: absolute,
    slots: slots.optional().describe('Default: <name>_l and <name>_r'),
  }),
  ssh: z.strictObject(sshKeys).optional(),
  strategy: z
    .strictObject({
      parallel: z.int().min(1).max(10_000).optional().describe('Hosts staged at a time; default: 32'),
      stageWithin: duration.optional().describe('A host that takes longer votes no; default: 15m'),
      confirmWithin: duration.optional().describe("The guard's patience; default: 60s"),
      maxSkew: duration.optional().describe('More is a revert; default: 100ms'),
    })
    .optional(),
  checks: z
    .strictObject({ idle: z.array(check).optional().describe('Commands run in the idle slot; part of the vote') })
    .optional(),
  hosts: z.array(host).min(1, 'must name at least one host'),
});

export type InventoryFile = z.infer<typeof inventorySchema>;
export type HostItem = InventoryFile['hosts'][number];

/** For editors. */
export function jsonSchema(): object {
  return z.toJSONSchema(inventorySchema, { io: 'input' });
}

/** Keys of the contract that this version does not act on, so that nobody takes them for misspellings. */
export const LATER_KEYS: readonly string[] = [
  'app.preview',
  'app.previous',
  'app.shared',
  'app.keep',
  'app.owner',
  'app.fileMode',
  'app.dirMode',
  'ssh.config',
  'ssh.transport',
  'become',
  'checks.live',
  'hooks',
  'strategy.waves',
  'strategy.watch',
  'strategy.settle',
  'strategy.compress',
  'strategy.quarantine',
  'notify',
];

/** The keys known at each place, by the place's path without numbers. */
export const KNOWN_KEYS: Readonly<Record<string, readonly string[]>> = {
  '': ['app', 'ssh', 'strategy', 'checks', 'hosts'],
  app: ['name', 'root', 'slots'],
  ssh: Object.keys(sshKeys),
  strategy: ['parallel', 'stageWithin', 'confirmWithin', 'maxSkew'],
  checks: ['idle'],
  'checks.idle': ['run', 'within'],
  hosts: ['name', 'address', 'tags', 'root', 'slots', ...Object.keys(sshKeys)],
};
