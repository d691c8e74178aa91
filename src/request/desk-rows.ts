import type { Catalog } from '../catalog/types.ts';
import type { PraError } from '../errors.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import type { Caller, StoredRequest } from './types.ts';

/** Who acted, as the ledger names them: `principal/client`. */
export const actorOf = (caller: Caller): string => `${caller.principal}/${caller.client}`;

/** A row about a request; without a caller, its host is who acts. */
export const rowAbout = (
  request: Pick<StoredRequest, 'id' | 'host' | 'action'>,
  caller: Caller | undefined,
  kind: LedgerEntry['kind'],
  code: string,
  detail?: LedgerEntry['detail'],
): LedgerEntry => ({
  kind,
  code,
  actor: caller === undefined ? `host/${request.host}` : actorOf(caller),
  host: request.host,
  subject: request.action,
  request: request.id,
  ...(detail === undefined ? {} : { detail }),
});

/** Names of calls as subjects of rows. */
const CALLS = [
  'approve',
  'cancel',
  'close',
  'cosign',
  'deny',
  'execute',
  'export',
  'get',
  'import',
  'list',
  'read_more',
  'renew',
  'review',
  'sheet',
  'tool',
  'undo',
  'unfreeze',
  'withdraw',
];

/** The row of a refused call; `times` when it stands for so many of them. */
export const refusalRow = (
  catalog: Catalog,
  caller: Caller,
  subject: string,
  error: PraError,
  times: number,
): LedgerEntry => {
  const { id } = error.values;
  return {
    // Given up by the caller, which no rule decided.
    kind: error.code === 'CANCELLED' ? 'note' : 'refusal',
    code: error.code,
    actor: actorOf(caller),
    subject: known(catalog, subject),
    ...(typeof id === 'string' ? { request: id } : {}),
    detail: { layer: error.layer, ...plain(error), ...(times === 1 ? {} : { times }) },
  };
};

/** A subject of the caller's choosing enters the ledger only when it is one of our names. */
const known = (catalog: Catalog, subject: string): string =>
  catalog.actions.has(subject) || catalog.diagnostics.has(subject) || CALLS.includes(subject) ? subject : '-';

/** The values of a refusal that are ours: names, states, codes. `layer` is the target's, where it decided. */
const plain = (error: PraError): Record<string, string | number> =>
  Object.fromEntries(
    Object.entries(error.values).filter(([key]) =>
      ['host', 'state', 'code', 'layer', 'definition', 'rules'].includes(key),
    ),
  );
