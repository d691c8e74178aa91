import { PraError } from '../errors.ts';
import { TRANSITIONS } from '../request/lifecycle.ts';
import type { Database } from './database.ts';
import { requestsAndLedger } from './migrations/0001-requests-and-ledger.ts';
import { dispatcher } from './migrations/0002-dispatcher.ts';
import { steadyTimeAndSignatures } from './migrations/0003-steady-time-and-signatures.ts';
import { signaturesGrow } from './migrations/0004-signatures-grow.ts';
import { otp } from './migrations/0005-otp.ts';
import { freezes } from './migrations/0006-freezes.ts';
import { otpNotices } from './migrations/0007-otp-notices.ts';
import { endings } from './migrations/0008-endings.ts';
import { ledgerByRequest } from './migrations/0009-ledger-by-request.ts';

/** Forward only: a published one is never edited; the n-th takes the schema from version n-1 to n. */
const MIGRATIONS: readonly string[] = [
  requestsAndLedger,
  dispatcher,
  steadyTimeAndSignatures,
  signaturesGrow,
  otp,
  freezes,
  otpNotices,
  endings,
  ledgerByRequest,
];

/** The schema version this program knows. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings the schema to SCHEMA_VERSION, all of it or nothing, once, whichever process comes first; and the edges that the
 * triggers enforce to the table in lifecycle.ts. Throws STORE_NEWER.
 */
export const migrate = (database: Database): void => {
  const work = database.transaction(() => {
    const version = Number(database.pragma('user_version', { simple: true }));
    if (version > SCHEMA_VERSION) throw new PraError('STORE_NEWER', { version });
    for (const sql of MIGRATIONS.slice(version)) database.exec(sql);
    if (version < SCHEMA_VERSION) database.pragma(`user_version = ${String(SCHEMA_VERSION)}`);
    alignEdges(database);
  });
  work.immediate();
};

type Edge = [from: string, event: string, to: string];

const alignEdges = (database: Database): void => {
  const wanted = Object.entries(TRANSITIONS)
    .flatMap(([from, events]) => Object.entries(events).map(([event, to]): Edge => [from, event, to]))
    .sort(byKey);
  const present = database
    .prepare<[], Edge>('SELECT from_state, event, to_state FROM lifecycle_edges')
    .raw()
    .all()
    .sort(byKey);
  if (JSON.stringify(wanted) === JSON.stringify(present)) return;
  database.exec('DELETE FROM lifecycle_edges');
  const insert = database.prepare<Edge>(
    'INSERT INTO lifecycle_edges (from_state, event, to_state) VALUES (?, ?, ?)',
  );
  for (const edge of wanted) insert.run(...edge);
};

const byKey = (a: Edge, b: Edge): number => (a.join(' ') < b.join(' ') ? -1 : 1);
