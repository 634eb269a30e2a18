/** Where a host keeps what fleetflip knows. */

import type { App } from '../domain/fleet.ts';

export function recordDirectory(app: App): string {
  return `${app.root}/.${app.name}.fleetflip`;
}
