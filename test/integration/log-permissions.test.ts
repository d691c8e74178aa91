import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';

const TARGET_SCRIPTS = resolve(import.meta.dirname, '../../target-scripts');
const root = mkdtempSync(join(tmpdir(), 'mcp-pra-acl-'));
const logs = join(root, 'log');
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A number that no account of this machine has. */
const READER = 54_321;

/** What a line of Python with `lp` and the folder makes, as JSON. */
const asked = (line: string): unknown =>
  JSON.parse(
    execFileSync(
      'python3',
      [
        '-IBc',
        `import sys, json, os; sys.path.insert(0, sys.argv[1]); from collecting import log_permissions as lp; logs = sys.argv[2]
def permit_path(path):
    try:
        return [list(pair) for pair in lp.permit(logs, path, ${READER})[1]]
    except lp.Refused as refused:
        return str(refused)
def permit(name):
    return permit_path(f'{logs}/{name}')
def entries(name):
    handle = os.open(f'{logs}/{name}', os.O_RDONLY)
    return [entry for entry in lp.entries_of(handle)]
print(json.dumps(${line}))`,
        TARGET_SCRIPTS,
        logs,
      ],
      { encoding: 'utf8' },
    ),
  );
const put = (name: string, mode = 0o640): void => {
  writeFileSync(join(logs, name), 'x\n');
  chmodSync(join(logs, name), mode);
};
const carries = (name: string): boolean =>
  (asked(`entries('${name}')`) as readonly number[][]).some(([tag, , id]) => tag === 0x02 && id === READER);

beforeEach(() => {
  rmSync(logs, { recursive: true, force: true });
  mkdirSync(join(logs, 'app'), { recursive: true });
  chmodSync(logs, 0o755);
  chmodSync(join(logs, 'app'), 0o750);
});

test('the file gets the permission to read, its closed folder to search, and nothing else changes', () => {
  put('app/error.log');
  put('app/other.log');
  expect(asked("permit('app/error.log')")).toHaveLength(3);
  expect(asked("entries('app/error.log')")).toContainEqual([0x02, 4, READER]);
  expect(asked("entries('app')")).toContainEqual([0x02, 1, READER]);
  expect([carries('app/other.log'), carries('.')]).toEqual([false, false]);
  expect((statSync(join(logs, 'app/error.log')).mode & 0o777).toString(8)).toBe('640');
  // What everybody may read needs no entry.
  put('open.log', 0o644);
  expect(asked("permit('open.log')")).toHaveLength(2);
  expect(carries('open.log')).toBe(false);
});

test('a mode that was taken back is given to the reader again, and to nobody else', () => {
  put('a.log', 0o660);
  asked("permit('a.log')");
  // chmod of a file with an ACL sets its mask.
  chmodSync(join(logs, 'a.log'), 0o600);
  asked("permit('a.log')");
  const entries = asked("entries('a.log')") as readonly number[][];
  expect(entries).toContainEqual([0x02, 4, READER]);
  expect(entries.find(([tag]) => tag === 0x04)).toEqual([0x04, 0, 0xffffffff]);
  expect(entries.find(([tag]) => tag === 0x10)).toEqual([0x10, 4, 0xffffffff]);
});

test('a rotated file and a name that was taken away lose it; the mode is what it was', () => {
  put('app/error.log');
  put('old.log', 0o600);
  asked("permit('app/error.log')");
  asked("permit('old.log')");
  renameSync(join(logs, 'app/error.log'), join(logs, 'app/error.log.1'));
  put('app/error.log');
  const said = asked(
    `(lambda kept: [list(lp.withdraw(logs, ${READER}, kept)), len(kept)])({tuple(one) for one in permit('app/error.log')})`,
  );
  expect(said).toEqual([[2, true], 3]);
  expect(['app/error.log', 'app/error.log.1', 'old.log', 'app'].map(carries)).toEqual([
    true,
    false,
    false,
    true,
  ]);
  expect((statSync(join(logs, 'old.log')).mode & 0o777).toString(8)).toBe('600');
  // Without any name nothing is left.
  expect(asked(`list(lp.withdraw(logs, ${READER}, set()))`)).toEqual([2, true]);
  expect(['app/error.log', 'app'].map(carries)).toEqual([false, false]);
});

describe('is refused', () => {
  test.each([
    ['nothing there', 'none.log', 'missing'],
    ['a folder', 'app', 'not a regular file'],
    ['a way up', 'app/../a.log', 'not a file below'],
    ['an empty part', 'app//a.log', 'not a file below'],
    ['the journal', 'journal/a.journal', 'not a file below'],
    ['a link', 'link.log', 'a link'],
    ['a folder that is a link', 'linked/shadow', 'a link or no folder'],
    ['a second name', 'second.log', 'a second name'],
    ['a pipe', 'pipe', 'not a regular file'],
  ])('%s', (_, name, why) => {
    put('a.log');
    writeFileSync(join(root, 'shadow'), 'x');
    chmodSync(join(root, 'shadow'), 0o600);
    symlinkSync(join(root, 'shadow'), join(logs, 'link.log'));
    symlinkSync(root, join(logs, 'linked'));
    linkSync(join(root, 'shadow'), join(logs, 'second.log'));
    execFileSync('mkfifo', [join(logs, 'pipe')]);
    expect(asked(`permit('${name}')`)).toContain(why);
    expect((statSync(join(root, 'shadow')).mode & 0o777).toString(8)).toBe('600');
    rmSync(join(root, 'shadow'));
  });

  test('what is elsewhere', () => {
    for (const path of ['/etc/shadow', logs, `${logs}-other/a.log`, 'relative.log', ''])
      expect(asked(`permit_path('${path}')`)).toContain('not a file below');
  });
});
