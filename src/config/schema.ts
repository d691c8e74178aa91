import { z } from 'zod';

/** A host, group or jump name; host names are those of docs/wire-protocol.md §1. */
export const NAME = /^[a-z0-9][a-z0-9.-]{0,62}$/u;
/** Names of the wire: actions, diagnostics. */
export const DEFINITION_NAME = /^[a-z][a-z0-9_]{0,39}$/u;
/** Values of a name type (docs/wire-protocol.md §1). */
export const TABLE_NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/u;
export const PRINCIPAL = /^[A-Za-z0-9@._-]{1,64}$/u;
/** An IP address or a DNS name, without a port. */
export const ADDRESS = /^[A-Za-z0-9](?:[A-Za-z0-9.:_-]{0,252}[A-Za-z0-9])?$|^[0-9A-Fa-f:]{2,45}$/u;
const USER = /^[a-z_][a-z0-9_-]{0,31}$/u;
const SOURCE = /^(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:\/[0-9]{1,2})?|[0-9A-Fa-f:]{2,45}(?:\/[0-9]{1,3})?)$/u;
/** A file name of one folder: never `.`, `..` or hidden. */
const CREDENTIAL = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/u;
const ENVIRONMENT = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/u;
/** An address, a network, or `local`. */
export const NETWORK = /^local$|^([0-9A-Fa-f:.]{2,45})(?:\/([0-9]{1,3}))?$/u;
const TAG = /^[a-z0-9][a-z0-9_.-]{0,31}$/u;

/**
 * A key of a record. The pattern is published here and judged in cross-checks.ts: zod would not look at the value behind
 * a bad key, and then not all errors would be said at once.
 */
const keyOf = (pattern: RegExp): z.ZodString => z.string().meta({ pattern: pattern.source });

const path = z
  .string()
  .min(1)
  .max(4_096)
  .describe('A path; ~/ is the home directory, relative is beside this file.');
const address = z.string().regex(ADDRESS, 'must be an IP address or a DNS name, without a port');
const port = z.int().min(1).max(65_535).describe('TCP port of sshd.');
const impact = z.enum(['LOW', 'MEDIUM', 'HIGH']);
const definitionName = z
  .string()
  .regex(DEFINITION_NAME, 'must be a name of the catalog, such as restart_service');

/** Exactly one of the three; cross-checks.ts says so when it is not. */
const passphrase = z
  .strictObject({
    env: z.string().regex(ENVIRONMENT, 'must be the name of an environment variable').optional(),
    fd: z.int().min(3).max(1_023).optional(),
    credential: z
      .string()
      .regex(CREDENTIAL, 'must be the name of a credential: letters, digits and . _ -')
      .optional()
      .describe('Name of a file in $CREDENTIALS_DIRECTORY (systemd.exec(5)); its first line.'),
    agent: z.literal(true).optional(),
  })
  .meta({ minProperties: 1, maxProperties: 1 })
  .describe(
    'Where the passphrase comes from: an environment variable, a file descriptor, a credential of the service manager, or the SSH agent.',
  );

const keyFile = z.strictObject({
  path,
  user: z.string().regex(USER, 'must be a user name').optional().describe('Account on the hosts.'),
  passphrase: passphrase.optional(),
});
const key = z.union([path, keyFile]);

const host = z.strictObject({
  address: address.describe(
    'IP address or DNS name. The host key is looked up under the name of the host first.',
  ),
  port: port.default(22),
  tags: z.array(z.string().regex(TAG, 'must be small letters, digits, _ . and -')).max(32).default([]),
  jump: z.string().optional().describe('Name of an entry of jumps to go through.'),
  transport: z
    .enum(['ssh2', 'openssh'])
    .default('ssh2')
    .describe("Which program connects: this one itself, or the system's ssh (docs/certificates.md)."),
  certificate: z
    .boolean()
    .default(false)
    .describe('true: log in with a certificate made for each connection; needs transport openssh.'),
});

/** Exactly one of `ca_key` and `command`; cross-checks.ts says so when it is not. */
const issuer = z
  .strictObject({
    ca_key: path.optional().describe('Private key of a certificate authority for these accounts only.'),
    passphrase: passphrase.optional(),
    command: z
      .array(z.string().min(1).max(1_024))
      .min(1)
      .max(64)
      .optional()
      .describe('A program that reads the public key and prints the certificate; its first word is a path.'),
    environment: z
      .array(z.string().regex(ENVIRONMENT, 'must be the name of an environment variable'))
      .max(32)
      .default([])
      .describe('Variables that the command gets besides PATH and HOME.'),
  })
  .describe('Who makes certificates: a key of this machine, or a program that asks somebody else.');

const jump = z.strictObject({
  address,
  port: port.default(22),
  user: z.string().regex(USER, 'must be a user name'),
  key: path,
  passphrase: passphrase.optional(),
});

const absolutePath = z
  .string()
  .max(4_096)
  .regex(/^\/(?!.*(?:^|\/)\.\.?(?:\/|$))[^\0\n]*$/u, 'must be an absolute path without . or ..');
/** `host:port`, or a URL for http_probe: without a user, a query's fragment or anything but visible ASCII. */
const endpoint = z
  .string()
  .regex(
    /^(?:(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:]{2,45}\]):[1-9][0-9]{0,4}|https?:\/\/(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:]{2,45}\])(?::[1-9][0-9]{0,4})?(?:\/[!-"$-~]{0,512})?)$/u,
    'must be host:port, or an http or https URL',
  );

/** Name of a rule: it is said to models, and stands in the ledger. */
const ruleName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,31}$/u, 'must be small letters, digits, _ and -, at most 32');
const instant = z.iso
  .datetime({ offset: true, error: 'must be a moment with its offset, such as 2026-12-24T18:00:00+01:00' })
  .optional();
/** Judged by rule-checks.ts, as is `local` for no network at all. */
const network = z.string().max(64).meta({ pattern: NETWORK.source });
const someOf = <T extends z.ZodType>(one: T) => z.array(one).min(1).max(64).optional();

/** What is impossible (no key at all, no length) is said by rule-checks.ts. */
const timeWindow = z.strictObject({
  hours: z
    .string()
    .regex(
      /^(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)$/u,
      "must be two times of 24 hours, such as '22:00-06:00'",
    )
    .optional()
    .describe(
      'From the first minute until just before the second; over midnight when the second is smaller.',
    ),
  days: z
    .array(z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']))
    .min(1)
    .max(7)
    .optional()
    .describe('Days on which the window begins.'),
  time_zone: z
    .string()
    .max(64)
    .optional()
    .describe("A name of the IANA time zones; else the machine's own zone."),
});

/** Exactly one of `raise` and `refuse`; rule-checks.ts says so when it is not. */
const rule = z.strictObject({
  name: ruleName,
  when: z
    .strictObject({
      actions: someOf(definitionName),
      hosts: someOf(z.string()).describe('Names of hosts.'),
      groups: someOf(z.string()),
      tags: someOf(z.string()),
      clients: someOf(z.string().regex(PRINCIPAL, 'must be 1 to 64 letters, digits and @ . _ -')).describe(
        'Names that MCP clients give themselves; cli is this program at a terminal.',
      ),
      channels: someOf(z.enum(['mcp', 'cli'])),
      from: someOf(network).describe('Where the SSH session of this machine comes from; local: no SSH.'),
      not_from: someOf(network),
      between: timeWindow.optional(),
      outside: timeWindow.optional(),
      during: z.strictObject({ from: instant, until: instant }).optional(),
    })
    .default({})
    .describe('Every key has to match, of a list one entry; nothing here: always.'),
  raise: z.enum(['MEDIUM', 'HIGH']).optional().describe('Least impact while the rule applies.'),
  refuse: z
    .string()
    .regex(/^[^\p{Cc}\p{Cf}]{1,200}$/u, 'must be one line of 1 to 200 characters')
    .optional()
    .describe('Why nothing may run while the rule applies; people read it, a model gets the name.'),
});

/** The whole of `mcp-pra.yaml`. Every object is strict: an unknown key is an error. */
export const configSchema = z
  .strictObject({
    version: z.literal(1).describe('Version of this format.'),
    hosts: z.record(keyOf(NAME), host).describe('The hosts that may be reached; nothing else can be.'),
    jumps: z
      .record(keyOf(NAME), jump)
      .default({})
      .describe('Hosts to go through, with an account of their own.'),
    groups: z.record(keyOf(NAME), z.array(z.string())).default({}).describe('Named lists of hosts.'),
    keys: z
      .strictObject({
        reader: key.describe('Transport key of the account mcp-reader.'),
        runner: key.describe('Transport key of the account pra-runner.'),
        auto: key.optional().describe('Signs LOW actions that a host lets run by themselves.'),
      })
      .describe('Private keys, mode 0600. Transport keys and the auto key; never the key of an approver.'),
    certificates: z
      .strictObject({
        issuer,
        lifetime_seconds: z.int().min(60).max(900).default(600),
        source_address: z
          .array(z.string().regex(SOURCE, 'must be an IP address or a network, such as 192.0.2.0/24'))
          .max(16)
          .default([])
          .describe('From where a certificate may be used; none: from wherever the host allows.'),
      })
      .optional()
      .describe('Certificates for the hosts that say certificate: true.'),
    known_hosts: path.default('known_hosts').describe('Host keys, in the format of sshd(8).'),
    approver: z
      .strictObject({
        principal: z.string().regex(PRINCIPAL, 'must be 1 to 64 letters, digits and @ . _ -'),
        key: path,
      })
      .optional()
      .describe('Who approves on this machine; the key is encrypted and its passphrase always typed.'),
    names: z
      .strictObject({
        logs: z.record(keyOf(TABLE_NAME), absolutePath).default({}),
        endpoints: z.record(keyOf(TABLE_NAME), endpoint).default({}),
        trees: z.record(keyOf(TABLE_NAME), absolutePath).default({}),
        certificates: z.record(keyOf(TABLE_NAME), absolutePath).default({}),
      })
      .prefault({})
      .describe('Names that parameters may use, for provisioning; the tables on each host decide.'),
    limits: z
      .strictObject({
        calls_per_minute: z.int().min(1).max(600).default(60),
        hosts_per_call: z.int().min(1).max(20).default(20),
        result_tokens: z
          .int()
          .min(500)
          .max(8_000)
          .default(2_000)
          .describe(
            'What one answer may say to a model, in tokens of four characters; the rest is read on demand.',
          ),
      })
      .prefault({}),
    approvals: z
      .strictObject({
        execute_seconds: z
          .int()
          .min(1)
          .max(300)
          .default(300)
          .describe('From the approval to the dispatch, at most.'),
      })
      .prefault({}),
    policy: z
      .strictObject({
        auto_approve: z
          .boolean()
          .default(true)
          .describe('false: nothing runs without a person, whatever a host allows.'),
        deny_actions: z.array(definitionName).default([]),
        raise: z
          .record(keyOf(DEFINITION_NAME), impact)
          .default({})
          .describe('Least impact of an action; it never lowers.'),
        rules: z
          .array(rule)
          .max(32)
          .default([])
          .describe(
            'Raise or refuse by hour, place, host, action or client; every rule that matches counts.',
          ),
      })
      .prefault({})
      .describe('What this machine adds. It can only restrict: each host has a policy of its own.'),
    promote: z
      .array(definitionName)
      .default([])
      .describe('Diagnostics that get an MCP tool of their own besides those that have one.'),
    demote: z
      .array(definitionName)
      .default([])
      .describe('Diagnostics that are no tools of their own; run_diagnostic reaches them.'),
    catalog: z
      .strictObject({
        builtin: z
          .boolean()
          .default(true)
          .describe('false: only the definitions of dirs, none of the shipped ones.'),
        dirs: z
          .array(path)
          .default([])
          .describe('Folders with diagnostics/, actions/ and scripts/ of this site.'),
      })
      .prefault({}),
  })
  .meta({ title: 'mcp-pra.yaml' });

export type RawConfig = z.output<typeof configSchema>;
