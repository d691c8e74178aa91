import { z } from 'zod';
import {
  SPARE,
  type FreezeOrder,
  type FreezeStore,
  type Lifting,
  type LocalFreeze,
} from '../request/freezes.ts';
import type { LedgerEntry, LedgerRow } from '../request/ledger-entry.ts';
import type { OtpProof } from '../request/otp-proof.ts';
import type { Database, Statement } from './database.ts';
import { broken } from './store-error.ts';

/** Stands for every host in `freezes.host` and `freeze_releases.host`; no host can be called so. */
const EVERY = '*';

/** How the table reads and writes: in the store's transactions, with its ledger and its clock. */
export interface FreezeTableParts {
  readonly database: Database;
  change<T>(work: () => T): T;
  read<T>(work: () => T): T;
  append(entry: LedgerEntry, otp?: OtpProof): LedgerRow;
  now(): number;
}

const freezeRow = z.strictObject({
  id: z.string(),
  host: z.string(),
  since: z.int(),
  by: z.string(),
  reason: z.string(),
});

const orderRow = z.strictObject({
  id: z.string(),
  host: z.string(),
  ticket: z.string(),
  signature: z.string(),
  principal: z.string(),
  state: z.enum(['WAITING', 'CONFIRMED', 'REFUSED', 'WITHDRAWN']),
  code: z.string().nullable(),
  receipt_text: z.string().nullable(),
  receipt_signature: z.string().nullable(),
  updated_at: z.int(),
});

const FREEZE = 'SELECT id, host, since, by, reason FROM freezes';
const ORDER = `SELECT ${Object.keys(orderRow.shape).join(', ')} FROM freeze_orders`;
/** Freezes that hold @host. */
const HOLDING = `WHERE host IN (@host, '${EVERY}') AND NOT EXISTS (SELECT 1 FROM freeze_releases
  WHERE freeze = freezes.id AND freeze_releases.host IN (@host, '${EVERY}'))`;

/** The last order of its host, among those that were needed. */
const LAST = `rowid = (SELECT max(rowid) FROM freeze_orders WHERE host = one.host AND code IS NOT '${SPARE}')`;
/** Its host was asked after it to lift its freeze, and did: the one in force then, so this one or a later one. */
const LIFTED = `EXISTS (SELECT 1 FROM requests WHERE host = one.host AND action = 'unfreeze' AND state = 'SUCCEEDED'
  AND (SELECT min(seq) FROM ledger WHERE request = requests.id) > (SELECT min(seq) FROM ledger WHERE request = one.id))`;

/** The FreezeStore of freezes.ts on one connection. */
export class FreezeTable implements FreezeStore {
  readonly #parts: FreezeTableParts;
  readonly #holding: Statement<[{ readonly host: string }], unknown>;
  readonly #standing: Statement<[], unknown>;

  constructor(parts: FreezeTableParts) {
    this.#parts = parts;
    this.#holding = parts.database.prepare<[{ readonly host: string }], unknown>(
      `${FREEZE} ${HOLDING} ORDER BY since, id LIMIT 1`,
    );
    this.#standing = parts.database.prepare<[], unknown>(
      `${FREEZE} WHERE NOT EXISTS (SELECT 1 FROM freeze_releases
         WHERE freeze = freezes.id AND freeze_releases.host = freezes.host) ORDER BY since, id`,
    );
  }

  begin(freeze: Omit<LocalFreeze, 'since'>, entry: LedgerEntry): LocalFreeze {
    return this.#parts.change(() => {
      const { seq } = this.#parts.append(entry);
      const { id, host, by, reason } = freeze;
      this.#run(
        'INSERT INTO freezes (id, host, since, by, reason, ledger_seq) VALUES (?, ?, ?, ?, ?, ?)',
        id,
        host ?? EVERY,
        this.#parts.now(),
        by,
        reason,
        seq,
      );
      return readFreeze(this.#parts.database.prepare(`${FREEZE} WHERE id = ?`).get(id));
    });
  }

  standing(): ReturnType<FreezeStore['standing']> {
    return this.#parts.read(() => {
      const released = this.#parts.database
        .prepare<[string], string>('SELECT host FROM freeze_releases WHERE freeze = ? ORDER BY host')
        .pluck();
      return this.#standing.all().map((row) => {
        const freeze = readFreeze(row);
        return { ...freeze, released: released.all(freeze.id) };
      });
    });
  }

  holding(host: string): LocalFreeze | undefined {
    return this.#parts.read(() => this.holds(host));
  }

  /** `holding`, inside somebody else's transaction. */
  holds(host: string): LocalFreeze | undefined {
    const row = this.#holding.get({ host });
    return row === undefined ? undefined : readFreeze(row);
  }

  lift({ hosts, freezes, orders }: Lifting, entry: LedgerEntry, otp?: OtpProof): void {
    this.#parts.change(() => {
      const { seq } = this.#parts.append(entry, otp);
      for (const id of freezes) {
        if (hosts === 'all')
          this.#run(
            'INSERT OR IGNORE INTO freeze_releases (freeze, host, ledger_seq) SELECT id, host, ? FROM freezes WHERE id = ?',
            seq,
            id,
          );
        else for (const host of hosts) this.#release(host, seq, 'id = @only', id);
      }
      for (const id of orders)
        this.#run(
          "UPDATE freeze_orders SET state = 'WITHDRAWN', updated_at = ? WHERE state = 'WAITING' AND id = ?",
          this.#parts.now(),
          id,
        );
    });
  }

  /** For an `unfreeze` that succeeded: it lifts what stood when it was proposed, and nothing that somebody has frozen since. */
  releaseBy(request: string, host: string, seq: number): void {
    const proposed = this.#parts.database
      .prepare<[string], number>('SELECT coalesce(min(seq), 0) FROM ledger WHERE request = ?')
      .pluck()
      .get(request);
    this.#release(host, seq, 'ledger_seq < @only', proposed ?? 0);
    this.#run(
      `UPDATE freeze_orders SET state = 'WITHDRAWN', updated_at = ? WHERE state = 'WAITING' AND host = ?
         AND EXISTS (SELECT 1 FROM ledger WHERE request = freeze_orders.id AND seq < ?)`,
      this.#parts.now(),
      host,
      proposed ?? 0,
    );
  }

  /** Releases a host from those freezes that hold it and that the condition is true of. */
  #release(host: string, seq: number, where: string, only: string | number): void {
    this.#parts.database
      .prepare<[{ readonly host: string; readonly seq: number; readonly only: string | number }]>(
        `INSERT INTO freeze_releases (freeze, host, ledger_seq)
         SELECT id, @host, @seq FROM freezes ${HOLDING} AND ${where}`,
      )
      .run({ host, seq, only });
  }

  endReleased(hosts: readonly string[], entry: LedgerEntry): void {
    if (hosts.length === 0) return;
    this.#parts.change(() => {
      const whole = this.#standing.all().map(readFreeze);
      const over = whole.filter(
        ({ id, host }) => host === undefined && hosts.every((one) => this.#isReleased(id, one)),
      );
      if (over.length === 0) return;
      const { seq } = this.#parts.append(entry);
      for (const { id } of over)
        this.#run('INSERT INTO freeze_releases (freeze, host, ledger_seq) VALUES (?, ?, ?)', id, EVERY, seq);
    });
  }

  #isReleased(freeze: string, host: string): boolean {
    const found = this.#parts.database
      .prepare<[string, string], unknown>('SELECT 1 FROM freeze_releases WHERE freeze = ? AND host = ?')
      .get(freeze, host);
    return found !== undefined;
  }

  order(given: Parameters<FreezeStore['order']>[0], entry: LedgerEntry): void {
    this.#parts.change(() => {
      this.#parts.append(entry);
      const { id, host, ticket, signature, principal } = given;
      this.#run(
        `INSERT INTO freeze_orders (id, host, ticket, signature, principal, state, updated_at)
         VALUES (?, ?, ?, ?, ?, 'WAITING', ?)`,
        id,
        host,
        ticket,
        signature,
        principal,
        this.#parts.now(),
      );
    });
  }

  orders(): readonly FreezeOrder[] {
    return this.#parts.read(() =>
      this.#parts.database
        .prepare<[], unknown>(
          `${ORDER} AS one WHERE state = 'WAITING' OR (${LAST} AND NOT (state = 'CONFIRMED' AND ${LIFTED})) ORDER BY rowid`,
        )
        .all()
        .map(readOrder),
    );
  }

  settle(
    id: string,
    { state, code, receipt }: Pick<FreezeOrder, 'state' | 'code' | 'receipt'>,
    entry: LedgerEntry | undefined,
  ): void {
    this.#parts.change(() => {
      const done = this.#run(
        `UPDATE freeze_orders SET state = ?, code = ?, receipt_text = ?, receipt_signature = ?, updated_at = ?
         WHERE id = ? AND state = 'WAITING'`,
        state,
        code ?? null,
        receipt?.text ?? null,
        receipt?.signature ?? null,
        this.#parts.now(),
        id,
      );
      if (done > 0 && entry !== undefined) this.#parts.append(entry);
    });
  }

  #run(sql: string, ...values: readonly (string | number | null)[]): number {
    return this.#parts.database.prepare<(string | number | null)[]>(sql).run(...values).changes;
  }
}

const readFreeze = (row: unknown): LocalFreeze => {
  const { success, data, error } = freezeRow.safeParse(row);
  if (!success) throw broken('a freeze is malformed', error);
  return { ...data, host: data.host === EVERY ? undefined : data.host };
};

const readOrder = (row: unknown): FreezeOrder => {
  const { success, data, error } = orderRow.safeParse(row);
  if (!success) throw broken('a freeze order is malformed', error);
  const { code, receipt_text: text, receipt_signature: signature, updated_at: updatedAt, ...rest } = data;
  const receipt = text === null || signature === null ? undefined : { text, signature };
  return { ...rest, code: code ?? undefined, receipt, updatedAt };
};
