import { z } from 'zod';
import { canonicalJson, sha256 } from '../catalog/digest.ts';
import type { LedgerEntry, LedgerKind, LedgerRow } from '../request/ledger-entry.ts';

/** `previous` of the first row. */
export const GENESIS = '0'.repeat(64);

const KINDS = [
  'call',
  'refusal',
  'proposal',
  'decision',
  'dispatch',
  'outcome',
  'expiry',
  'alarm',
  'note',
] as const satisfies readonly LedgerKind[];

const digest = z.string().regex(/^[0-9a-f]{64}$/u);
const detail = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

const rowSchema = z.strictObject({
  seq: z.int().positive(),
  at: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u),
  kind: z.enum(KINDS),
  code: z.string(),
  actor: z.string(),
  host: z.string().nullable(),
  subject: z.string().nullable(),
  request: z.string().nullable(),
  detail: z.string().nullable(),
  previous: digest,
  hash: digest,
});

/** A row as its statement binds it. */
export type LedgerColumns = z.infer<typeof rowSchema>;

/** Reads a row; undefined when this program cannot have written it. */
export const readLedgerRow = (row: unknown): LedgerRow | undefined => {
  const parsed = rowSchema.safeParse(row);
  if (!parsed.success) return undefined;
  const { host, subject, request, detail: words, ...rest } = parsed.data;
  const details = words === null ? null : readDetail(words);
  if (details === undefined) return undefined;
  return {
    ...rest,
    ...(host === null ? {} : { host }),
    ...(subject === null ? {} : { subject }),
    ...(request === null ? {} : { request }),
    ...(details === null ? {} : { detail: details }),
  };
};

const readDetail = (words: string): NonNullable<LedgerEntry['detail']> | undefined => {
  try {
    return detail.parse(JSON.parse(words));
  } catch {
    return undefined;
  }
};

export const writeLedgerRow = (row: LedgerRow): LedgerColumns => ({
  seq: row.seq,
  at: row.at,
  kind: row.kind,
  code: row.code,
  actor: row.actor,
  host: row.host ?? null,
  subject: row.subject ?? null,
  request: row.request ?? null,
  detail: row.detail === undefined ? null : canonicalJson(row.detail),
  previous: row.previous,
  hash: row.hash,
});

/** Makes the row that follows `previous`. Absent fields are absent from what is hashed. */
export const chain = (entry: LedgerEntry, seq: number, at: string, previous: string): LedgerRow => {
  const row = {
    seq,
    at,
    kind: entry.kind,
    code: wellFormed(entry.code),
    actor: wellFormed(entry.actor),
    ...(entry.host === undefined ? {} : { host: wellFormed(entry.host) }),
    ...(entry.subject === undefined ? {} : { subject: wellFormed(entry.subject) }),
    ...(entry.request === undefined ? {} : { request: wellFormed(entry.request) }),
    ...(entry.detail === undefined ? {} : { detail: plainDetail(entry.detail) }),
    previous,
  };
  return { ...row, hash: sha256(canonicalJson(row)) };
};

/** False when anything in the row is not what was hashed. */
export const isIntact = ({ hash, ...row }: LedgerRow): boolean => hash === sha256(canonicalJson(row));

/** The line of a row in the mirror: the row with its hash as canonical JSON. */
export const mirrorLine = (row: LedgerRow): Buffer => Buffer.from(`${canonicalJson(row)}\n`);

/** The UTC day of a row, which names its mirror file. */
export const dayOf = (row: LedgerRow): string => row.at.slice(0, 10);

// SQLite keeps UTF-8: a lone surrogate would come back as another character and break the chain for no reason.
const wellFormed = (words: string): string => words.toWellFormed();

const plainDetail = (given: NonNullable<LedgerEntry['detail']>): NonNullable<LedgerEntry['detail']> =>
  Object.fromEntries(
    Object.entries(given)
      // `__proto__` is no field when it is read back: hashed with it, the row would break the chain.
      .filter(([key, value]) => value !== undefined && key !== '__proto__')
      .map(([key, value]) => [wellFormed(key), typeof value === 'string' ? wellFormed(value) : value]),
  );
