import { decodePercent, encodePercent, PERCENT } from './percent.ts';
import { choice, field, hexOf, word, type StrictLines } from './strict-lines.ts';
import { textForm } from './text-form.ts';
import type { Evidence, Receipt } from './types.ts';
import { TIME } from './wire-time.ts';

const orNone = (source: string): string => `(?:-|${source})`;

const ID = field('id', word.id);
const HOST = field('host', word.host);
const HOST_KEY = field('host-key', word.fingerprint);
const ACTION = field('action', word.name);
const TICKET = field('ticket', word.digest);
const STATE = choice(
  'state',
  'RUNNING',
  'SUCCEEDED',
  'FAILED',
  'VERIFY_FAILED',
  'INTERRUPTED',
  'NEVER_STARTED',
);
const RC = field('rc', orNone('(?:0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])'));
const CLAIMED = field('claimed', TIME);
const STARTED = field('started', orNone(TIME));
const FINISHED = field('finished', orNone(TIME));
const DURATION = field('duration-ms', orNone(word.count));
const OUTPUT = field('output', `(?:- 0|${word.digest} ${word.count})`);
const VERIFIED = choice('verified', 'yes', 'no', '-');
const EVIDENCE = field('evidence', word.name, word.name, PERCENT, PERCENT);
const DURABLE = choice('durable', 'yes', 'no');
const BOOT_ID = field('boot-id', word.uuid);
const PREVIOUS = field('previous', orNone(word.digest));

const unlessNone = (text: string): string | undefined => (text === '-' ? undefined : text);
const decodedUnlessNone = (text: string): string | undefined =>
  text === '-' ? undefined : decodePercent(text);
const number = (text: string): number | undefined => (text === '-' ? undefined : Number(text));
const encodedOrDash = (value: string | undefined): string =>
  value === undefined ? '-' : encodePercent(value);
const orDash = (value: string | number | undefined): string => (value === undefined ? '-' : String(value));

const VERDICTS = { yes: true, no: false, '-': undefined } as const;

/** What has not ended was not verified, and the two ends that a verification decides say what it said. */
const mayBeVerified = ({ state, verified }: Receipt): boolean => {
  switch (state) {
    case 'RUNNING':
    case 'NEVER_STARTED':
      return verified === undefined;
    case 'SUCCEEDED':
      return verified !== false;
    case 'VERIFY_FAILED':
      return verified === false;
    default:
      return true;
  }
};

const form = textForm<Receipt>({
  title: 'mcp-pra receipt v1',
  code: 'RECEIPT_FORM',
  maxBytes: 8_192,
  read: (lines) => {
    const receipt: Receipt = {
      id: lines.one(ID),
      host: lines.one(HOST),
      hostKey: lines.one(HOST_KEY),
      action: lines.one(ACTION),
      ticket: lines.digest(TICKET),
      state: lines.choice(STATE),
      rc: number(lines.one(RC)),
      claimed: lines.time(CLAIMED),
      started: unlessNone(lines.time(STARTED)),
      finished: unlessNone(lines.time(FINISHED)),
      durationMs: number(lines.one(DURATION)),
      output: readOutput(lines),
      verified: VERDICTS[lines.choice(VERIFIED)],
      evidence: readEvidence(lines),
      durable: lines.choice(DURABLE) === 'yes',
      bootId: lines.one(BOOT_ID),
      previous: readPrevious(lines),
    };
    if (!mayBeVerified(receipt)) throw lines.error('verified');
    return receipt;
  },
  write: (receipt) => [
    `id ${receipt.id}`,
    `host ${receipt.host}`,
    `host-key ${receipt.hostKey}`,
    `action ${receipt.action}`,
    `ticket sha256:${receipt.ticket}`,
    `state ${receipt.state}`,
    `rc ${orDash(receipt.rc)}`,
    `claimed ${receipt.claimed}`,
    `started ${orDash(receipt.started)}`,
    `finished ${orDash(receipt.finished)}`,
    `duration-ms ${orDash(receipt.durationMs)}`,
    receipt.output === undefined
      ? 'output - 0'
      : `output sha256:${receipt.output.sha256} ${String(receipt.output.bytes)}`,
    `verified ${receipt.verified === undefined ? '-' : receipt.verified ? 'yes' : 'no'}`,
    ...receipt.evidence.map(
      ({ diagnostic, fact, before, after }) =>
        `evidence ${diagnostic} ${fact} ${encodedOrDash(before)} ${encodedOrDash(after)}`,
    ),
    `durable ${receipt.durable ? 'yes' : 'no'}`,
    `boot-id ${receipt.bootId}`,
    receipt.previous === undefined ? 'previous -' : `previous sha256:${receipt.previous}`,
  ],
});

const readOutput = (lines: StrictLines): Receipt['output'] => {
  const [digest, bytes] = lines.one(OUTPUT).split(' ');
  return digest === undefined || digest === '-' ? undefined : { sha256: hexOf(digest), bytes: Number(bytes) };
};

/** In order of diagnostic and fact, each once; a value `-` says that the fact could not be read. */
const readEvidence = (lines: StrictLines): readonly Evidence[] => {
  const found = lines.takeAll(EVIDENCE);
  const keys = found.map(([diagnostic, fact]) => `${diagnostic} ${fact}`);
  if (keys.some((key, index) => index > 0 && key <= (keys[index - 1] ?? '')))
    throw lines.error('evidence order');
  return found.map(([diagnostic, fact, before, after]) => ({
    diagnostic,
    fact,
    before: decodedUnlessNone(before),
    after: decodedUnlessNone(after),
  }));
};

const readPrevious = (lines: StrictLines): string | undefined => {
  const previous = lines.one(PREVIOUS);
  return previous === '-' ? undefined : hexOf(previous);
};

/** What a host says it did, as its host key signs it. Throws RECEIPT_FORM. */
export const parseReceipt = form.parse;
export const serialiseReceipt = form.serialise;
