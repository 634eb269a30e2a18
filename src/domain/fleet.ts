/** The servers of an inventory and what is released to them. Pure data: all paths and defaults are resolved. */

import type { ArtifactSource } from './artifact.ts';
import type { CompressWish } from './packing.ts';

export interface Fleet {
  readonly app: App;
  readonly hosts: readonly Host[];
  readonly strategy: Strategy;
  readonly checks: Checks;
  /** What is released when nobody names a release. */
  readonly source?: ArtifactSource;
}

export interface App {
  /** The live link is `<root>/<name>`. */
  readonly name: string;
  readonly root: string;
  /** Two or more directory names beside the link. */
  readonly slots: readonly string[];
}

export interface Host {
  readonly name: string;
  /** Host name or IP address that is connected to. */
  readonly address: string;
  readonly tags: readonly string[];
  /** The app on this host: root and slots may differ from the fleet's. */
  readonly app: App;
  readonly ssh: SshSettings;
}

export interface SshSettings {
  /** Undefined: the local user's name. */
  readonly user?: string;
  readonly port: number;
  /** Absolute paths of private keys. Empty: the agent, then the usual files in ~/.ssh. */
  readonly identity: readonly string[];
  /** Absolute path. */
  readonly knownHosts: string;
  readonly hostKeys: 'strict' | 'accept-new';
  /** Bastions, in the order in which they are passed. */
  readonly jump: readonly JumpHost[];
}

export interface JumpHost {
  readonly user?: string;
  readonly address: string;
  readonly port: number;
}

export interface Strategy {
  /** Hosts staged at a time. */
  readonly parallel: number;
  /** Milliseconds. */
  readonly stageWithin: number;
  /** Milliseconds. */
  readonly confirmWithin: number;
  /** Milliseconds. */
  readonly maxSkew: number;
  readonly compress: CompressWish;
}

export interface Checks {
  /** Run in the idle slot; part of the vote. */
  readonly idle: readonly CommandCheck[];
}

export interface CommandCheck {
  /** Given to `sh -c` on the host, in the slot. */
  readonly run: string;
  /** Milliseconds. */
  readonly within: number;
}
