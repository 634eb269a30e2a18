/** The ways to a host. */

export { createSsh2Connector, type Ssh2Options } from './connector.ts';
export { createLocalConnector, type LocalOptions } from './local.ts';
