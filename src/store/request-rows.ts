import { z } from 'zod';
import type { RequestPatch } from '../request/ports.ts';
import type { Ending, State, StoredRequest } from '../request/types.ts';
import { broken } from './store-error.ts';

const STATES = [
  'PROPOSED',
  'AUTO_APPROVED',
  'PENDING',
  'APPROVED',
  'DENIED',
  'WITHDRAWN',
  'EXPIRED',
  'REVOKE_UNCONFIRMED',
  'REVOKED',
  'STALE',
  'DISPATCHING',
  'RUNNING',
  'REFUSED_BY_TARGET',
  'UNKNOWN',
  'SUCCEEDED',
  'FAILED',
  'VERIFY_FAILED',
  'INTERRUPTED',
  'NEVER_STARTED',
  'SENT_NO_RETURN',
] as const satisfies readonly State[];

const ENDINGS = [
  'undecided',
  'half_signed',
  'unexecuted',
  'taken_back',
  'stayed_off',
  'rebooted',
  'refused',
  'closed',
] as const satisfies readonly Ending[];

/** JSON in a column. Invalid JSON is an issue of the row, not an exception. */
const json = <T extends z.ZodType>(inner: T) =>
  z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: 'custom', message: 'not JSON' });
        return z.NEVER;
      }
    })
    .pipe(inner);

const id = z.string().regex(/^[a-z2-7]{16}$/u);
const time = z.int().nonnegative();
const text = z.string().nullable();

const approval = z.strictObject({
  principal: z.string(),
  key: z.string(),
  way: z.enum(['here', 'cosigned']),
});

const rowSchema = z.strictObject({
  id,
  state: z.enum(STATES),
  host: z.string().min(1),
  action: z.string().min(1),
  args: json(z.array(z.tuple([z.string(), z.string()]))),
  definition: z.string(),
  impact: z.enum(['LOW', 'MEDIUM', 'HIGH']),
  requester: z.string().min(1),
  reason: z.string(),
  created_at: time,
  offered_at: time,
  decide_by: time,
  execute_by: time.nullable(),
  updated_at: time,
  offer_text: text,
  offer_signature: text,
  rule: text,
  decided_by: text,
  decision_note: text,
  ticket: text,
  signatures: json(z.array(z.string())),
  approvals: json(z.array(approval)),
  incident: text,
  refusal: text,
  receipt_text: text,
  receipt_signature: text,
  renew_of: id.nullable(),
  undo_of: id.nullable(),
  ledger_seq: z.int().positive(),
  dispatcher: text,
  dispatched_at: time.nullable(),
  claimed: z.int().min(0).max(1),
  ending: z.enum(ENDINGS).nullable(),
});

/** The columns of `requests`, in one order for every statement. */
export const COLUMNS: readonly string[] = Object.keys(rowSchema.shape);

/** Values to bind by column name. */
export type RequestRow = Readonly<Record<string, string | number | null>>;

const signed = (words: string | null, signature: string | null): StoredRequest['offer'] =>
  words === null || signature === null ? undefined : { text: words, signature };

/** A row as the rest of the program sees it. Throws STORE_BROKEN for a row that this program cannot have written. */
export const readRow = (row: unknown): StoredRequest => {
  const parsed = rowSchema.safeParse(row);
  if (!parsed.success) throw broken('a request row is malformed', parsed.error);
  const data = parsed.data;
  return {
    id: data.id,
    state: data.state,
    host: data.host,
    action: data.action,
    args: data.args,
    definition: data.definition,
    impact: data.impact,
    requester: data.requester,
    reason: data.reason,
    createdAt: data.created_at,
    offeredAt: data.offered_at,
    decideBy: data.decide_by,
    executeBy: data.execute_by ?? undefined,
    updatedAt: data.updated_at,
    offer: signed(data.offer_text, data.offer_signature),
    rule: data.rule ?? undefined,
    decidedBy: data.decided_by ?? undefined,
    decisionNote: data.decision_note ?? undefined,
    ticket: data.ticket ?? undefined,
    signatures: data.signatures,
    approvals: data.approvals,
    incident: data.incident ?? undefined,
    refusal: data.refusal ?? undefined,
    receipt: signed(data.receipt_text, data.receipt_signature),
    renewOf: data.renew_of ?? undefined,
    undoOf: data.undo_of ?? undefined,
    dispatcher: data.dispatcher ?? undefined,
    dispatchedAt: data.dispatched_at ?? undefined,
    isClaimed: data.claimed === 1,
    ending: data.ending ?? undefined,
  };
};

/** The other way round; `ledgerSeq` is the ledger row that tells of this very change. */
export const writeRow = (request: StoredRequest, ledgerSeq: number): RequestRow => ({
  id: request.id,
  state: request.state,
  host: request.host,
  action: request.action,
  args: JSON.stringify(request.args),
  definition: request.definition,
  impact: request.impact,
  requester: request.requester,
  reason: request.reason,
  created_at: request.createdAt,
  offered_at: request.offeredAt,
  decide_by: request.decideBy,
  execute_by: request.executeBy ?? null,
  updated_at: request.updatedAt,
  offer_text: request.offer?.text ?? null,
  offer_signature: request.offer?.signature ?? null,
  rule: request.rule ?? null,
  decided_by: request.decidedBy ?? null,
  decision_note: request.decisionNote ?? null,
  ticket: request.ticket ?? null,
  signatures: JSON.stringify(request.signatures),
  approvals: JSON.stringify(request.approvals),
  incident: request.incident ?? null,
  refusal: request.refusal ?? null,
  receipt_text: request.receipt?.text ?? null,
  receipt_signature: request.receipt?.signature ?? null,
  renew_of: request.renewOf ?? null,
  undo_of: request.undoOf ?? null,
  ledger_seq: ledgerSeq,
  dispatcher: request.dispatcher ?? null,
  dispatched_at: request.dispatchedAt ?? null,
  claimed: request.isClaimed ? 1 : 0,
  ending: request.ending ?? null,
});

const PATCHABLE = {
  impact: true,
  offer: true,
  rule: true,
  decidedBy: true,
  decisionNote: true,
  ticket: true,
  signatures: true,
  refusal: true,
  receipt: true,
  definition: true,
  args: true,
  approvals: true,
  dispatcher: true,
  incident: true,
  ending: true,
} as const satisfies Record<keyof RequestPatch, true>;

/** Only the fields a patch may have: an object that happens to carry more changes nothing more. */
export const patched = (request: StoredRequest, patch: RequestPatch): StoredRequest => ({
  ...request,
  ...Object.fromEntries(Object.entries(patch).filter(([key]) => Object.hasOwn(PATCHABLE, key))),
});
