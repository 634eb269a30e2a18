/** Run by the build: writes the JSON Schema of the inventory beside the compiled code. */

import { writeFile } from 'node:fs/promises';
import { jsonSchema } from './json-schema.ts';

await writeFile(new URL('./inventory.schema.json', import.meta.url), `${JSON.stringify(jsonSchema(), null, 2)}\n`);
