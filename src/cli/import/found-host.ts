/** A host as an inventory or ssh_config has it, before anybody asked whether it may be taken. */
export interface FoundHost {
  /** What it is called there; `name` is what it would be called here. */
  readonly source: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** As ProxyJump is written: `[user@]host[:port]`. */
  readonly jump: string | undefined;
  readonly groups: readonly string[];
}

/** One that cannot be taken, and the rule. */
export interface RefusedHost {
  readonly source: string;
  readonly why: string;
}

export interface Found {
  readonly hosts: readonly FoundHost[];
  readonly refused: readonly RefusedHost[];
}
