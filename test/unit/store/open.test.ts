import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TRANSITIONS } from '../../../src/request/lifecycle.ts';
import type { Store } from '../../../src/request/ports.ts';
import { requireNodeApi } from '../../../src/store/database.ts';
import { SCHEMA_VERSION } from '../../../src/store/migrate.ts';
import { openStore } from '../../../src/store/open.ts';
import { nthId, requestIn, row, START } from '../../support/store-fixture.ts';

let parent: string;
let dir: string;
let opened: Store[];
let umask: number;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'mcp-pra-open-'));
  dir = join(parent, 'state');
  opened = [];
  umask = process.umask();
});
afterEach(() => {
  process.umask(umask);
  for (const store of opened) store.close();
  rmSync(parent, { recursive: true });
});

const open = async (): Promise<Store> => {
  const store = await openStore({ dir, clock: { now: () => START } });
  opened.push(store);
  return store;
};
const mode = (name: string): string => (statSync(join(dir, name)).mode & 0o777).toString(8);
const failure = (code: string): unknown => expect.objectContaining({ code });
const raw = <T>(work: (database: Sqlite.Database) => T): T => {
  const database = new Sqlite(join(dir, 'mcp-pra.db'));
  try {
    return work(database);
  } finally {
    database.close();
  }
};

describe('the files', () => {
  it.each([0, 0o022, 0o077])('are for the owner only under any umask (%i)', async (mask) => {
    process.umask(mask);
    const store = await open();
    process.umask(umask);
    store.append({ kind: 'note', code: 'x', actor: 'a/b' });
    expect(['.', 'mcp-pra.db', 'mcp-pra.db-wal', 'mcp-pra.db-shm', 'audit'].map(mode)).toEqual([
      '700',
      '600',
      '600',
      '600',
      '700',
    ]);
    expect(mode('audit/mcp-audit-2026-11-03.jsonl')).toBe('600');
  });

  it.each([
    ['.', 0o750, 'DIR_MODE'],
    ['.', 0o701, 'DIR_MODE'],
    ['audit', 0o705, 'DIR_MODE'],
    ['mcp-pra.db', 0o640, 'FILE_MODE'],
    ['mcp-pra.db', 0o602, 'FILE_MODE'],
    ['mcp-pra.db-wal', 0o604, 'FILE_MODE'],
    ['mcp-pra.db-shm', 0o660, 'FILE_MODE'],
  ])('%s with mode %i is refused', async (name, wide, code) => {
    const store = await open();
    store.append({ kind: 'note', code: 'x', actor: 'a/b' });
    const before = statSync(join(dir, name)).mode & 0o777;
    chmodSync(join(dir, name), wide);
    await expect(open()).rejects.toThrow(failure(code));
    chmodSync(join(dir, name), before);
    await expect(open()).resolves.toBeDefined();
  });

  it('must not be somebody else’s', async () => {
    mkdirSync(dir, { mode: 0o700 });
    const { getuid } = process;
    process.getuid = () => 12_345;
    try {
      await expect(open()).rejects.toThrow(failure('STORE_BROKEN'));
    } finally {
      Object.assign(process, { getuid });
    }
    await expect(open()).resolves.toBeDefined();
  });

  it('must be files and directories', async () => {
    writeFileSync(dir, '');
    await expect(open()).rejects.toThrow(failure('STORE_BROKEN'));
    rmSync(dir);
    mkdirSync(join(dir, 'mcp-pra.db'), { recursive: true, mode: 0o700 });
    await expect(open()).rejects.toThrow(failure('STORE_BROKEN'));
  });

  it('that are no database are said to be broken, in our words', async () => {
    mkdirSync(dir, { mode: 0o700 });
    writeFileSync(join(dir, 'mcp-pra.db'), 'not a database '.repeat(100), { mode: 0o600 });
    await expect(open()).rejects.toThrow('The database cannot be used (SQLITE_NOTADB).');
  });
});

describe('the schema', () => {
  it('comes from version 0 and stays', async () => {
    requestIn(await open(), nthId(0), 'PENDING');
    expect(raw((database) => database.pragma('user_version', { simple: true }))).toBe(SCHEMA_VERSION);
    expect((await open()).find(nthId(0)).state).toBe('PENDING');
  });

  it('comes whole or not at all', async () => {
    await open();
    opened.pop()?.close();
    rmSync(dir, { recursive: true });
    mkdirSync(dir, { mode: 0o700 });
    // The last table of the migration is in the way.
    raw((database) => database.exec('CREATE TABLE mirror_files (x)'));
    chmodSync(join(dir, 'mcp-pra.db'), 0o600);
    await expect(open()).rejects.toThrow(failure('STORE_BROKEN'));
    const tables = raw((database) => database.prepare('SELECT name FROM sqlite_schema').pluck().all());
    expect(tables).toEqual(['mirror_files']);
  });

  it('of a newer version is left alone', async () => {
    await open();
    raw((database) => database.pragma(`user_version = ${String(SCHEMA_VERSION + 1)}`));
    await expect(open()).rejects.toThrow(
      expect.objectContaining({ code: 'STORE_NEWER', values: { version: SCHEMA_VERSION + 1 } }),
    );
    expect(raw((database) => database.pragma('user_version', { simple: true }))).toBe(SCHEMA_VERSION + 1);
  });

  it('has the edges of the lifecycle table, also after a change of that', async () => {
    await open();
    const wanted = Object.entries(TRANSITIONS)
      .flatMap(([from, events]) => Object.entries(events).map(([event, to]) => `${from} ${event} ${to}`))
      .sort();
    const edges = (): string[] =>
      raw((database) =>
        database
          .prepare<[], string[]>('SELECT * FROM lifecycle_edges')
          .raw()
          .all()
          .map((edge) => edge.join(' '))
          .sort(),
      );
    expect(edges()).toEqual(wanted);
    raw((database) => database.exec("INSERT INTO lifecycle_edges VALUES ('DENIED', 'approve', 'APPROVED')"));
    await open();
    expect(edges()).toEqual(wanted);
  });

  it('is strict and durable', async () => {
    await open();
    expect(raw((database) => database.pragma('journal_mode', { simple: true }))).toBe('wal');
    const loose = raw((database) =>
      database
        .prepare(
          "SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%'",
        )
        .all(),
    );
    expect(loose).toEqual([]);
  });
});

describe('opening and closing', () => {
  it('asks for a Node.js that better-sqlite3 does not crash on', () => {
    expect(() => requireNodeApi({ node: '20.19.0', napi: '9' })).toThrow(failure('NODE_TOO_OLD'));
    expect(() => requireNodeApi({ node: '18.0.0' })).toThrow(failure('NODE_TOO_OLD'));
    expect(() => requireNodeApi({ node: '22.14.0', napi: '10' })).not.toThrow();
  });

  it('says that a closed store is closed', async () => {
    const store = await open();
    store.close();
    expect(() => store.list()).toThrow('The database cannot be used (closed).');
    expect(() => store.append(row(nthId(0)))).toThrow(failure('STORE_BROKEN'));
  });
});
