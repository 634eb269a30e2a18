/** The SSH agent of this machine, and what came of asking it: a login that fails says so. */

import {
  BaseAgent,
  createAgent,
  type IdentityCallback,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
} from 'ssh2';

type PublicKey = string | Buffer | ParsedKey;

export class WatchedAgent extends BaseAgent {
  readonly #agent: BaseAgent;
  #offered: number | null = null;
  #problem: string | null = null;

  constructor(socketPath: string) {
    super();
    this.#agent = createAgent(socketPath);
  }

  override getIdentities(answer: IdentityCallback): void {
    this.#agent.getIdentities((error, keys) => {
      if (error) this.#problem = error.message;
      else this.#offered = keys?.length ?? 0;
      answer(error, keys);
    });
  }

  override sign(
    key: PublicKey,
    data: Buffer,
    options: SigningRequestOptions | SignCallback,
    answer: SignCallback = () => undefined,
  ): void {
    const [given, tell] = typeof options === 'function' ? [{}, options] : [options, answer];
    this.#agent.sign(key, data, given, (error, signature) => {
      if (error) this.#problem = error.message;
      tell(error, signature);
    });
  }

  /** What came of it, for people. */
  describe(): string {
    const notes = [
      ...(this.#offered === null ? [] : [this.#offered === 1 ? '1 key' : `${this.#offered} keys`]),
      ...(this.#problem === null ? [] : [this.#problem]),
    ];
    return notes.length === 0 ? 'the SSH agent' : `the SSH agent (${notes.join('; ')})`;
  }
}
