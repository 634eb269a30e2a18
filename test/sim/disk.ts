/** A host's disk: directories of names, changed one step at a time, of which a power cut can take the last steps back. */

/** What a record file says. */
export type Fields = Readonly<Record<string, string>>;

export type Item =
  | { readonly kind: 'link'; readonly text: string }
  | { readonly kind: 'record'; readonly fields: Fields }
  | { readonly kind: 'file'; readonly text: string; readonly mtime: number };

export interface Change {
  readonly directory: string;
  readonly name: string;
  readonly before: Item | undefined;
  readonly after: Item | undefined;
  /** Where it was renamed from. */
  readonly from?: { readonly directory: string; readonly name: string };
}

export class Disk {
  /** Nothing can be created; what is there can be renamed and removed. */
  full = false;
  readonly #directories = new Map<string, Map<string, Item>>();
  #unflushed: (() => void)[] = [];

  readonly #watch: (change: Change) => void;

  constructor(watch: (change: Change) => void) {
    this.#watch = watch;
  }

  has(directory: string, name?: string): boolean {
    const found = this.#directories.get(directory);
    return name === undefined ? found !== undefined : found?.has(name) === true;
  }

  get(directory: string, name: string): Item | undefined {
    return this.#directories.get(directory)?.get(name);
  }

  link(directory: string, name: string): string | undefined {
    const item = this.get(directory, name);
    return item?.kind === 'link' ? item.text : undefined;
  }

  record(directory: string, name: string): Fields | undefined {
    const item = this.get(directory, name);
    return item?.kind === 'record' ? item.fields : undefined;
  }

  /** Names with the prefix, as a shell's glob sorts them. */
  list(directory: string, prefix = ''): string[] {
    const found = this.#directories.get(directory);
    if (found === undefined) return [];
    const names: string[] = [];
    for (const name of found.keys()) if (name.startsWith(prefix)) names.push(name);
    return names.sort();
  }

  directories(prefix: string): string[] {
    return [...this.#directories.keys()].filter(name => name.startsWith(prefix));
  }

  make(directory: string): boolean {
    if (this.full) return false;
    if (this.#directories.has(directory)) return true;
    this.#directories.set(directory, new Map());
    this.#unflushed.push(() => this.#directories.delete(directory));
    return true;
  }

  removeDirectory(directory: string): void {
    for (const name of this.list(directory)) this.remove(directory, name);
    if (!this.#directories.delete(directory)) return;
    this.#unflushed.push(() => this.#directories.set(directory, new Map()));
  }

  /** Creates or replaces, as a whole. */
  put(directory: string, name: string, item: Item): boolean {
    if (this.full || !this.#directories.has(directory)) return false;
    this.#set(directory, name, item);
    return true;
  }

  /** Fails when the name is taken. */
  makeLink(directory: string, name: string, text: string): boolean {
    return !this.has(directory, name) && this.put(directory, name, { kind: 'link', text });
  }

  remove(directory: string, name: string): void {
    if (this.has(directory, name)) this.#set(directory, name, undefined);
  }

  rename(from: string, name: string, to: string, target: string): boolean {
    const source = this.#directories.get(from);
    const destination = this.#directories.get(to);
    const item = source?.get(name);
    if (source === undefined || destination === undefined || item === undefined) return false;
    const before = destination.get(target);
    source.delete(name);
    destination.set(target, item);
    this.#unflushed.push(() => {
      this.#restore(from, name, item);
      this.#restore(to, target, before);
    });
    this.#watch({ directory: to, name: target, before, after: item, from: { directory: from, name } });
    return true;
  }

  flush(): void {
    this.#unflushed = [];
  }

  get unflushed(): number {
    return this.#unflushed.length;
  }

  /** The power is cut: of what was not flushed the last steps never happened. */
  forget(steps: number): void {
    for (let left = steps; left > 0; left--) this.#unflushed.pop()?.();
    this.flush();
  }

  #set(directory: string, name: string, after: Item | undefined): void {
    const before = this.get(directory, name);
    this.#restore(directory, name, after);
    this.#unflushed.push(() => this.#restore(directory, name, before));
    this.#watch({ directory, name, before, after });
  }

  #restore(directory: string, name: string, item: Item | undefined): void {
    const found = this.#directories.get(directory);
    if (item === undefined) found?.delete(name);
    else found?.set(name, item);
  }
}
