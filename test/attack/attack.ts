import type { DegradationName } from './degradations.ts';
import type { Field } from './field.ts';

/** The layers of the product, in the order in which an attacker meets them. The words are those of docs/threat-model.md. */
export const LAYERS = {
  whitelist: 'only hosts of mcp-pra.yaml can be named',
  'host keys': 'strict host keys from known_hosts, no way to switch that off',
  'sshd keys': 'which key logs in to which account, from where, until when, and not once it is revoked',
  certificates:
    'one authority, one account, one host, for minutes; not once the serial or the authority is revoked',
  revocation: 'a revoked key loses what was opened with it as well',
  'sshd Match': 'the Match block: ForceCommand, no terminal, forwarding, tunnel, environment',
  'key options': '`restrict,command=` on each line of authorized_keys',
  'login shell': 'the wrapper as login shell: takes no other arguments than sshd’s own',
  'pra-exec': 'one listed word',
  wrapper: 'mcp-wrapper: the form of the line, the closed table, values by type, limits',
  no_new_privs: 'what the reader channel runs gains nothing from set-user-id programs',
  logs: 'the files of records, filled by fields that journald took from the kernel',
  account: 'password `*`, no ageing, a home that is root’s, folders that are root’s, no groups',
  sudo: 'one literal line for each word',
  'pra-run': 'the ticket, judged by the target itself, and the claim',
} as const;

export type Layer = keyof typeof LAYERS;

/** What became of an attack when a layer was off: it got through, or the next layer stopped it with these words. */
export interface Without {
  readonly off: DegradationName;
  readonly so: 'through' | { readonly layer: Layer; readonly stopped: RegExp };
}

/** One attack: what is tried, which layer stops it, and what happens where that layer is off. */
export interface Attack {
  /** kebab-case, for ever: docs and records name it. */
  readonly id: string;
  readonly what: string;
  readonly layer: Layer;
  /** Numbers of known vulnerabilities of other programs that this is the counterpart of. */
  readonly cve?: readonly string[];
  /**
   * Does it, as the attacker would, and returns all that the attacker saw (`told` makes a text of an answer). What it has to
   * change on the host beforehand it changes back.
   */
  attack(field: Field): Promise<string>;
  /** What the layer says. Matches what the attacker saw where all layers stand. */
  readonly stopped: RegExp;
  /** What only an attack that got through shows. A canary file always counts: it is appended as the line `CANARY`. */
  readonly through: RegExp;
  readonly without: readonly Without[];
  /** The row shows itself that the same thing without its fault gets through: no layer has to be off for that. */
  readonly putRight?: true;
  /** Changes what the whole host does for a while (reboot, full disk), or ends while its request may run: it comes after the records are compared. */
  readonly last?: true;
}
