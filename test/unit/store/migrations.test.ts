import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TRANSITIONS } from '../../../src/request/lifecycle.ts';
import { freezes } from '../../../src/store/migrations/0006-freezes.ts';
import { dispatcher } from '../../../src/store/migrations/0002-dispatcher.ts';
import { otpNotices } from '../../../src/store/migrations/0007-otp-notices.ts';
import { otp } from '../../../src/store/migrations/0005-otp.ts';
import { requestsAndLedger } from '../../../src/store/migrations/0001-requests-and-ledger.ts';
import { signaturesGrow } from '../../../src/store/migrations/0004-signatures-grow.ts';
import { steadyTimeAndSignatures } from '../../../src/store/migrations/0003-steady-time-and-signatures.ts';
import type { Store } from '../../../src/request/ports.ts';
import { openStore } from '../../../src/store/open.ts';
import { nthId, row, START } from '../../support/store-fixture.ts';

// Databases as older versions have left them: made by the older migrations, filled as those programs did.

let parent: string;
let dir: string;
let store: Store | undefined;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'mcp-pra-old-'));
  dir = join(parent, 'state');
  mkdirSync(dir, { mode: 0o700 });
});
afterEach(() => {
  store?.close();
  store = undefined;
  rmSync(parent, { recursive: true });
});

interface Old {
  readonly id: string;
  readonly state: string;
  readonly rows?: readonly (readonly [kind: string, code: string, detail?: string])[];
  readonly set?: string;
}

/** A database of version `version` with requests that were offered at START and are in these states. */
const old = (version: number, requests: readonly Old[]): void => {
  const umask = process.umask(0o077);
  const database = new Sqlite(join(dir, 'mcp-pra.db'));
  process.umask(umask);
  const all = [
    requestsAndLedger,
    dispatcher,
    steadyTimeAndSignatures,
    signaturesGrow,
    otp,
    freezes,
    otpNotices,
  ];
  for (const sql of all.slice(0, version)) database.exec(sql);
  database.pragma(`user_version = ${String(version)}`);
  const edge = database.prepare('INSERT INTO lifecycle_edges VALUES (?, ?, ?)');
  for (const [from, events] of Object.entries(TRANSITIONS))
    for (const [event, to] of Object.entries(events)) edge.run(from, event, to);
  const triggers = database
    .prepare<[], { name: string; sql: string }>("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    .all();
  for (const { name } of triggers) database.exec(`DROP TRIGGER ${name}`);
  let seq = 0;
  const append = database.prepare(
    `INSERT INTO ledger (seq, at, kind, code, actor, request, detail, previous, hash) VALUES (?, ?, ?, ?, 'a/b', ?, ?, '', '${'a'.repeat(64)}')`,
  );
  for (const { id, state, rows = [], set } of requests) {
    const at = new Date(START + 321).toISOString();
    for (const [kind, code, detail] of [['proposal', 'PROPOSED'] as const, ...rows])
      append.run((seq += 1), at, kind, code, id, detail ?? null);
    database.exec(`INSERT INTO requests (id, state, host, action, args, definition, impact, requester, reason, created_at, decide_by,
        updated_at, offer_text, offer_signature, signatures, ledger_seq)
      VALUES ('${id}', '${state}', 'web1', 'restart', '[]', 'd', 'LOW', 'a/b', 'why', ${String(START)}, ${String(START + 300_000)},
        ${String(START)}, 'mcp-pra offer v1', 'c2ln', '[]', ${String(seq)})`);
    if (set !== undefined) database.exec(`UPDATE requests SET ${set} WHERE id = '${id}'`);
  }
  for (const trigger of triggers) database.exec(trigger.sql);
  database.close();
};
const open = async (after: number): Promise<Store> => {
  store = await openStore({ dir, clock: { now: () => START + after } });
  return store;
};

test.each([1, 2, 3, 6, 7])(
  'requests that were open in version %i have the time of their offer, and live on by it',
  async (version) => {
    const [pending, approved] = [nthId(1), nthId(2)];
    old(version, [
      { id: pending, state: 'PENDING' },
      {
        id: approved,
        state: 'APPROVED',
        set: `ticket = 't', signatures = '["YQ=="]', execute_by = ${String(START + 400_000)}`,
      },
    ]);
    const opened = await open(200_000);
    expect([pending, approved].map((id) => opened.find(id).offeredAt)).toEqual([START + 321, START + 321]);
    const { executeBy } = opened.transition(
      pending,
      'approve',
      { ticket: 't', signatures: ['Yg=='] },
      row(pending),
    );
    expect(executeBy).toBe(START + 480_321);
    expect(opened.transition(approved, 'unconfirm', {}, row(approved))).toMatchObject({
      state: 'REVOKE_UNCONFIRMED',
      executeBy: START + 480_321,
    });
  },
);

test('what ended in an older version says why, as far as its ledger does', async () => {
  const from = (state: string) => [['expiry', 'expire', `{"from":"${state}"}`]] as const;
  const old6: readonly (Old & { readonly ending: string })[] = [
    { id: nthId(1), state: 'EXPIRED', rows: from('PENDING'), ending: 'undecided' },
    {
      id: nthId(2),
      state: 'EXPIRED',
      rows: from('PENDING'),
      set: `signatures = '["YQ=="]'`,
      ending: 'half_signed',
    },
    { id: nthId(3), state: 'EXPIRED', rows: from('APPROVED'), ending: 'unexecuted' },
    { id: nthId(4), state: 'EXPIRED', rows: from('REVOKE_UNCONFIRMED'), ending: 'taken_back' },
    { id: nthId(5), state: 'EXPIRED', rows: [['outcome', 'expire']], ending: 'taken_back' },
    {
      id: nthId(6),
      state: 'REVOKED',
      set: `receipt_text = 'r', receipt_signature = 'cmVj'`,
      ending: 'taken_back',
    },
    { id: nthId(7), state: 'SENT_NO_RETURN', ending: 'stayed_off' },
    { id: nthId(8), state: 'SENT_NO_RETURN', set: `refusal = 'pra-run OFFER_BOOT'`, ending: 'rebooted' },
  ];
  old(6, [
    ...old6,
    { id: nthId(9), state: 'UNKNOWN', rows: [['outcome', 'accept']] },
    { id: nthId(10), state: 'UNKNOWN' },
  ]);
  const opened = await open(0);
  for (const { id, ending } of old6) expect(opened.find(id).ending).toBe(ending);
  expect([nthId(9), nthId(10)].map((id) => opened.find(id).isClaimed)).toEqual([true, false]);
});
