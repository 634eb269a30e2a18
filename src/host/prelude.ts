/** The start of every channel: one command for all login shells, and the sh script that it reads from its input. */

import type { App } from '../domain/fleet.ts';
import { recordDirectory } from './record.ts';

/** The agent's text and its name. */
export interface AgentSource {
  readonly bytes: Uint8Array;
  /** Lower-case hex SHA-256 of the bytes. */
  readonly digest: string;
}

export interface Start {
  readonly app: App;
  readonly agent: AgentSource;
  readonly nonce: string;
  /** The agent's own verb and its words; ROOT and NAME are put between them. */
  readonly verb: 'serve' | 'receive' | 'measure' | 'contents';
  readonly words: readonly string[];
  /** False: nothing is written on the host. */
  readonly persist: boolean;
  /** The agent's file was measured over this connection. */
  readonly measured?: boolean | undefined;
}

/** @returns the command to run, and what to write to its standard input before anything else. */
export function writePrelude(start: Start): { readonly command: string; readonly input: Buffer } {
  const input = Buffer.from(script(start));
  return { command: `exec sh -c 'eval "$(dd bs=1 count=${input.length} 2>/dev/null)"'`, input };
}

function script({ app, agent, nonce, verb, words, persist, measured = false }: Start): string {
  const record = recordDirectory(app);
  const file = quote(`${record}/agent-${agent.digest}.sh`);
  const args = [verb, app.root, app.name, ...words].map(quote).join(' ');
  const length = agent.bytes.length;
  const refuse = (code: string, test: string): string =>
    `${test} || { echo 'fleetflip ${nonce} refused ${code}'; exit 1; }`;
  const bring = persist
    ? [
        refuse('NO_ROOT', `[ -d ${quote(app.root)} ]`),
        `if [ -g ${quote(app.root)} ]; then umask 007; m=2770; else umask 077; m=0700; fi`,
        `[ -d ${quote(record)} ] || mkdir -m $m ${quote(record)} 2>/dev/null`,
        refuse('NOT_WRITABLE', `[ -w ${quote(record)} ]`),
        `if ! whole ${file}; then echo 'fleetflip ${nonce} need'`,
        `t=${file}.$$; dd bs=1 count=${length} >"$t" 2>/dev/null`,
        `whole "$t" && mv -f "$t" ${file} || { rm -f "$t"; echo 'fleetflip ${nonce} refused WRITE_FAILED'; exit 1; }; fi`,
        `echo 'fleetflip ${nonce} ready'`,
        `exec sh ${file} ${args}`,
      ]
    : [
        `if whole ${file}; then echo 'fleetflip ${nonce} ready'; exec sh ${file} ${args}; fi`,
        `echo 'fleetflip ${nonce} need'`,
        `a=$(dd bs=1 count=${length} 2>/dev/null)`,
        `echo 'fleetflip ${nonce} ready'`,
        `exec sh -c "$a" fleetflip-agent ${args}`,
      ];
  const whole = measured
    ? ['whole() { [ -s "$1" ]; }']
    : [
        `whole() { [ -r "$1" ] && [ "$(wc -c <"$1")" -eq ${length} ] || return 1`,
        `case $({ sha256sum <"$1" || openssl dgst -sha256 -r <"$1"; } 2>/dev/null) in ${agent.digest}*) ;; *) return 1;; esac; }`,
      ];
  return `${[...whole, ...bring].join('\n')}\n`;
}

/** For a POSIX shell: everything between single quotes stands for itself. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
