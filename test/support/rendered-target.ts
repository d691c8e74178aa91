import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const INSTALL = resolve(import.meta.dirname, '../../target-scripts/install-target');
const DIGEST = createHash('sha256').update('a definition of the tests').digest('hex');

export interface VerbParam {
  readonly name: string;
  readonly type: string;
  readonly bounds: string;
}

export interface VerbFile {
  readonly params?: readonly VerbParam[];
  readonly seconds?: number;
  readonly bytes?: number;
  /** Section and argv of each run line. */
  readonly run: readonly (readonly [section: string, ...argv: string[]])[];
}

/** The text of a verb file (docs/wire-protocol.md §2). */
export const verbText = ({ params = [], seconds = 10, bytes = 65_536, run }: VerbFile): string =>
  [
    ['v1', DIGEST],
    ...params.map(({ name, type, bounds }) => ['param', name, type, bounds]),
    ['limit', String(seconds), String(bytes)],
    ...run.map((line) => ['run', ...line]),
  ]
    .map((fields) => `${fields.join('\t')}\n`)
    .join('');

export interface Ended {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Calling {
  /** What comes on standard input, and its end. Nothing by default. */
  readonly input?: string;
  /** SSH_ORIGINAL_COMMAND; undefined when there is none. */
  readonly line?: string | undefined;
  /** Arguments instead of sshd's `-c SELF`. */
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The real scripts, rendered by install-target below a temporary prefix: one account, no sudo. */
export class RenderedTarget {
  readonly prefix: string;
  readonly #tables: string;
  readonly #logSocket: string;

  readonly #launcher: string;
  readonly #hostKey: readonly string[];

  constructor(
    options: {
      readonly logSocket?: string;
      readonly launcher?: 'sudo' | 'direct';
      readonly hostKey?: string;
    } = {},
  ) {
    const root = mkdtempSync(join(tmpdir(), 'mcp-pra-target-'));
    this.prefix = join(root, 'prefix');
    this.#tables = join(root, 'tables');
    this.#launcher = options.launcher ?? 'direct';
    this.#hostKey = options.hostKey === undefined ? [] : ['--host-key', options.hostKey];
    this.#logSocket = options.logSocket ?? join(root, 'log');
    mkdirSync(join(this.#tables, 'verbs'), { recursive: true });
    mkdirSync(join(this.#tables, 'actions'));
    writeFileSync(join(this.#tables, 'DIGESTS'), '');
    this.install();
  }

  /** Where audit datagrams go; nothing listens unless a test does. */
  get logSocket(): string {
    return this.#logSocket;
  }

  get tables(): string {
    return this.#tables;
  }

  /** Renders and installs; again after tables changed. Returns what install-target printed. */
  install(): string {
    const uid = String(process.getuid?.() ?? 0);
    const options = ['--prefix', this.prefix, '--tables', this.#tables, '--launcher', this.#launcher];
    const places = ['--owner-uid', uid, '--log-socket', this.#logSocket, ...this.#hostKey];
    return execFileSync('python3', [INSTALL, ...options, ...places], { encoding: 'utf8' });
  }

  path(...parts: string[]): string {
    return join(this.prefix, ...parts);
  }

  /** Puts a verb file into place as it is, without install-target. */
  verb(name: string, file: VerbFile | string): void {
    writeFileSync(this.path('lib/verbs', name), typeof file === 'string' ? file : verbText(file));
  }

  script(name: string, text: string): string {
    const path = this.path(name);
    writeFileSync(path, text);
    chmodSync(path, 0o755);
    return path;
  }

  /** A program, called with exactly sshd's argv and an environment that holds nothing else. */
  spawn(program: 'mcp-wrapper' | 'pra-exec', { line, argv, env }: Calling) {
    const self = this.path('bin', program);
    return spawn(self, argv ?? ['-c', self], {
      env: { ...(line === undefined ? {} : { SSH_ORIGINAL_COMMAND: line }), ...env },
      stdio: 'pipe',
    });
  }

  async call(program: 'mcp-wrapper' | 'pra-exec', calling: Calling): Promise<Ended> {
    const child = this.spawn(program, calling);
    const chunks: Buffer[] = [];
    const complaints: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk));
    child.stdin.on('error', () => undefined); // the program may end without reading
    child.stdin.end(calling.input ?? '');
    const exit = await new Promise<number | null>((done, failed) => {
      child.on('error', failed);
      child.on('close', done);
    });
    child.stdin.destroy();
    return {
      exit,
      stdout: Buffer.concat(chunks).toString('latin1'),
      stderr: Buffer.concat(complaints).toString('utf8'),
    };
  }

  look(line: string | undefined, calling: Omit<Calling, 'line'> = {}): Promise<Ended> {
    return this.call('mcp-wrapper', { ...calling, line });
  }

  remove(): void {
    rmSync(join(this.prefix, '..'), { recursive: true, force: true });
  }
}

export interface Section {
  readonly output: string;
  readonly rc: number;
  readonly ms: number;
  readonly cut: number;
}

/** Sections by name. Only for answers of a test's own making: src/catalog/wire.ts holds the strict parser. */
export const sectionsOf = (answer: string): Record<string, Section> => {
  const [, boundary = ''] = /^mcp-pra 1 [0-9a-f]{64} ([0-9a-f]{32})\n/u.exec(answer) ?? [];
  if (boundary === '') throw new Error('not an answer');
  const sections: Record<string, Section> = {};
  let rest = answer.slice(answer.indexOf('\n') + 1);
  const trailer = new RegExp(`\\n--${boundary} (\\w+) rc=(\\d+) ms=(\\d+) cut=([01])\\n`, 'u');
  for (let found = trailer.exec(rest); found !== null; found = trailer.exec(rest)) {
    const [all, name = '', rc, ms, cut] = found;
    sections[name] = { output: rest.slice(0, found.index), rc: Number(rc), ms: Number(ms), cut: Number(cut) };
    rest = rest.slice(found.index + all.length);
  }
  if (rest !== '') throw new Error('something follows the last trailer');
  return sections;
};

/** Whether a process runs: neither gone nor a zombie that nobody collects. */
export const isRunning = (pid: number): boolean => {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  try {
    return !/\) [ZX] /u.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
};
