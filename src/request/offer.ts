import { readArgs, writeArgs } from './arg-lines.ts';
import { decodePercent, encodePercent, PERCENT } from './percent.ts';
import { choice, field, hexOf, IMPACT, MODE, word, type StrictLines } from './strict-lines.ts';
import { textForm } from './text-form.ts';
import type { Offer } from './types.ts';
import { TIME } from './wire-time.ts';

const ID = field('id', word.id);
const HOST = field('host', word.host);
const HOST_KEY = field('host-key', word.fingerprint);
const ACTION = field('action', word.name);
const DEFINITION = field('definition', word.digest);
const SIGNERS = ['software-key', 'sk', 'sk-uv'] as const;
const REQUIRES = field('requires', '[1-5]', 'mcp-pra-(?:auto|low|medium|high)', '[a-z-]+');
const RULE = field('rule', PERCENT);
const AUTO = choice('auto', 'yes', 'no');
const ARGV = field('argv', word.digest);
const TOKEN = field('token', PERCENT);
const FILE = field('file', word.digest, `/(?:${PERCENT})?`);
const FACT = field('fact', word.name, word.name, PERCENT);
const BOOT_ID = field('boot-id', word.uuid);
const BOOTTIME = field('boottime', '(?:0|[1-9][0-9]{0,14})');
const WALLCLOCK = field('wallclock', TIME);

const form = textForm<Offer>({
  title: 'mcp-pra offer v1',
  code: 'OFFER_FORM',
  // In base64 with a ticket and five signatures it stays below the 64 KiB of a submission.
  maxBytes: 32_768,
  read: (lines) => ({
    id: lines.one(ID),
    host: lines.one(HOST),
    hostKey: lines.one(HOST_KEY),
    action: lines.one(ACTION),
    args: readArgs(lines),
    definition: lines.digest(DEFINITION),
    impact: lines.choice(IMPACT),
    mode: lines.choice(MODE),
    requires: readRequires(lines),
    rule: decodePercent(lines.one(RULE)),
    auto: lines.choice(AUTO) === 'yes',
    argvDigest: lines.digest(ARGV),
    argv: oneOrMore(lines, TOKEN.key, lines.takeAll(TOKEN)).map(([token]) => decodePercent(token)),
    files: oneOrMore(lines, FILE.key, lines.takeAll(FILE)).map(([sha256, path]) => ({
      sha256: hexOf(sha256),
      path: decodePercent(path),
    })),
    facts: readFacts(lines),
    bootId: lines.one(BOOT_ID),
    boottimeMs: Number(lines.one(BOOTTIME)),
    wallclock: lines.time(WALLCLOCK),
  }),
  write: (offer) => [
    `id ${offer.id}`,
    `host ${offer.host}`,
    `host-key ${offer.hostKey}`,
    `action ${offer.action}`,
    ...writeArgs(offer.args),
    `definition sha256:${offer.definition}`,
    `impact ${offer.impact}`,
    `mode ${offer.mode}`,
    `requires ${String(offer.requires.count)} ${offer.requires.namespace} ${offer.requires.signer}`,
    `rule ${encodePercent(offer.rule)}`,
    `auto ${offer.auto ? 'yes' : 'no'}`,
    `argv sha256:${offer.argvDigest}`,
    ...offer.argv.map((token) => `token ${encodePercent(token)}`),
    ...offer.files.map(({ sha256, path }) => `file sha256:${sha256} ${encodePercent(path)}`),
    ...offer.facts.map(
      ({ diagnostic, fact, value }) =>
        `fact ${diagnostic} ${fact} ${value === undefined ? '-' : encodePercent(value)}`,
    ),
    `boot-id ${offer.bootId}`,
    `boottime ${String(offer.boottimeMs)}`,
    `wallclock ${offer.wallclock}`,
  ],
});

const readRequires = (lines: StrictLines): Offer['requires'] => {
  const [count, namespace, named] = lines.take(REQUIRES);
  const signer = SIGNERS.find((known) => known === named);
  if (signer === undefined) throw lines.error('requires');
  return { count: Number(count), namespace, signer };
};

const oneOrMore = <T>(lines: StrictLines, key: string, found: T[]): T[] => {
  if (found.length === 0) throw lines.error(key);
  return found;
};

/** In order of diagnostic and fact, each once; a value `-` says that the fact is absent. */
const readFacts = (lines: StrictLines): Offer['facts'] => {
  const facts = lines.takeAll(FACT);
  const keys = facts.map(([diagnostic, fact]) => `${diagnostic} ${fact}`);
  if (keys.some((key, index) => index > 0 && key <= (keys[index - 1] ?? ''))) throw lines.error('fact order');
  return facts.map(([diagnostic, fact, value]) => ({
    diagnostic,
    fact,
    value: value === '-' ? undefined : decodePercent(value),
  }));
};

/** What a host says it would do, as its host key signs it. Throws OFFER_FORM. */
export const parseOffer = form.parse;
export const serialiseOffer = form.serialise;
