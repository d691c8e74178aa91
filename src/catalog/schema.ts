import { z } from 'zod';
import { NAME, NAME_TYPES, PARAM_TYPES, WORD } from './param-types.ts';
import type { FactRule, Param } from './types.ts';

/** One line for people: letters, marks, digits, punctuation, symbols and spaces; nothing that cannot be seen. */
const line = (max: number): z.ZodString =>
  z
    .string()
    .min(3)
    .max(max)
    .regex(/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u, 'one line of visible characters');

const name = z
  .string()
  .regex(NAME, 'a name: a small letter, then small letters, digits or _, at most 40 in all');
const tags = z.array(z.string().regex(WORD, 'a word: small letters, digits, _ or -')).max(10).default([]);

/** Numbers are welcome in YAML; everything on the wire is text. */
const value = z.union([z.string().max(192), z.number().int()]).transform(String);
const values = z.record(name, value).default({});

/** An absolute path without `.`, `..` and what a verb file could not hold. */
const PATH = /^(?:\/(?!\.\.?(?:\/|$))[A-Za-z0-9._-]+)+$/u;

/** One word of a command. Tabs and line ends would break a verb file. */
const token = z.string().regex(/^[ -~]{1,256}$/u, 'one to 256 printable ASCII characters');
const argv = z.array(token).min(1).max(40);

const param = z
  .strictObject({
    name: name.describe('Name of the parameter; `{name}` in argv.'),
    type: z.enum(PARAM_TYPES).describe('A type of docs/wire-protocol.md §1.'),
    bounds: z
      .union([z.string().regex(/^[!-~]{1,512}$/u, 'bounds of docs/wire-protocol.md §1'), z.number().int()])
      .transform(String)
      .default('-')
      .describe(
        'What the type allows: `min..max`, a number, or words with commas; `-` for types without bounds.',
      ),
    default: value.optional().describe('The value when the caller gives none.'),
    help: line(200).describe('What it is for, as a sentence.'),
  })
  .transform(({ default: or, ...rest }): Param => (or === undefined ? rest : { ...rest, default: or }));

const fact = z
  .strictObject({
    type: z.enum(['string', 'integer', 'number', 'boolean', 'rows']),
    from: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .describe('Key, member or `first`/`last`; the name of the fact when left out.'),
    help: line(200).describe('What it means, with its unit.'),
  })
  .transform(({ from, ...rest }): FactRule => (from === undefined ? rest : { ...rest, from }));

const limits = (seconds: number, bytes: number) =>
  z.strictObject({
    seconds: z.number().int().min(1).max(seconds).describe('Time limit of each command.'),
    bytes: z.number().int().min(1_024).max(bytes).describe('Output limit of each command.'),
  });

const common = {
  name: name.describe('As the file is called.'),
  title: line(60).describe('A few words for a list.'),
  summary: line(600).describe('When to use it and what it costs.'),
  params: z.array(param).max(10).default([]),
  tags,
};

/** A file of catalog/diagnostics/. */
export const diagnosticFile = z.strictObject({
  ...common,
  run: z
    .array(
      z.strictObject({
        section: name,
        argv,
        none: z
          .int()
          .min(1)
          .max(123)
          .optional()
          .describe(
            'Exit code with which the program, saying nothing, tells that there is nothing: no failure.',
          ),
      }),
    )
    .min(1)
    .max(24)
    .optional()
    .describe('The commands, in order. Either this or `collector`.'),
  collector: name.optional().describe('What a root-owned timer collected: /run/mcp-pra/facts/<name>.json.'),
  parse: z
    .union([z.enum(['kv', 'json', 'table', 'lines']), z.strictObject({ parser: name })])
    .describe('How the output becomes facts.'),
  facts: z.record(name, fact).describe('The facts it yields.'),
  stable: z
    .array(name)
    .default([])
    .describe('Facts that must not change between an offer and its execution.'),
  limits: limits(20, 262_144),
  needs: z
    .strictObject({
      program: z.string().regex(WORD).optional(),
      group: z.string().regex(WORD).optional(),
      file: z.string().regex(PATH).optional().describe('Absolute; what the first command reads.'),
      member: name
        .optional()
        .describe("Of the collector's file; null there when the host has no such thing."),
    })
    .transform(({ program, group, file, member }) => ({
      ...(program === undefined ? {} : { program }),
      ...(group === undefined ? {} : { group }),
      ...(file === undefined ? {} : { file }),
      ...(member === undefined ? {} : { member }),
    }))
    .default({})
    .describe(
      'What the target must have: a program, a group of the reader account, a file, a member of what a collector wrote. Without it the answer is `not_present`.',
    ),
  promote: z.boolean().default(false).describe('An MCP tool of its own.'),
  text: z
    .boolean()
    .default(true)
    .describe('Whether the answer is shown besides its facts. False where the facts say it all.'),
  compact: z
    .boolean()
    .default(false)
    .describe(
      'Whether the text is a log: lines that differ only in numbers, addresses and names are shown as one.',
    ),
  tier: z
    .literal([1, 2, 3])
    .optional()
    .describe(
      'How it was shown to work: 1 on a planted fault and on its absence, 2 on a real instance, 3 on recordings only. The definitions of a site need none.',
    ),
  example: values.describe('Arguments for the documentation and for trying it.'),
});

const handed = values.describe('Literal values, or `{parameter}` of this action.');

const expectation = z.strictObject({
  fact: name,
  op: z.enum(['eq', 'ne', 'lt', 'le', 'gt', 'ge']),
  value: z.union([z.string().min(1).max(256), z.number().int(), z.boolean()]),
});

const precheck = z.strictObject({
  diagnostic: name,
  args: handed,
  expect: z.array(expectation).max(10).default([]),
  tolerance: z
    .record(name, z.number().int().min(0).max(999_999_999))
    .default({})
    .describe(
      'How far integers among the stable facts may move between the offer and the execution; 0 for the others.',
    ),
});

const verification = z.strictObject({
  diagnostic: name,
  args: handed,
  expect: z.array(expectation).min(1).max(10),
  evidence: z
    .array(name)
    .max(10)
    .default([])
    .describe(
      'Further facts that the receipt shows as they were before and after; nothing is expected of them.',
    ),
  within: z
    .number()
    .int()
    .min(0)
    .max(300)
    .default(0)
    .describe('Seconds in which it may become true; asked once when 0.'),
});

/** A file of catalog/actions/. */
export const actionFile = z.strictObject({
  ...common,
  impact: z.enum(['LOW', 'MEDIUM', 'HIGH']),
  argv: argv.describe('The command; the first word is an absolute path or `script:<file>`.'),
  effects: line(600).describe('What it changes, for the person who approves it.'),
  undo: line(300).describe('How to get back, or that there is no way back.'),
  undo_action: z
    .strictObject({ action: name, args: handed })
    .optional()
    .describe('The action that takes it back; it is offered afterwards, and approved like any other.'),
  ends: z
    .enum(['nothing', 'reboot', 'poweroff'])
    .default('nothing')
    .describe('Whether the host goes down by it; the boot that follows then says what came of it.'),
  precheck: z.array(precheck).max(10).default([]).describe('What must be true on the target beforehand.'),
  verify: z
    .array(verification)
    .max(10)
    .default([])
    .describe('What must be true afterwards; it decides between SUCCEEDED and VERIFY_FAILED.'),
  limits: limits(3_600, 1_048_576),
  idempotent: z.boolean().describe('Running it twice does the same as running it once.'),
  cancellable: z.boolean().default(false),
  cooldown: z
    .number()
    .int()
    .min(0)
    .max(604_800)
    .describe('Seconds between two automatic runs of the same action and arguments on one host.'),
});

/** A file of catalog/plans/: actions in an order. Version 1 publishes the form; nothing runs it yet. */
export const planFile = z.strictObject({
  name: common.name,
  title: common.title,
  summary: common.summary,
  tags,
  steps: z
    .array(
      z.strictObject({
        action: name,
        host: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/u, 'a host name'),
        args: values,
        on_failure: z.enum(['stop', 'continue']).default('stop'),
      }),
    )
    .min(1)
    .max(99),
});

/** A file of catalog/triage/: which diagnostics to ask for a symptom, and which of their facts explain it. */
export const triageFile = z.strictObject({
  symptom: name.describe('As the file is called.'),
  title: line(80).describe('The symptom in a few words.'),
  ask: z
    .array(
      z.strictObject({
        diagnostic: name,
        args: values,
        each: z
          .enum(NAME_TYPES)
          .optional()
          .describe(
            'Ask once for each name of this kind that named_things tells of the host, 8 at most: the parameter of the same name and type takes it.',
          ),
        findings: z
          .array(
            z.strictObject({
              ...expectation.shape,
              value: z.union([z.string().min(1).max(256), z.number(), z.boolean()]),
              say: line(200).describe('What it means when it is so.'),
            }),
          )
          .max(10)
          .default([]),
      }),
    )
    .min(1)
    .max(12)
    .describe('Asked of each host at the same time, those with `each` after the others.'),
  next: line(400).describe('Where to look when nothing was found.'),
});

export type TriageFile = z.output<typeof triageFile>;
export type DiagnosticFile = z.output<typeof diagnosticFile>;
export type ActionFile = z.output<typeof actionFile>;
