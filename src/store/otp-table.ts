import { PraError } from '../errors.ts';
import type { LedgerEntry } from '../request/ledger-entry.ts';
import { isOtpProof, type OtpProof, type OtpSubject } from '../request/otp-proof.ts';
import {
  LOCK_MS,
  TRIES_PER_REQUEST,
  TRIES_UNTIL_LOCK,
  type OtpAttempt,
  type OtpEnrolment,
  type OtpNotice,
} from '../request/otp-store.ts';
import { isRequestId } from '../request/request-id.ts';
import type { Database } from './database.ts';

/** How long attempts are kept: longer than any request waits. */
const KEPT_MS = 86_400_000;

interface EnrolmentRow {
  readonly principal: string;
  readonly id: string;
  readonly key: string;
  readonly key_type: string;
  readonly sealed: string;
  readonly last_step: number;
  readonly enrolled_at: number;
  readonly recovery_salt: string;
}

/** The statements on the otp tables. No transaction of its own. Times are the caller's: `steady` for limits, `wall` for labels. */
export class OtpTable {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  enrolments(principal?: string): readonly OtpEnrolment[] {
    const where = principal === undefined ? '' : 'WHERE principal = ?';
    const rows = this.#database
      .prepare<string[], EnrolmentRow>(`SELECT * FROM otp_enrolments ${where} ORDER BY principal`)
      .all(...(principal === undefined ? [] : [principal]));
    const codes = this.#database.prepare<
      [string],
      { readonly position: number; readonly hash: string; readonly used_at: number | null }
    >('SELECT position, hash, used_at FROM otp_recovery WHERE enrolment = ? ORDER BY position');
    return rows.map((row) => ({
      principal: row.principal,
      id: row.id,
      key: row.key,
      keyType: row.key_type,
      sealed: row.sealed,
      lastStep: row.last_step,
      enrolledAt: row.enrolled_at,
      recoverySalt: row.recovery_salt,
      recovery: codes
        .all(row.id)
        .map(({ position, hash, used_at }) => ({ position, hash, usedAt: used_at ?? undefined })),
    }));
  }

  /** The principal under whose name a key is enrolled. */
  ownerOf(key: string): string | undefined {
    return this.#database
      .prepare<[string], string>('SELECT principal FROM otp_enrolments WHERE key = ?')
      .pluck()
      .get(key);
  }

  insert(enrolment: OtpEnrolment): void {
    const { principal, id, key, keyType, sealed, lastStep, enrolledAt, recoverySalt } = enrolment;
    this.#database
      .prepare('INSERT INTO otp_enrolments VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
      .run(principal, id, key, keyType, sealed, lastStep, enrolledAt, recoverySalt);
    const insert = this.#database.prepare('INSERT INTO otp_recovery VALUES (?, ?, ?, ?)');
    for (const { position, hash, usedAt } of enrolment.recovery)
      insert.run(id, position, hash, usedAt ?? null);
  }

  remove(principal: string): boolean {
    return this.#run('DELETE FROM otp_enrolments WHERE principal = ?', principal) === 1;
  }

  /** Steady milliseconds until the lock ends; 0 without one. At the very millisecond of its end it is over. */
  lockedFor(principal: string, steady: number): number {
    const until = this.#number('SELECT until FROM otp_locks WHERE principal = ?', principal);
    return Math.max(0, (until ?? 0) - steady);
  }

  /** Counts a try and sets the lock that it means if it is wrong, or throws OTP_LOCKED, OTP_EXHAUSTED. */
  attempt(principal: string, subject: OtpSubject, way: 'code' | 'recovery', steady: number): OtpAttempt {
    this.#run('DELETE FROM otp_attempts WHERE at < ?', steady - KEPT_MS);
    const locked = this.lockedFor(principal, steady);
    const recent = `SELECT count(*) FROM otp_attempts WHERE principal = ? AND counts = 1 AND at > ?`;
    const before = this.#number(recent, principal, steady - LOCK_MS) ?? 0;
    const recovery = this.#number(`${recent} AND way = 'recovery'`, principal, steady - LOCK_MS) ?? 0;
    if (way === 'code' ? locked > 0 : recovery >= TRIES_UNTIL_LOCK) {
      throw new PraError('OTP_LOCKED', { principal, seconds: Math.ceil((locked || LOCK_MS) / 1_000) });
    }
    const tried = this.#number('SELECT count(*) FROM otp_attempts WHERE subject = ?', subject) ?? 0;
    const isLimited = isRequestId(subject);
    if (isLimited && tried >= TRIES_PER_REQUEST) throw new PraError('OTP_EXHAUSTED', { id: subject });
    const { lastInsertRowid } = this.#database
      .prepare('INSERT INTO otp_attempts (principal, subject, way, at) VALUES (?, ?, ?, ?)')
      .run(principal, subject, way, steady);
    const seq = Number(lastInsertRowid);
    const locks = locked === 0 && before + 1 >= TRIES_UNTIL_LOCK;
    if (locks) {
      this.#run('INSERT OR REPLACE INTO otp_locks VALUES (?, ?, ?)', principal, steady + LOCK_MS, seq);
    }
    const untilLock = Math.max(0, TRIES_UNTIL_LOCK - before - 1);
    const left = isLimited ? Math.min(TRIES_PER_REQUEST - tried - 1, untilLock) : untilLock;
    return { seq, left, exhausts: isLimited && tried + 1 >= TRIES_PER_REQUEST, locks };
  }

  /**
   * Burns the proof's step or recovery code. Throws OTP_USED when somebody was faster or the enrolment is another one. Gives the row to
   * write besides, for a recovery code.
   */
  spend(proof: OtpProof, entry: LedgerEntry, wall: number): LedgerEntry | undefined {
    if (!isOtpProof(proof)) throw new PraError('INTERNAL');
    const { principal, enrolment, by } = proof;
    const burned =
      by.kind === 'code'
        ? this.#run(
            'UPDATE otp_enrolments SET last_step = ? WHERE principal = ? AND id = ? AND last_step < ?',
            by.step,
            principal,
            enrolment,
            by.step,
          )
        : this.#run(
            `UPDATE otp_recovery SET used_at = ? WHERE enrolment = ? AND position = ? AND used_at IS NULL
               AND enrolment = (SELECT id FROM otp_enrolments WHERE principal = ?)`,
            wall,
            enrolment,
            by.position,
            principal,
          );
    if (burned !== 1) throw new PraError('OTP_USED');
    if (by.kind === 'code') return undefined;
    this.unlock(principal);
    this.notice(principal, 'recovery', wall);
    const left = this.#number(
      'SELECT count(*) FROM otp_recovery WHERE enrolment = ? AND used_at IS NULL',
      enrolment,
    );
    return {
      kind: 'alarm',
      code: 'RECOVERY_CODE_USED',
      actor: entry.actor,
      ...(entry.request === undefined ? {} : { request: entry.request }),
      detail: { approver: principal, severity: 'HIGH', subject: proof.subject, left: left ?? 0 },
    };
  }

  /** The attempt was right: it counts no more, nor does the lock that it set. */
  acquit({ seq }: OtpAttempt): void {
    this.#run('DELETE FROM otp_attempts WHERE seq = ?', seq);
    this.#run('DELETE FROM otp_locks WHERE attempt = ?', seq);
  }

  /** Notices that nobody has acknowledged, oldest first. */
  notices(): readonly OtpNotice[] {
    return this.#database
      .prepare<[], OtpNotice>(
        'SELECT seq, principal, kind, at FROM otp_notices WHERE read_by IS NULL ORDER BY seq',
      )
      .all();
  }

  notice(principal: string, kind: OtpNotice['kind'], wall: number): void {
    this.#run('INSERT INTO otp_notices (principal, kind, at) VALUES (?, ?, ?)', principal, kind, wall);
  }

  acknowledge(seq: number, by: string): void {
    this.#run('UPDATE otp_notices SET read_by = ? WHERE seq <= ? AND read_by IS NULL', by, seq);
  }

  /** Ends the lock; what was counted for it counts no more, except for the requests it was about. */
  unlock(principal: string): void {
    this.#run('DELETE FROM otp_locks WHERE principal = ?', principal);
    this.#run('UPDATE otp_attempts SET counts = 0 WHERE principal = ?', principal);
  }

  #run(sql: string, ...values: (string | number)[]): number {
    return this.#database.prepare(sql).run(...values).changes;
  }

  #number(sql: string, ...values: (string | number)[]): number | undefined {
    return this.#database
      .prepare<(string | number)[], number>(sql)
      .pluck()
      .get(...values);
  }
}
