import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

// The one door of an installation to the machine: what it changes, what it leaves, and how it puts everything back.

const DOOR = resolve(import.meta.dirname, '../support/installer-host.py');
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mcp-pra-door-'));
  chmodSync(root, 0o755);
  mkdirSync(join(root, 'etc'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

type Step = readonly [method: string, ...values: unknown[]];
const steps = (list: readonly Step[], ...flags: string[]): string[] => {
  const said = execFileSync('python3', ['-IB', DOOR, root, ...flags], {
    input: JSON.stringify(list),
    encoding: 'utf8',
    stdio: 'pipe',
  });
  return said === '' ? [] : (JSON.parse(said) as string[]);
};
const at = (path: string): string => join(root, path);

/** Everything below the root: paths, kinds, modes, contents. */
const tree = (folder = root): string[] =>
  readdirSync(folder)
    .toSorted()
    .flatMap((name) => {
      const path = join(folder, name);
      const state = lstatSync(path);
      const mode = (state.mode & 0o7777).toString(8);
      const inside = state.isDirectory()
        ? tree(path)
        : [state.isSymbolicLink() ? '->' : readFileSync(path, 'utf8')];
      return [`${path.slice(root.length)} ${mode}`, ...inside];
    });

const fill = (): string[] => {
  writeFileSync(at('etc/file'), 'old\n', { mode: 0o640 });
  symlinkSync('/etc/hostname', at('etc/link'));
  mkdirSync(at('etc/folder/inner'), { recursive: true });
  writeFileSync(at('etc/folder/inner/kept'), 'kept');
  return tree();
};

const EVERYTHING: readonly Step[] = [
  ['write', '/etc/file', 0o644, 'new\n'],
  ['write', '/etc/file', 0o600, 'newer\n'],
  ['write', '/etc/link', 0o644, 'no link any more\n'],
  ['write', '/etc/fresh', 0o644, 'x'],
  ['folder', '/etc/made', 0o755],
  ['write', '/etc/made/inside', 0o644, 'x'],
  ['folder', '/etc/folder', 0o700],
  ['gone', '/etc/folder/inner'],
  ['gone', '/etc/fresh'],
  ['write', '/etc/fresh', 0o644, 'again'],
];

test('a file is written whole, with its mode; a second time it is the same', () => {
  const write: Step = ['write', '/etc/file', 0o640, 'content\n'];
  expect(steps([write, ['commit']])).toEqual(['changed 0640 /etc/file']);
  expect(tree()).toEqual(['/etc 755', '/etc/file 640', 'content\n']);
  expect(steps([write, ['commit']])).toEqual(['same 0640 /etc/file']);
});

test.each<[what: string, spoil: () => void]>([
  ['another content of the same length', () => writeFileSync(at('etc/file'), 'CONTENT\n')],
  ['another mode', () => chmodSync(at('etc/file'), 0o666)],
  [
    'a link in its place',
    () => {
      writeFileSync(at('etc/elsewhere'), 'content\n', { mode: 0o640 });
      rmSync(at('etc/file'));
      symlinkSync(at('etc/elsewhere'), at('etc/file'));
    },
  ],
  [
    'a folder in its place',
    () => {
      rmSync(at('etc/file'));
      mkdirSync(at('etc/file/x'), { recursive: true });
    },
  ],
])('%s is a change, and is repaired', (_, spoil) => {
  const write: Step = ['write', '/etc/file', 0o640, 'content\n'];
  steps([write, ['commit']]);
  spoil();
  expect(steps([write, ['commit']])).toEqual(['changed 0640 /etc/file']);
  const state = lstatSync(at('etc/file'));
  expect([state.isFile(), (state.mode & 0o777).toString(8), readFileSync(at('etc/file'), 'utf8')]).toEqual([
    true,
    '640',
    'content\n',
  ]);
});

test('what goes and what comes leaves no spare file behind', () => {
  fill();
  steps([...EVERYTHING, ['commit']]);
  expect(tree().filter((line) => line.includes('.mcp-pra'))).toEqual([]);
  expect(readFileSync(at('etc/file'), 'utf8')).toBe('newer\n');
  expect(readFileSync(at('etc/fresh'), 'utf8')).toBe('again');
  expect(existsSync(at('etc/folder/inner'))).toBe(false);
});

describe('putting back', () => {
  test('leaves files, links, folders and modes as they were, whatever was done', () => {
    const before = fill();
    expect(steps([...EVERYTHING, ['roll_back']])).toEqual([]);
    expect(tree()).toEqual(before);
  });

  test('goes from the last step to the first', () => {
    expect(steps([['ask_then_undo', 'first'], ['ask_then_undo', 'second'], ['roll_back']])).toEqual([
      'second',
      'first',
    ]);
  });

  test('knows nothing of what was committed', () => {
    steps([['write', '/etc/file', 0o644, 'one'], ['commit'], ['roll_back']]);
    expect(readFileSync(at('etc/file'), 'utf8')).toBe('one');
  });

  test('after a refusal in the middle of it', () => {
    const before = fill();
    expect(
      steps([['write', '/etc/file', 0o644, 'new\n'], ['folder', '/etc/link', 0o755], ['roll_back']]),
    ).toEqual([expect.stringMatching(/^refused \/etc\/link is no folder/u)]);
    expect(tree()).toEqual(before);
  });
});

test('what a killed run left beside its files is gone after the next one', () => {
  fill();
  steps([...EVERYTHING, ['leave']]);
  expect(tree().some((line) => line.includes('.mcp-pra-before'))).toBe(true);
  steps([...EVERYTHING, ['commit']]);
  expect(tree().filter((line) => line.includes('.mcp-pra'))).toEqual([]);
});

test('with --check there is nothing to undo', () => {
  expect(steps([['ask_then_undo', 'undone'], ['roll_back']], '--check')).toEqual([]);
});

test('with --check everything is said and nothing is done, also where nothing is', () => {
  const before = fill();
  const said = steps([...EVERYTHING, ['commit']], '--check');
  expect(said).toContain('changed 0644 /etc/made/inside');
  expect(said).toContain('changed gone /etc/folder/inner');
  expect(said.every((line) => line.startsWith('changed '))).toBe(true);
  expect(tree()).toEqual(before);
});

test('with --diff the lines that change are shown, and bytes that are no text are not', () => {
  fill();
  const said = steps(
    [['write', '/etc/file', 0o644, 'new\n'], ['write', '/etc/fresh', 0o644, 'x'], ['commit']],
    '--check',
    '--diff',
  );
  expect(said).toEqual([
    'changed 0644 /etc/file',
    '--- /etc/file',
    '+++ /etc/file',
    '@@ -1 +1 @@',
    '-old',
    '+new',
    'changed 0644 /etc/fresh',
    '--- /etc/fresh',
    '+++ /etc/fresh',
    '@@ -0,0 +1 @@',
    '+x',
  ]);
});

test('a folder above that others can write is refused: they could put another file in the place of ours', () => {
  mkdirSync(at('etc/open/inner'), { recursive: true });
  const write: Step = ['write', '/etc/open/inner/file', 0o644, 'x'];
  chmodSync(at('etc/open'), 0o775);
  expect(steps([write, ['commit']])).toEqual(['changed 0644 /etc/open/inner/file']);
  rmSync(at('etc/open/inner/file'));
  chmodSync(at('etc/open'), 0o777);
  expect(steps([write])).toEqual([
    `refused ${at('etc/open')} can be written by others than root; chown root:root and chmod go-w it first`,
  ]);
  expect(existsSync(at('etc/open/inner/file'))).toBe(false);
});

test.each(['relative', '/etc/../etc/file'])('%s is no path of an installation', (path) => {
  expect(() => steps([['write', path, 0o644, 'x']])).toThrow('not an absolute path');
});
