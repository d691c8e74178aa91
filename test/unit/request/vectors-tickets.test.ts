import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { parseDraft, serialiseDraft } from '../../../src/request/draft.ts';
import { FormError } from '../../../src/request/form-error.ts';
import { parseOffer, serialiseOffer } from '../../../src/request/offer.ts';
import { parseQuery, serialiseQuery } from '../../../src/request/query.ts';
import { parseReceipt, serialiseReceipt } from '../../../src/request/receipt.ts';
import { readPublicKeyLine } from '../../../src/request/ssh-public-key.ts';
import { SignatureMismatch, verifySshsig } from '../../../src/request/sshsig.ts';
import { parseSubmission, serialiseSubmission } from '../../../src/request/submission.ts';
import { parseTicket, serialiseTicket } from '../../../src/request/ticket.ts';

// The target's parser judges the same files (test/vectors/tickets, test/vectors/signed): docs/wire-protocol.md decides.

const base = { name: z.string(), verdict: z.string() };
const vectors = z.array(
  z.union([z.strictObject({ ...base, text: z.string() }), z.strictObject({ ...base, text_b64: z.base64() })]),
);
const folder = join(import.meta.dirname, '../../vectors');
const load = (path: string): unknown => JSON.parse(readFileSync(join(folder, path), 'utf8'));

/** Parses, writes again and compares; the text as it came back. */
const roundTrips: Readonly<Record<string, (bytes: Buffer) => string>> = {
  drafts: (bytes) => serialiseDraft(parseDraft(bytes)),
  offers: (bytes) => serialiseOffer(parseOffer(bytes)),
  tickets: (bytes) => serialiseTicket(parseTicket(bytes)),
  queries: (bytes) => serialiseQuery(parseQuery(bytes)),
  receipts: (bytes) => serialiseReceipt(parseReceipt(bytes)),
  submissions: (bytes) => serialiseSubmission(parseSubmission(bytes)),
};

const judge = (roundTrip: (bytes: Buffer) => string, bytes: Buffer): string => {
  try {
    return roundTrip(bytes) === bytes.toString('latin1') ? 'ok' : 'another text';
  } catch (error) {
    if (error instanceof FormError) return error.code;
    throw error;
  }
};

const files = Object.entries(roundTrips).map(([name, roundTrip]) => ({
  name,
  roundTrip,
  cases: vectors.parse(load(`tickets/${name}.json`)),
}));

describe.each(files)('$name', ({ roundTrip, cases }) => {
  it.each(cases)('$name: $verdict', (vector) => {
    const bytes = 'text' in vector ? Buffer.from(vector.text) : Buffer.from(vector.text_b64, 'base64');
    expect(judge(roundTrip, bytes)).toBe(vector.verdict);
  });
});

it('refuses at least 60 of them', () => {
  const refused = files.flatMap(({ cases }) => cases).filter(({ verdict }) => verdict !== 'ok');
  expect(refused.length).toBeGreaterThanOrEqual(60);
});

const signed = z
  .array(
    z.strictObject({
      ...base,
      key: z.string(),
      namespace: z.string(),
      text: z.string(),
      signature: z.string(),
    }),
  )
  .parse(load('signed/signed.json'));

describe('signatures over tickets', () => {
  it.each(signed)('$name: $verdict', ({ key, namespace, text, signature, verdict }) => {
    const verify = (): string => {
      try {
        const { publicKey } = verifySshsig({ message: text, signatureBase64: signature, namespace });
        return readPublicKeyLine(key)?.equals(publicKey) === true ? 'ok' : 'SIGNATURE_BAD';
      } catch (error) {
        if (error instanceof SignatureMismatch) return 'SIGNATURE_BAD';
        throw error;
      }
    };
    expect(verify()).toBe(verdict);
  });
});
