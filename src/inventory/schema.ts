/** What an inventory file may hold. The JSON Schema for editors is made from the same. */

import { z } from 'zod';
import {
  type Bounds,
  explainAddress,
  explainDuration,
  explainHostName,
  explainJump,
  explainLocalPath,
  explainPart,
  explainReleaseId,
  explainRoot,
  explainUrl,
  type Mistake,
} from './values.ts';

const text = z.string().min(1, 'must not be empty');
const part = text.superRefine(explainBy(explainPart)).meta({ pattern: '^[^./-][^/]*$' });
const port = z.int().min(1, 'must be 1 to 65535').max(65535, 'must be 1 to 65535');
const root = text.superRefine(explainBy(explainRoot)).meta({ pattern: '^/' });
const file = text.superRefine(explainBy(explainLocalPath));
const address = text.superRefine(explainBy(explainAddress));
const hostName = text.superRefine(explainBy(explainHostName));
const jump = z.array(text.superRefine(explainBy(explainJump)));
const patience = duration({ least: '1s', most: '24h' });
const slots = z
  .array(part)
  .min(2, 'must name two or more slots')
  .superRefine(
    explainBy(names => {
      const twice = names.find((name, at) => names.indexOf(name) !== at);
      return twice === undefined ? null : [`${twice} is named twice`, 'Give each slot a name of its own'];
    }),
  );

const sshKeys = {
  user: text.optional().describe('The login; default: the local user'),
  port: port.optional().describe('Default: 22'),
  identity: z
    .union([file, z.array(file)])
    .optional()
    .describe('Private key files; default: the SSH agent, then the usual files'),
  knownHosts: file.optional().describe('Default: ~/.ssh/known_hosts'),
  hostKeys: z.enum(['strict', 'accept-new'], 'must be strict or accept-new').optional().describe('Default: strict'),
  jump: jump.optional().describe('Bastions, in order: [USER@]ADDRESS[:PORT]'),
};

const appKeys = {
  name: part.describe('The live link is <root>/<name>'),
  root: root.describe('An absolute path on the servers'),
  slots: slots.optional().describe('Default: <name>_l and <name>_r'),
};

const check = z.union([text, z.strictObject({ run: text, within: patience.optional().describe('Default: 60s') })]);

const hostKeys = {
  name: hostName.describe('A host, or a range of hosts'),
  address: address.optional().describe('Default: the name'),
  tags: z
    .array(z.string().regex(/^[A-Za-z0-9._-]+$/, 'must be letters, digits and . _ -'))
    .optional()
    .describe('For --only'),
  root: root.optional().describe('Default: app.root'),
  slots: slots.optional().describe('Default: app.slots'),
  ...sshKeys,
};

/** The parts of a file, for reading what is right of one that has mistakes: unknown keys are passed over. */
export const partSchemas = {
  app: z.object(appKeys),
  ssh: z.object(sshKeys),
  host: z.union([hostName, z.object(hostKeys)]),
};

const sourceKeys = {
  url: text
    .superRefine(explainBy(explainUrl))
    .meta({ pattern: '^https?://' })
    .describe('An artifact that hosts fetch themselves, as fleetflip pack makes it'),
  release: text
    .superRefine(explainBy(explainReleaseId))
    .meta({ pattern: '^sha256:[0-9a-f]{64}$' })
    .optional()
    .describe('The id that it must have; default: whatever is there'),
};

export const inventorySchema = z.strictObject({
  app: z.strictObject(appKeys).describe('What is released'),
  ssh: z.strictObject(sshKeys).optional().describe('How to log in; a host may say otherwise'),
  strategy: z
    .strictObject({
      parallel: z
        .int()
        .min(1, 'must be 1 to 10000')
        .max(10_000, 'must be 1 to 10000')
        .optional()
        .describe('Hosts staged at a time; default: 32'),
      stageWithin: patience.optional().describe('A host that takes longer votes no; default: 15m'),
      confirmWithin: patience.optional().describe("The guard's patience; default: 60s"),
      compress: z
        .enum(['auto', 'none', 'gzip', 'zstd'], 'must be auto, none, gzip or zstd')
        .optional()
        .describe('How releases travel; default: auto, which packs them where the link was measured to be slow'),
      maxSkew: duration({ least: '1ms', most: '24h' }).optional().describe('More is a revert; default: 100ms'),
    })
    .optional(),
  checks: z
    .strictObject({ idle: z.array(check).optional().describe('Commands run in the idle slot; part of the vote') })
    .optional(),
  source: z.strictObject(sourceKeys).optional().describe('What deploy, stage and plan release when nothing is named'),
  hosts: z.array(z.union([hostName, z.strictObject(hostKeys)])).min(1, 'must name at least one host'),
});

export type InventoryFile = z.infer<typeof inventorySchema>;
export type HostItem = InventoryFile['hosts'][number];

/** Keys of the contract that this version does not act on, so that nobody takes them for misspellings. */
export const LATER_KEYS: readonly string[] = [
  ...['preview', 'previous', 'shared', 'keep', 'owner', 'fileMode', 'dirMode'].map(key => `app.${key}`),
  ...['config', 'transport'].flatMap(key => [`ssh.${key}`, `hosts.${key}`]),
  'become',
  'checks.live',
  'hooks',
  ...['waves', 'watch', 'settle', 'quarantine'].map(key => `strategy.${key}`),
  'notify',
];

function duration(bounds: Bounds) {
  return text.superRefine(explainBy(value => explainDuration(value, bounds))).meta({ pattern: '^\\d+(ms|s|m|h)$' });
}

/** A mistake and its mend as an issue of zod, or none; what is empty is told already. */
function explainBy<Value extends { readonly length: number }>(explain: (value: Value) => Mistake) {
  return (value: Value, context: z.core.$RefinementCtx<Value>): void => {
    const found = value.length === 0 ? null : explain(value);
    if (found !== null) context.addIssue({ code: 'custom', message: found[0], params: { hint: found[1] } });
  };
}
