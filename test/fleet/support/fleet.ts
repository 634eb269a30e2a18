/** The one shape of every fleet of real servers, so that the same tests run against plain sshd processes and containers. */

export interface TestFleet {
  /** On this machine: keys, inventories, releases. */
  readonly directory: string;
  readonly hosts: readonly TestHost[];
  /** The inventory of all hosts, as it stands in its file. */
  readonly inventory: Inventory;
  /** A second login of the group that owns the roots; the first one where there is no other account. */
  readonly colleague: string;
  host(name: string): TestHost;
  /** Writes an inventory and resolves with its path. @param changed default: the one of all hosts */
  write(changed?: Inventory): Promise<string>;
  stop(): Promise<void>;
}

export interface TestHost {
  readonly name: string;
  /** The app's root on the host. */
  readonly root: string;
  readonly flaws: Flaws;
  /** Runs a sh script beside SSH, with every right that there is; resolves with what it printed. */
  run(script: string): Promise<string>;
  /** Resolves with a directory of this machine that shows what is in that directory of the host. */
  show(path: string): Promise<string>;
  /** What the live link says, to the letter; empty when there is none. */
  readLink(): Promise<string>;
  /** A line with name, inode, mode, owner, size and mtime for everything that is there, and one with the SHA-256 of every file. */
  list(): Promise<readonly string[]>;
  /** Puts a program before the real one; with a fake `mv`, flips are made by it. @param script text of a sh script in which `$real` is the real program */
  fake(program: string, script: string): Promise<void>;
  unfake(program: string): Promise<void>;
  /** Lets nobody rename onto the live link, while everything around it is as before. Resolves with what ends that. */
  guardLink(): Promise<() => Promise<unknown>>;
  /** Gives the server another host key. Resolves, when it shows it, with what gives the old one back. */
  changeKey(): Promise<() => Promise<void>>;
}

/** Roots on a host, each with something wrong. */
export interface Flaws {
  /** On a disk of 2 MB. */
  readonly full: string;
  readonly readonly: string;
  /** Belongs to somebody else. */
  readonly foreign: string;
}

export interface Inventory {
  readonly app: { readonly name: string; readonly root: string };
  readonly ssh: Readonly<Record<string, unknown>>;
  readonly strategy: Readonly<Record<string, unknown>>;
  readonly source?: Readonly<Record<string, unknown>>;
  readonly hosts: readonly InventoryHost[];
}

export interface InventoryHost {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly root: string;
  readonly jump?: readonly string[];
  readonly user?: string;
}

export const APP = 'foo';
