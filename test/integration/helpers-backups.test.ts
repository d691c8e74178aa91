import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

const HELPERS = resolve(import.meta.dirname, '../../target-scripts/helpers');
const root = mkdtempSync(join(tmpdir(), 'mcp-pra-helpers-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const facts = (helper: string, folder: string): unknown => {
  const { status, stdout } = spawnSync(join(HELPERS, helper), [folder], { encoding: 'utf8', env: {} });
  expect(status).toBe(0);
  return JSON.parse(stdout);
};
const put = (path: string, text = '', age = 0): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  const at = Date.now() / 1_000 - age;
  utimesSync(join(root, path), at, at);
};

test.each(['backup-age', 'restore-tests'])('%s takes one absolute path', (helper) => {
  for (const args of [[], ['relative'], ['/tmp', '/tmp'], ['']])
    expect(spawnSync(join(HELPERS, helper), args).status).toBe(64);
});

describe('backup-age', () => {
  test('the newest of a series is compared with the median of the seven before it', () => {
    put('seven/db-0.dump', 'x'.repeat(300));
    for (const [age, size] of [100, 100, 100, 200, 400, 400, 400].entries())
      put(`seven/db-${String(age + 1)}.dump`, 'x'.repeat(size), 1_000 * (age + 1));
    // The eighth before it, which would make the median 400.
    put('seven/db-8.dump', 'x'.repeat(9_000), 9_000);
    expect(facts('backup-age', join(root, 'seven'))).toMatchObject({
      files: 9,
      newest_bytes: 300,
      change_percent: 50,
      series: [{ usual_bytes: 200, change_percent: 50 }],
    });
  });

  test('eight levels are looked at, a ninth is not; links are not followed', () => {
    put('deep/2/3/4/5/6/7/8/a.dump');
    expect(facts('backup-age', join(root, 'deep'))).toMatchObject({ files: 1, complete: true });
    symlinkSync('/etc', join(root, 'deep/link'));
    expect(facts('backup-age', join(root, 'deep'))).toMatchObject({ files: 1, complete: true });
    put('deep/2/3/4/5/6/7/8/9/b.dump');
    expect(facts('backup-age', join(root, 'deep'))).toMatchObject({ files: 1, complete: false });
  });

  test('50,000 entries are looked at, one more is not', () => {
    for (let at = 1; at <= 50_000; at += 1) put(`many/${String(at)}`);
    expect(facts('backup-age', join(root, 'many'))).toMatchObject({ files: 50_000, complete: true });
    put('many/50001');
    expect(facts('backup-age', join(root, 'many'))).toMatchObject({ files: 50_000, complete: false });
  });
});

describe('restore-tests', () => {
  test('a marker has at most 4,096 bytes, an `ok` and a name of its form', () => {
    const padded = (bytes: number): string => `{"ok":true${' '.repeat(bytes - 11)}}`;
    put('markers/most.json', padded(4_096));
    put('markers/more.json', padded(4_097));
    put('markers/word.json', '{"ok":"true"}');
    put('markers/list.json', '[]');
    put('markers/nested.json', '['.repeat(4_000));
    put('markers/Upper.json', '{"ok":true}');
    put('markers/notes.txt', '{"ok":true}');
    mkdirSync(join(root, 'markers/folder.json'));
    expect(facts('restore-tests', join(root, 'markers'))).toMatchObject({
      count: 1,
      unreadable: 5,
      tests: [{ name: 'most', ok: true }],
    });
  });

  test('what is no text and no number of its kind is left out', () => {
    put('odd/a.json', '{"ok":false,"source":7,"seconds":-1,"bytes":1.5,"secret":"x"}');
    const { tests, ...rest } = facts('restore-tests', join(root, 'odd')) as { tests: readonly object[] };
    expect(tests.map((row) => Object.keys(row))).toEqual([['name', 'ok', 'age_seconds']]);
    expect(rest).toMatchObject({ failed: 1, last_success_age_seconds: null });
  });
});
