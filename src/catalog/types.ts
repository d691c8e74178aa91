/** Parameter types of docs/wire-protocol.md; `text` is for diagnostics only. */
export type ParamType =
  | 'unit'
  | 'integer'
  | 'choice'
  | 'log'
  | 'mount'
  | 'tree'
  | 'endpoint'
  | 'certificate'
  | 'port'
  | 'span'
  | 'text';

/** One parameter, as in verb and action files: `bounds` is the canonical text of docs/wire-protocol.md (`-` for none). */
export interface Param {
  readonly name: string;
  readonly type: ParamType;
  readonly bounds: string;
  readonly default?: string;
  readonly help: string;
}

/** A value of a fact; a fact that could not be read is absent, never null. */
export type FactValue = string | number | boolean | readonly FactRow[];
export type FactRow = Readonly<Record<string, string | number | boolean>>;
export type Facts = Readonly<Record<string, FactValue>>;

export type Impact = 'LOW' | 'MEDIUM' | 'HIGH';

/** Seconds and bytes for each run line (diagnostic) or for the action. */
export interface Limits {
  readonly seconds: number;
  readonly bytes: number;
}

/** One command of a diagnostic: argv only, absolute program, placeholders `{name}`, `--x={name}`, `--x=-{name}`. */
export interface Run {
  readonly section: string;
  readonly argv: readonly string[];
  /** Exit code with which the program, saying nothing, tells that there is nothing. */
  readonly none?: number;
}

/** A read-only diagnostic, loaded and checked. `digest` is the definition's SHA-256 (hex). */
export interface Diagnostic {
  readonly kind: 'diagnostic';
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly params: readonly Param[];
  readonly run: readonly Run[];
  readonly collector?: string;
  /** Programs of ours that it runs on the target, from target-scripts/helpers. */
  readonly helpers?: readonly { readonly file: string; readonly sha256: string }[];
  readonly parse: ParseRule;
  /** Names (and one-line meanings) of the facts it yields. */
  readonly facts: Readonly<Record<string, FactRule>>;
  readonly stable: readonly string[];
  readonly limits: Limits;
  readonly needs: {
    readonly program?: string;
    readonly group?: string;
    readonly file?: string;
    readonly member?: string;
  };
  readonly tags: readonly string[];
  readonly promote: boolean;
  /** How it was shown to work: 1 on a fault planted in the lab and on its absence, 2 on a real instance, 3 on recordings only. Each one that is shipped has it. */
  readonly tier?: 1 | 2 | 3;
  /** Whether the answer is shown besides its facts; it always is when no fact could be read. */
  readonly text: boolean;
  /** Whether the text is a log, which is made short before it is shown. Not part of the digest: nothing of it reaches a target. */
  readonly compact: boolean;
  readonly example: Readonly<Record<string, string>>;
  readonly digest: string;
}

/** How sections become facts: a declarative kind, or a named parser of src/catalog/parsers/. */
export type ParseRule = 'kv' | 'json' | 'table' | 'lines' | { readonly parser: string };

/** Where a declarative fact comes from (`from`: key or column) and its type. */
export interface FactRule {
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'rows';
  readonly from?: string;
  readonly help: string;
}

export interface Expectation {
  readonly fact: string;
  readonly op: 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';
  readonly value: string | number | boolean;
}

/** Argument values by name; `{parameter}` stands for a value of the definition they are written in. */
export type ArgValues = Readonly<Record<string, string>>;

export interface Check {
  readonly diagnostic: string;
  readonly args: ArgValues;
  readonly expect: readonly Expectation[];
}

/** What must be true before an action runs. `tolerance`: how far an integer among the stable facts may move meanwhile. */
export interface Precheck extends Check {
  readonly tolerance: Readonly<Record<string, number>>;
}

/** What must be true after it. `within`: seconds (0-300) in which it may become so. `evidence`: facts that a receipt shows besides. */
export interface Verification extends Check {
  readonly evidence: readonly string[];
  readonly within: number;
}

/** A PRA action, loaded and checked. `digest` covers the definition and the script's bytes. */
export interface Action {
  readonly kind: 'action';
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly impact: Impact;
  readonly params: readonly Param[];
  readonly argv: readonly string[];
  readonly script?: { readonly file: string; readonly sha256: string };
  readonly effects: string;
  readonly undo: string;
  /** The action that takes it back, to be proposed and approved like any other. */
  readonly undo_action?: { readonly action: string; readonly args: ArgValues };
  /** Whether the host goes down by it: then the boot that follows says what came of it. */
  readonly ends: 'nothing' | 'reboot' | 'poweroff';
  readonly precheck: readonly Precheck[];
  readonly verify: readonly Verification[];
  readonly limits: Limits;
  readonly idempotent: boolean;
  readonly cancellable: boolean;
  /** Seconds between two automatic runs of the same action and arguments on one host. */
  readonly cooldown: number;
  readonly tags: readonly string[];
  readonly digest: string;
}

/** A fact that explains a symptom when it is so. */
export interface Finding extends Expectation {
  readonly say: string;
}

/** What to ask for one symptom. */
export interface Triage {
  readonly symptom: string;
  readonly title: string;
  readonly ask: readonly {
    readonly diagnostic: string;
    readonly args: ArgValues;
    /** Asked for each name of this kind that the host has; the parameter is called so too. */
    readonly each?: ParamType | undefined;
    readonly findings: readonly Finding[];
  }[];
  readonly next: string;
}

export interface Catalog {
  readonly diagnostics: ReadonlyMap<string, Diagnostic>;
  readonly actions: ReadonlyMap<string, Action>;
  /** By symptom. Not in the digest: nothing of them is on a target. */
  readonly triages: ReadonlyMap<string, Triage>;
  /** SHA-256 (hex) over all digests, in name order. */
  readonly digest: string;
}

/** Arguments after checking: strings, in `params` order, every default filled in. Only `checkArgs` makes one. */
export type CheckedArgs = ReadonlyMap<string, string> & { readonly __checked: unique symbol };
