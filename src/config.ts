import { constants, openSync, closeSync, fstatSync, readFileSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { crossProblems } from './config/cross-checks.ts';
import { nearest } from './nearest.ts';
import { configPath, processPaths, resolvePath, stateDir, type PathContext } from './config/paths.ts';
import { ConfigProblems, problemLine, type ConfigProblem } from './config/problem.ts';
import { schemaProblems, type SchemaNode } from './config/schema-problems.ts';
import { configSchema, type RawConfig } from './config/schema.ts';
import { ConfigSource } from './config/source.ts';
import { PraError } from './errors.ts';

export type PassphraseFrom =
  | { readonly env: string }
  | { readonly fd: number }
  | { readonly credential: string }
  | { readonly agent: true };

export interface HostConfig {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly tags: readonly string[];
  readonly groups: readonly string[];
  /** Name of an entry of `jumps`. */
  readonly jump: string | undefined;
  /** Which program connects. */
  readonly transport: 'ssh2' | 'openssh';
  /** Log in with certificates instead of the keys of `keys`. */
  readonly certificate: boolean;
}

/** A private key file and the account it opens. Paths are absolute. */
export interface KeyConfig {
  readonly path: string;
  readonly user: string;
  readonly passphrase: PassphraseFrom | undefined;
}

export interface JumpConfig extends KeyConfig {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** How certificates are made; `record` gets a line for each. */
export interface CertificatesConfig {
  readonly issuer:
    | { readonly kind: 'ca'; readonly keyPath: string; readonly passphrase: PassphraseFrom | undefined }
    | { readonly kind: 'command'; readonly argv: readonly string[]; readonly environment: readonly string[] };
  readonly lifetimeSeconds: number;
  readonly sourceAddress: readonly string[];
  readonly record: string;
}

/** A rule of `policy.rules`, with its one effect. */
export interface RuleConfig {
  readonly name: string;
  readonly when: RawRule['when'];
  readonly effect:
    | { readonly kind: 'raise'; readonly impact: 'MEDIUM' | 'HIGH' }
    | { readonly kind: 'refuse'; readonly sentence: string };
}
type RawRule = RawConfig['policy']['rules'][number];

/** `mcp-pra.yaml`, checked, with every default filled in and every path absolute. */
export interface Config {
  readonly path: string;
  readonly stateDir: string;
  readonly hosts: readonly HostConfig[];
  readonly jumps: readonly JumpConfig[];
  readonly groups: ReadonlyMap<string, readonly string[]>;
  readonly keys: {
    readonly reader: KeyConfig;
    readonly runner: KeyConfig;
    readonly auto: KeyConfig | undefined;
  };
  readonly certificates: CertificatesConfig | undefined;
  readonly knownHosts: string;
  readonly approver: { readonly principal: string; readonly key: string } | undefined;
  /** Who asks from this machine: the approver's principal, or the login name. */
  readonly principal: string;
  /** Kind (`logs`, …) → name → path or address. */
  readonly names: Readonly<
    Record<'logs' | 'endpoints' | 'trees' | 'certificates', Readonly<Record<string, string>>>
  >;
  readonly limits: {
    readonly callsPerMinute: number;
    readonly hostsPerCall: number;
    readonly resultTokens: number;
  };
  readonly approvals: { readonly executeSeconds: number };
  readonly policy: {
    readonly autoApprove: boolean;
    readonly denyActions: readonly string[];
    readonly raise: Readonly<Record<string, 'LOW' | 'MEDIUM' | 'HIGH'>>;
    readonly rules: readonly RuleConfig[];
  };
  /** Diagnostics with an MCP tool of their own besides those of the catalog, and without one. */
  readonly promote: readonly string[];
  readonly demote: readonly string[];
  /** The shipped catalog, and folders of the site. */
  readonly catalog: { readonly builtin: boolean; readonly dirs: readonly string[] };
  /** For later checks that want to point into the file. */
  readonly source: ConfigSource;
}

/** Published as docs/reference/mcp-pra.schema.json (JSON Schema draft 2020-12). */
export const configJsonSchema = z.toJSONSchema(configSchema, { target: 'draft-2020-12', io: 'input' });

/** The same, as the walk over its keys reads it. */
const schemaNode: SchemaNode = JSON.parse(JSON.stringify(configJsonSchema));

const MAX_BYTES = 1_048_576;

/**
 * Reads and checks the configuration. Throws CONFIG_MISSING, or CONFIG_INVALID with all problems in its cause
 * (`problemsOf`): a file with any error is not used at all.
 */
export const loadConfig = (flag?: string, context: PathContext = processPaths()): Config => {
  const path = configPath(context, flag);
  const { text, problems } = readGuarded(path, context.platform);
  const source = new ConfigSource(basename(path), text);
  problems.push(...source.syntaxProblems());
  if (problems.length > 0) throw invalid(problems);

  const value = source.value();
  const parsed = configSchema.safeParse(value);
  problems.push(...crossProblems(value, source));
  if (!parsed.success) {
    problems.push(...schemaProblems(parsed.error.issues, source, schemaNode));
  }
  if (!parsed.success || problems.length > 0) throw invalid(problems);
  return settle(parsed.data, path, source, context);
};

/** The problems behind a CONFIG_INVALID; empty for any other error. */
export const problemsOf = (error: unknown): readonly ConfigProblem[] =>
  error instanceof PraError && error.cause instanceof ConfigProblems ? error.cause.problems : [];

/**
 * Names that the file takes from the catalog: a misspelt `deny_actions` must not leave the action allowed.
 * Throws CONFIG_INVALID. Called as soon as the catalog is loaded.
 */
export const requireKnownNames = (
  config: Config,
  catalog: {
    readonly diagnostics: ReadonlyMap<string, { readonly tier?: number }>;
    readonly actions: ReadonlyMap<string, unknown>;
  },
): void => {
  const actions = [...catalog.actions.keys()];
  const diagnostics = [...catalog.diagnostics.keys()];
  const { source } = config;
  const unknown = (
    path: (string | number)[],
    name: string,
    known: readonly string[],
    kind: string,
  ): ConfigProblem[] =>
    known.includes(name)
      ? []
      : [
          source.problem(
            path,
            `the catalog has no ${kind} '${name}'`,
            `write '${nearest(name, known) ?? known.join("', '")}'`,
          ),
        ];
  const problems = [
    ...config.policy.denyActions.flatMap((name, i) =>
      unknown(['policy', 'deny_actions', i], name, actions, 'action'),
    ),
    ...Object.keys(config.policy.raise).flatMap((name) =>
      unknown(['policy', 'raise', name], name, actions, 'action'),
    ),
    ...config.policy.rules.flatMap(({ when }, rule) =>
      (when.actions ?? []).flatMap((name, i) =>
        unknown(['policy', 'rules', rule, 'when', 'actions', i], name, actions, 'action'),
      ),
    ),
    ...(['promote', 'demote'] as const).flatMap((key) =>
      config[key].flatMap((name, i) => unknown([key, i], name, diagnostics, 'diagnostic')),
    ),
  ];
  problems.push(
    ...config.promote.flatMap((name, i) =>
      catalog.diagnostics.get(name)?.tier === 3
        ? [
            source.problem(
              ['promote', i],
              `'${name}' was tried on recordings only (tier 3) and is no tool of its own`,
              'take it out; run_diagnostic reaches it',
            ),
          ]
        : [],
    ),
  );
  if (problems.length > 0) throw invalid(problems);
};

const invalid = (problems: readonly ConfigProblem[]): PraError => {
  const sorted = [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
  const [first] = sorted;
  return new PraError(
    'CONFIG_INVALID',
    { count: sorted.length, first: first === undefined ? '' : problemLine(first).slice(0, 600) },
    new ConfigProblems(sorted),
  );
};

/** The text, judged on the open file so that what is judged is what is read. */
const readGuarded = (
  path: string,
  platform: NodeJS.Platform,
): { text: string; problems: ConfigProblem[] } => {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY);
  } catch (thrown) {
    throw new PraError('CONFIG_MISSING', { path }, thrown);
  }
  try {
    const stat = fstatSync(fd);
    const here = (message: string, fix: string): ConfigProblem => ({
      file: basename(path),
      line: 1,
      column: 1,
      path: '',
      message,
      fix,
    });
    if (!stat.isFile() || stat.size > MAX_BYTES)
      throw invalid([here('this is not a file of at most 1 MiB', 'name another file')]);
    const problems: ConfigProblem[] = [];
    if (platform !== 'win32') {
      // Whoever can write the file or replace it in its directory decides which hosts and keys are used.
      if (!ownedWell(stat) || (stat.mode & 0o022) !== 0)
        problems.push(here('others can change this file', `run chmod 600 on ${path}, as its owner`));
      const dir = statSync(dirname(path));
      const sticky = (dir.mode & 0o1000) !== 0;
      if (!ownedWell(dir) || ((dir.mode & 0o022) !== 0 && !sticky))
        problems.push(
          here('others can replace files in this directory', `run chmod 700 on ${dirname(path)}`),
        );
    }
    return { text: readFileSync(fd, 'utf8'), problems };
  } finally {
    closeSync(fd);
  }
};

const ownedWell = ({ uid }: { readonly uid: number }): boolean => uid === 0 || uid === process.geteuid?.();

const settle = (raw: RawConfig, path: string, source: ConfigSource, context: PathContext): Config => {
  const dir = dirname(path);
  const absolute = (written: string): string => resolvePath(written, dir, context.home);
  const keyOf = (key: RawConfig['keys']['reader'], user: string): KeyConfig =>
    typeof key === 'string'
      ? { path: absolute(key), user, passphrase: undefined }
      : { path: absolute(key.path), user: key.user ?? user, passphrase: passphraseOf(key.passphrase) };
  const groups = new Map(Object.entries(raw.groups));
  return {
    path,
    stateDir: stateDir(context),
    hosts: Object.entries(raw.hosts).map(([name, { address, port, tags, jump, transport, certificate }]) => ({
      name,
      address,
      port,
      tags,
      jump,
      transport,
      certificate,
      groups: [...groups].filter(([, members]) => members.includes(name)).map(([group]) => group),
    })),
    jumps: Object.entries(raw.jumps).map(([name, { address, port, user, key, passphrase }]) => ({
      name,
      address,
      port,
      user,
      path: absolute(key),
      passphrase: passphraseOf(passphrase),
    })),
    groups,
    keys: {
      reader: keyOf(raw.keys.reader, 'mcp-reader'),
      runner: keyOf(raw.keys.runner, 'pra-runner'),
      auto: raw.keys.auto === undefined ? undefined : keyOf(raw.keys.auto, 'pra-runner'),
    },
    certificates: certificatesOf(raw.certificates, absolute, join(stateDir(context), 'certificates.jsonl')),
    knownHosts: absolute(raw.known_hosts),
    approver:
      raw.approver === undefined
        ? undefined
        : { principal: raw.approver.principal, key: absolute(raw.approver.key) },
    principal: raw.approver?.principal ?? loginName(),
    names: raw.names,
    limits: {
      callsPerMinute: raw.limits.calls_per_minute,
      hostsPerCall: raw.limits.hosts_per_call,
      resultTokens: raw.limits.result_tokens,
    },
    approvals: { executeSeconds: raw.approvals.execute_seconds },
    policy: {
      autoApprove: raw.policy.auto_approve,
      denyActions: raw.policy.deny_actions,
      raise: raw.policy.raise,
      rules: raw.policy.rules.map(ruleOf),
    },
    promote: raw.promote,
    demote: raw.demote,
    catalog: { builtin: raw.catalog.builtin, dirs: raw.catalog.dirs.map(absolute) },
    source,
  };
};

const ruleOf = ({ name, when, raise, refuse }: RawRule): RuleConfig => ({
  name,
  when,
  // Exactly one of them is there (rule-checks.ts).
  effect: raise === undefined ? { kind: 'refuse', sentence: refuse ?? '' } : { kind: 'raise', impact: raise },
});

const certificatesOf = (
  written: RawConfig['certificates'],
  absolute: (path: string) => string,
  record: string,
): CertificatesConfig | undefined => {
  if (written === undefined) return undefined;
  const { ca_key: key, command = [], passphrase, environment } = written.issuer;
  return {
    issuer:
      key === undefined
        ? { kind: 'command', argv: command, environment }
        : { kind: 'ca', keyPath: absolute(key), passphrase: passphraseOf(passphrase) },
    lifetimeSeconds: written.lifetime_seconds,
    sourceAddress: written.source_address,
    record,
  };
};

const passphraseOf = (
  written:
    | {
        env?: string | undefined;
        fd?: number | undefined;
        credential?: string | undefined;
        agent?: true | undefined;
      }
    | undefined,
): PassphraseFrom | undefined => {
  if (written?.env !== undefined) return { env: written.env };
  if (written?.fd !== undefined) return { fd: written.fd };
  if (written?.credential !== undefined) return { credential: written.credential };
  return written?.agent === true ? { agent: true } : undefined;
};

/** The login name in the characters a principal may have. */
export const loginName = (): string => {
  try {
    return (
      userInfo()
        .username.replace(/[^A-Za-z0-9@._-]/gu, '_')
        .slice(0, 64) || 'operator'
    );
  } catch {
    return 'operator'; // a user id without an account
  }
};
