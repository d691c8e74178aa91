import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

interface SourceFile {
  /** Below the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  /** What it imports: paths below the repository, or names of packages. */
  readonly imports: readonly string[];
}

const IMPORT = /(?:^|[^\w.])(?:import|export)\s*(?:type\s+)?(?:[\w*{}\s,$]+\sfrom\s*)?\(?\s*'([^']+)'/gu;

const read = (path: string): SourceFile => {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const imports = [...text.matchAll(IMPORT)].map(([, from = '']) =>
    from.startsWith('.') ? relative(ROOT, join(ROOT, path, '..', from)).replaceAll('\\', '/') : from,
  );
  return { path, text, imports };
};

const filesUnder = (dir: string): readonly string[] =>
  readdirSync(join(ROOT, dir), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll('\\', '/'));

const sources = filesUnder('src').map(read);

/** `src/ssh/lines.ts` → `ssh`; files directly in src are parts of their own. */
const partOf = (path: string): string => {
  const [, first = '', second] = path.split('/');
  return second === undefined ? first.replace(/\.ts$/u, '') : first;
};

/** Who may import whom (docs/architecture.md): what is not listed is not allowed. `messages`, `log`, `config` and `nearest` are leaves. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  messages: ['request'], // types only: the states that have sentences
  errors: ['messages'],
  log: [],
  nearest: [],
  config: ['errors', 'nearest'],
  catalog: ['errors', 'messages'],
  request: ['errors', 'messages', 'catalog', 'nearest'],
  store: ['errors', 'messages', 'catalog', 'request'],
  ssh: ['errors', 'messages', 'catalog', 'request'],
  approver: ['errors', 'messages', 'catalog', 'request'],
  mcp: ['errors', 'messages', 'catalog', 'request', 'nearest'],
  cli: ['errors', 'messages', 'catalog', 'request', 'config', 'log'],
  app: [
    'errors',
    'messages',
    'catalog',
    'request',
    'config',
    'log',
    'store',
    'ssh',
    'approver',
    'mcp',
    'cli',
  ],
  main: ['app', 'cli', 'errors', 'log'],
  gen: ['errors', 'catalog', 'config', 'request'],
};

test('the reader of imports sees every kind of import', () => {
  const kinds = `import a from 'one';\nimport { b,\n c } from 'two';\nimport type { D } from 'three';\nimport 'four';
export { e } from 'five';\nconst f = await import('six');\nexport * from 'seven'; type G = import('eight').G;`;
  expect([...kinds.matchAll(IMPORT)].map(([, from]) => from)).toEqual([
    'one',
    'two',
    'three',
    'four',
    'five',
    'six',
    'seven',
    'eight',
  ]);
  expect(sources.length).toBeGreaterThan(100);
});

test('imports go one way only', () => {
  const wrong = sources.flatMap(({ path, imports }) => {
    const allowed = [partOf(path), ...(MAY_IMPORT[partOf(path)] ?? [])];
    return imports
      .filter((target) => target.startsWith('src/') && !allowed.includes(partOf(target)))
      .map((target) => `${path} imports ${target}`);
  });
  expect(wrong).toEqual([]);
});

test('messages import types only', () => {
  const wrong = sources.filter(
    ({ path, text }) => partOf(path) === 'messages' && /^import (?!type)/mu.test(text),
  );
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

/** Package → the only place that may import it. */
const DOORS: readonly (readonly [RegExp, RegExp])[] = [
  [/^@modelcontextprotocol\//u, /^src\/mcp\//u],
  [/^ssh2$/u, /^src\/ssh\//u],
  [/^better-sqlite3$/u, /^src\/store\//u],
  [/^commander$/u, /^src\/cli\//u],
  [/^pino$/u, /^src\/log\.ts$/u],
  [/^@secretlint\//u, /^src\/request\/mask-vendors\.ts$/u],
  [/^(?:otplib|uqr)$/u, /^src\/approver\//u],
];

test('each package has one door', () => {
  const wrong = sources.flatMap(({ path, imports }) =>
    DOORS.filter(([name, door]) => imports.some((target) => name.test(target)) && !door.test(path)).map(
      ([name]) => `${path} imports ${name.source}`,
    ),
  );
  expect(wrong).toEqual([]);
});

test('only policy makes grants', () => {
  const callers = sources.filter(({ text }) => /\bmakeGrant\s*\(/u.test(text)).map(({ path }) => path);
  expect(callers).toEqual(['src/request/policy.ts']);
});

test('only the checking of codes makes proofs of one', () => {
  const callers = sources.filter(({ text }) => /\bmakeOtpProof\s*\(/u.test(text)).map(({ path }) => path);
  expect(callers).toEqual(['src/approver/otp.ts']);
});

test('the MCP server never gets a desk that decides', () => {
  const wrong = sources.filter(
    ({ path, text }) => partOf(path) === 'mcp' && /PersonDesk|ApprovalSheet|OtpProof|otp-store/u.test(text),
  );
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

test('files are named after what is in them', () => {
  const vague = /(?:^|[/-])(?:utils?|helpers?|managers?|services?|common|misc|index)\.ts$/u;
  const wrong = sources
    .map(({ path }) => path)
    .filter((path) => vague.test(path) || !/^[a-z0-9/.-]+$/u.test(path));
  expect(wrong).toEqual([]);
});

test('no file is longer than 400 lines', () => {
  const long = sources.filter(({ text }) => text.split('\n').length > 401).map(({ path }) => path);
  expect(long).toEqual([]);
});
