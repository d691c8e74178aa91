import { field, word } from './strict-lines.ts';
import { textForm } from './text-form.ts';
import type { RequestId } from './types.ts';

/** What `status` and `result` get on standard input. */
export interface Query {
  readonly id: RequestId;
  /** SHA-256 (hex) of the ticket's bytes. */
  readonly ticket: string;
  /** Seconds to wait for the end, 0–25. */
  readonly wait: number;
  /** First byte of output wanted; read by `result` only. */
  readonly offset: number;
}

const ID = field('id', word.id);
const TICKET = field('ticket', word.digest);
const WAIT = field('wait', '(?:0|[1-9]|1[0-9]|2[0-5])');
const OFFSET = field('offset', word.count);

const form = textForm<Query>({
  title: 'mcp-pra query v1',
  code: 'QUERY_FORM',
  maxBytes: 1_024,
  sizeCode: 'SIZE',
  read: (lines) => ({
    id: lines.one(ID),
    ticket: lines.digest(TICKET),
    wait: Number(lines.one(WAIT)),
    offset: Number(lines.one(OFFSET)),
  }),
  write: (query) => [
    `id ${query.id}`,
    `ticket sha256:${query.ticket}`,
    `wait ${String(query.wait)}`,
    `offset ${String(query.offset)}`,
  ],
});

/** Throws QUERY_FORM. */
export const parseQuery = form.parse;
export const serialiseQuery = form.serialise;
