import {
  appendFileSync,
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canonicalJson, sha256 } from '../../../src/catalog/digest.ts';
import type { LedgerRow } from '../../../src/request/ledger-entry.ts';
import { Ledger } from '../../../src/store/ledger.ts';
import { newRequest, nthId, requestIn, row, START, TempStore } from '../../support/store-fixture.ts';

const ID = nthId(0);
const DAY = 86_400_000;

let temp: TempStore;
beforeEach(async () => {
  temp = await TempStore.open();
});
afterEach(() => temp.dispose());

const day = (date: string): string => join(temp.auditDir, `mcp-audit-${date}.jsonl`);
const FIRST = '2026-11-03';
const linesOf = (file: string): string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1);
const mirrored = (): LedgerRow[] =>
  (existsSync(temp.auditDir) ? readdirSync(temp.auditDir) : [])
    .sort()
    .flatMap((name) => linesOf(join(temp.auditDir, name)))
    .map((line) => JSON.parse(line) as LedgerRow);
const fill = (count: number): void => {
  for (let n = 0; n < count; n += 1)
    temp.store.append({ kind: 'call', code: 'ok', actor: 'a/b', detail: { n } });
};
const brokenAt = (seq: number, cause = ''): unknown =>
  expect.objectContaining({
    code: 'LEDGER_BROKEN',
    values: { seq, cause: expect.stringContaining(cause) },
  });

describe('the chain', () => {
  it('begins with 64 zeros and hashes the canonical JSON of each row', () => {
    expect(temp.store.ledgerHead()).toBe('0'.repeat(64));
    const first = temp.store.append({ kind: 'note', code: 'start', actor: 'mcp-pra/serve' });
    temp.clock.time += 1;
    const second = temp.store.append({
      kind: 'call',
      code: 'ok',
      actor: 'operator/cli',
      host: 'web1',
      subject: 'uptime',
      request: ID,
      detail: { z: 1, a: true, é: 'ü' },
    });
    expect(first).toEqual({
      seq: 1,
      at: '2026-11-03T03:00:00.000Z',
      kind: 'note',
      code: 'start',
      actor: 'mcp-pra/serve',
      previous: '0'.repeat(64),
      hash: sha256(
        `{"actor":"mcp-pra/serve","at":"2026-11-03T03:00:00.000Z","code":"start","kind":"note","previous":"${'0'.repeat(64)}","seq":1}`,
      ),
    });
    expect(second).toMatchObject({ seq: 2, at: '2026-11-03T03:00:00.001Z', previous: first.hash });
    expect(temp.store.tail(5)).toEqual([first, second]);
    expect(temp.store.tail(1)).toEqual([second]);
    expect(temp.store.verifyLedger()).toEqual({ entries: 2, head: second.hash });
    expect(temp.store.ledgerHead()).toBe(second.hash);
  });

  it('holds for any text, number and truth in a row', { timeout: 30_000 }, () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
    );
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.dictionary(fc.string({ unit: 'binary' }), value),
        fc.constantFrom('a\ud800b', 'x'),
        (subject, detail, odd) => {
          temp.store.append({ kind: 'call', code: odd, actor: 'a/b', subject, detail: { ...detail, odd } });
        },
      ),
      { numRuns: 50 },
    );
    expect(temp.store.verifyLedger().entries).toBe(50);
  });

  it('holds with a detail that JavaScript does not take for a field', () => {
    temp.store.append({
      kind: 'call',
      code: 'x',
      actor: 'a/b',
      detail: JSON.parse('{"__proto__":"x","a":1}'),
    });
    expect(temp.store.verifyLedger().entries).toBe(1);
    expect(temp.store.tail(1)[0]?.detail).toEqual({ a: 1 });
  });

  it('is longer than one batch, and mirrored in batches', async () => {
    // One commit for all: what is shown here is not how long a disk takes for each.
    const raw = temp.raw();
    const ledger = new Ledger(raw, temp.clock);
    const all = raw.transaction(() => {
      for (let n = 0; n < 1_234; n += 1)
        ledger.append({ kind: 'call', code: 'ok', actor: 'a/b', detail: { n } });
    });
    all.immediate();
    raw.close();
    expect(temp.store.verifyLedger().entries).toBe(1_234);
    expect(mirrored()).toEqual([]);
    await temp.reopen();
    expect(temp.store.verifyLedger().entries).toBe(1_234);
    expect(mirrored()).toEqual(temp.store.tail(1_234));
  });

  it('refuses change, deletion and rows that do not continue it', () => {
    fill(3);
    const raw = temp.raw();
    const insert = (seq: number, previous: string, or = ''): void => {
      raw
        .prepare(
          `INSERT ${or} INTO ledger (seq, at, kind, code, actor, previous, hash)
           VALUES (?, '2026-11-03T03:00:00.000Z', 'note', 'x', 'a/b', ?, ?)`,
        )
        .run(seq, previous, 'b'.repeat(64));
    };
    const head = temp.store.ledgerHead();
    expect(() => raw.exec("UPDATE ledger SET code = 'x' WHERE seq = 2")).toThrow('append-only');
    expect(() => raw.exec('UPDATE ledger SET seq = 9 WHERE seq = 3')).toThrow('append-only');
    expect(() => raw.exec('DELETE FROM ledger WHERE seq = 3')).toThrow('append-only');
    expect(() => insert(3, head)).toThrow('only continues');
    expect(() => insert(3, head, 'OR REPLACE')).toThrow('only continues');
    expect(() => insert(5, head)).toThrow('only continues');
    expect(() => insert(4, 'c'.repeat(64))).toThrow('only continues');
    expect(() => insert(4, head)).not.toThrow();
    raw.close();
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(4, 'its content was changed'));
  });

  it.each([
    ["UPDATE ledger SET code = 'fine' WHERE seq = 3", 3, 'content was changed'],
    ['UPDATE ledger SET detail = \'{"n":7}\' WHERE seq = 3', 3, 'content was changed'],
    ['UPDATE ledger SET detail = NULL WHERE seq = 3', 3, 'content was changed'],
    ["UPDATE ledger SET kind = 'other' WHERE seq = 3", 3, 'malformed'],
    ['UPDATE ledger SET detail = \'{"n":[]}\' WHERE seq = 3', 3, 'malformed'],
    ['DELETE FROM ledger WHERE seq = 2', 2, 'missing'],
    ['DELETE FROM ledger WHERE seq = 1', 1, 'missing'],
    ['DELETE FROM ledger WHERE seq >= 4', 4, 'missing'],
    ['UPDATE ledger SET previous = hash WHERE seq = 4', 4, 'does not continue'],
  ])('shows what somebody without triggers did: %s', (sql, seq, cause) => {
    fill(5);
    temp.tamper(sql);
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(seq, cause));
  });

  it('shows a row that was changed and hashed anew, and a whole chain that was', () => {
    fill(4);
    const rows = temp.store.tail(4);
    const forge = (from: number): string => {
      let previous = rows[from - 2]?.hash ?? '';
      return rows
        .slice(from - 1)
        .map(({ hash, ...old }) => {
          const changed = { ...old, code: 'fine', previous };
          previous = sha256(canonicalJson(changed));
          return `UPDATE ledger SET code = 'fine', previous = '${changed.previous}', hash = '${previous}' WHERE hash = '${hash}';`;
        })
        .join('');
    };
    temp.tamper(forge(3).split(';')[0] ?? '');
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(3, 'the mirror has another line'));
    temp.tamper(forge(3));
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(3, 'the mirror has another line'));
    rmSync(temp.auditDir, { recursive: true });
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(1, 'the mirror has no such line'));
  });
});

const refuseRows = (): void => {
  const raw = temp.raw();
  raw.exec(
    "CREATE TRIGGER full BEFORE INSERT ON ledger WHEN NEW.kind <> 'call' BEGIN SELECT RAISE(ABORT, 'full'); END",
  );
  raw.close();
};
const state = (): unknown => [temp.store.find(ID), temp.store.ledgerHead(), mirrored()];

describe('no row, no change', () => {
  const refused = expect.objectContaining({ code: 'STORE_BROKEN' });

  it('a transition, an expiry and a proposal are undone when the ledger takes no row', () => {
    requestIn(temp.store, ID, 'PENDING');
    refuseRows();
    const before = state();
    expect(() => temp.store.transition(ID, 'approve', {}, row(ID))).toThrow(refused);
    temp.clock.time = START + DAY;
    expect(() => temp.store.expireDue()).toThrow(refused);
    expect(() => temp.store.create(newRequest(nthId(1)), row(nthId(1)))).toThrow(refused);
    expect(temp.store.get(nthId(1))).toBeUndefined();
    expect(state()).toEqual(before);
  });

  it('no row stays behind when the change fails', () => {
    requestIn(temp.store, ID, 'PENDING');
    const raw = temp.raw();
    raw.exec("CREATE TRIGGER stuck BEFORE UPDATE ON requests BEGIN SELECT RAISE(ABORT, 'stuck'); END");
    raw.close();
    const before = state();
    expect(() => temp.store.transition(ID, 'approve', {}, row(ID))).toThrow(refused);
    expect(state()).toEqual(before);
  });

  it('a row about another request does not do', () => {
    requestIn(temp.store, ID, 'PENDING');
    const before = state();
    expect(() => temp.store.transition(ID, 'approve', {}, row(nthId(1)))).toThrow(refused);
    expect(state()).toEqual(before);
  });
});

describe('the mirror', () => {
  it('has each row as one line, in the file of its UTC day', () => {
    fill(2);
    temp.clock.time = Date.UTC(2026, 10, 3, 23, 59, 59, 999);
    fill(1);
    temp.clock.time += 1;
    fill(2);
    expect(readdirSync(temp.auditDir).sort()).toEqual([
      'mcp-audit-2026-11-03.jsonl',
      'mcp-audit-2026-11-04.jsonl',
    ]);
    expect(linesOf(day(FIRST)).length).toBe(3);
    expect(linesOf(day('2026-11-04')).length).toBe(2);
    expect(mirrored()).toEqual(temp.store.tail(5));
    expect(linesOf(day(FIRST))[0]).toBe(canonicalJson(temp.store.tail(5)[0]));
  });

  it('follows a clock that is set back over midnight', () => {
    temp.clock.time = START + DAY;
    fill(2);
    temp.clock.time = START;
    fill(2);
    temp.clock.time = START + DAY;
    fill(1);
    expect(linesOf(day('2026-11-04')).length).toBe(3);
    expect(temp.store.verifyLedger().entries).toBe(5);
  });

  it('shows a changed, a missing, an added and a moved line', () => {
    fill(5);
    const good = readFileSync(day(FIRST), 'utf8');
    const lines = linesOf(day(FIRST));
    const put = (given: readonly (string | undefined)[]): void =>
      writeFileSync(day(FIRST), given.map((line) => `${String(line)}\n`).join(''));
    const [a, b, c, d, e] = lines;
    put([a, b, c?.replace('"ok"', '"no"'), d, e]);
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(3, 'another line'));
    put([a, b, d, e]);
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(3, 'another line'));
    put([a, b, c, d]);
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(5, 'no such line'));
    put([a, c, b, d, e]);
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(2, 'another line'));
    put([a, b, c, d, e, e]);
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(6, 'more lines'));
    writeFileSync(day(FIRST), good.slice(0, -1));
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(5, 'no such line'));
    writeFileSync(day(FIRST), good);
    expect(temp.store.verifyLedger().entries).toBe(5);
    writeFileSync(day('2026-12-24'), good, { mode: 0o600 });
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(6, 'the mirror of 2026-12-24'));
  });

  it('shows a file that is gone, that others can read, or that is a link', () => {
    fill(2);
    chmodSync(day(FIRST), 0o640);
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(1, 'cannot be read'));
    renameSync(day(FIRST), join(temp.dir, 'moved'));
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(1, 'no such line'));
    chmodSync(join(temp.dir, 'moved'), 0o600);
    symlinkSync(join(temp.dir, 'moved'), day(FIRST));
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(1, 'cannot be read'));
    fill(1);
    expect(temp.warnings).toEqual(['MIRROR_UNWRITABLE']);
    expect(linesOf(join(temp.dir, 'moved')).length).toBe(2);
  });

  it('never stops a change; what it missed comes later, once and in order', () => {
    fill(1);
    renameSync(temp.auditDir, `${temp.auditDir}-away`);
    writeFileSync(temp.auditDir, 'a file in the way');
    requestIn(temp.store, ID, 'APPROVED');
    fill(2);
    expect(temp.store.find(ID).state).toBe('APPROVED');
    expect(temp.warnings).toEqual(['MIRROR_UNWRITABLE']);
    rmSync(temp.auditDir);
    renameSync(`${temp.auditDir}-away`, temp.auditDir);
    expect(temp.store.verifyLedger().entries).toBe(6);
    fill(1);
    expect(mirrored()).toEqual(temp.store.tail(99));
    expect(mirrored().map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(temp.warnings).toEqual(['MIRROR_UNWRITABLE']);
  });

  it('catches up at the next opening', async () => {
    writeFileSync(temp.auditDir, 'a file in the way');
    fill(3);
    rmSync(temp.auditDir);
    await temp.reopen();
    expect(mirrored().map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it.each([0, 1, 40, -1])(
    'does not repeat what a killed writer had written (%i bytes of the second row)',
    async (bytes) => {
      fill(3);
      const good = readFileSync(day(FIRST), 'utf8');
      const [first = '', second = ''] = linesOf(day(FIRST));
      const kept = bytes === -1 ? good : `${first}\n${second}`.slice(0, first.length + 1 + bytes);
      temp.store.close();
      const raw = temp.raw();
      raw.exec(`UPDATE mirror SET seq = 1; UPDATE mirror_files SET bytes = ${String(first.length + 1)}`);
      raw.close();
      writeFileSync(day(FIRST), kept);
      await temp.reopen();
      expect(readFileSync(day(FIRST), 'utf8')).toBe(good);
      expect(temp.warnings).toEqual([]);
      expect(temp.store.verifyLedger().entries).toBe(3);
    },
  );

  it('warns about foreign text, leaves it where it is and goes on', () => {
    fill(1);
    appendFileSync(day(FIRST), '{"seq":2,"code":"nothing happened"');
    fill(2);
    expect(temp.warnings).toEqual(['MIRROR_CHANGED']);
    expect(linesOf(day(FIRST)).length).toBe(4);
    expect(linesOf(day(FIRST))[1]).toBe('{"seq":2,"code":"nothing happened"');
    expect(
      linesOf(day(FIRST))
        .slice(2)
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(temp.store.tail(2));
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(2, 'another line'));
  });

  it('does not hide that lines were cut off', () => {
    fill(3);
    writeFileSync(day(FIRST), `${String(linesOf(day(FIRST))[0])}\n`);
    fill(1);
    expect(temp.warnings).toEqual(['MIRROR_CHANGED']);
    expect(() => temp.store.verifyLedger()).toThrow(brokenAt(2));
  });

  it('writes to a directory of your choice', async () => {
    const elsewhere = join(temp.dir, 'far', 'away');
    temp.store.close();
    temp.store = await temp.another({ auditDir: elsewhere });
    fill(2);
    expect(readdirSync(elsewhere)).toEqual(['mcp-audit-2026-11-03.jsonl']);
    expect(statSync(join(elsewhere, 'mcp-audit-2026-11-03.jsonl')).mode & 0o777).toBe(0o600);
    expect(statSync(elsewhere).mode & 0o777).toBe(0o700);
    expect(temp.store.verifyLedger().entries).toBe(2);
  });
});

it('tells of alarms once they are committed, and of none that were not', async () => {
  const told: string[] = [];
  const store = await temp.another({ onAlarm: ({ code }) => told.push(code) });
  try {
    requestIn(store, ID, 'PENDING');
    const alarm = (code: string) => ({ ...row(ID, code), kind: 'alarm' }) as const;
    // The row is written before the database refuses the change.
    expect(() => store.transition(ID, 'approve', { impact: 'NONE' as 'LOW' }, alarm('NOT_DONE'))).toThrow(
      expect.objectContaining({ code: 'STORE_BROKEN' }),
    );
    expect(told).toEqual([]);
    store.transition(ID, 'approve', {}, alarm('DONE'));
    store.append({ ...row(ID), kind: 'note' });
    expect(told).toEqual(['DONE']);
  } finally {
    store.close();
  }
});
