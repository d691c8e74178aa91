import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabHost } from '../../lab/lab.ts';
import type { Verb } from './legal.ts';

// What sshd's children execute, seen from outside the host: strace on the listening sshd follows everything that a connection
// starts. Each program must be one that the tables name.

/** One execve, successful or not. */
export interface Executed {
  readonly path: string;
  readonly argv: readonly string[];
  /** Whether its process had given up new privileges by then. */
  readonly noNewPrivs: boolean;
}

/** The number of the host's listening sshd on this machine. */
const findListener = async (host: LabHost): Promise<number> => {
  const { stdout } = await host.run(['readlink', '/proc/1/ns/pid']);
  const found = readdirSync('/proc').filter((entry) => {
    try {
      return (
        /^\d+$/u.test(entry) &&
        readFileSync(`/proc/${entry}/cmdline`, 'latin1').startsWith('sshd: /usr/sbin/sshd') &&
        readlinkSync(`/proc/${entry}/ns/pid`) === stdout.trim()
      );
    } catch {
      return false; // it ended meanwhile
    }
  });
  if (found.length !== 1) throw new Error(`${String(found.length)} listening sshds on ${host.name}`);
  return Number(found[0]);
};

/** `"a\"b", "c"` as strace prints an argument vector. */
const parseArgv = (text: string): readonly string[] =>
  [...text.matchAll(/"((?:[^"\\]|\\.)*)"/gu)].map(
    ([, one = '']) =>
      // In pairs: what follows an escaped backslash is no escape.
      JSON.parse(
        `"${one.replaceAll(/\\([^])/gu, (pair, next: string) => ('"\\nrtbf'.includes(next) ? pair : `\\${pair}`))}"`,
      ) as string,
  );

/** What a trace says was executed. */
export const parseTrace = (text: string): readonly Executed[] => {
  const sealed = new Set<string>();
  const executed: Executed[] = [];
  for (const line of text.split('\n')) {
    const [, pid = '', call = ''] = /^(\d+) +(.*)$/u.exec(line) ?? [];
    if (call.startsWith('prctl(PR_SET_NO_NEW_PRIVS, 1,')) sealed.add(pid);
    const [, path, argv] =
      /^execve(?:at)?\((?:[^"]*, )?"([^"]*)", \[(.*?)\](?:, | <unfinished|\.\.\.)/u.exec(call) ?? [];
    if (path !== undefined && argv !== undefined)
      executed.push({ path, argv: parseArgv(argv), noNewPrivs: sealed.has(pid) });
  }
  return executed;
};

const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/gu, '\\$&');
/** A token of a table as a pattern: a placeholder stands for anything but an option, and for a path only where the host has a table of names. */
const pattern = (token: string, params: Verb['params']): string =>
  escape(token).replace(/\\\{([a-z0-9_]+)\\\}$/u, (_, name: string) =>
    NAMED.has(params.find((param) => param.name === name)?.type ?? '')
      ? '[/A-Za-z0-9][/A-Za-z0-9@._:-]*'
      : '[A-Za-z0-9][A-Za-z0-9@._:-]*',
  );
const NAMED = new Set(['log', 'mount', 'tree', 'endpoint', 'certificate']);

const LOGGER = String.raw`/usr/bin/logger --socket-errors=off -u /dev/log -p authpriv\.info -t (?:mcp-wrapper|pra-exec) -- v=1 verdict=[a-z]+ code=[A-Z_-]+ verb=[a-z0-9_-]+ from=[0-9a-f.:-]+ ms=\d+`;
const ENV = '/usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C\\.UTF-8';
const BEFORE_LOGIN = [
  '/usr/sbin/sshd -D -R',
  // Debian's pam_motd, as root and before the account's own program is started: nothing of the request is in it.
  String.raw`sh -c /usr/bin/env -i PATH=\S+ run-parts --lsbsysinit /etc/update-motd\.d > /run/motd\.dynamic\.new`,
  String.raw`/usr/bin/env -i PATH=\S+ run-parts --lsbsysinit /etc/update-motd\.d`,
  String.raw`run-parts --lsbsysinit /etc/update-motd\.d`,
  String.raw`/etc/update-motd\.d/\S+`,
  'uname -snrvm',
];
const PRA_RUN = [
  '/usr/bin/sudo -n /usr/local/bin/pra-run (?:prepare|status|result|fence|version|[a-z_]+)',
  '/usr/local/bin/pra-run [a-z_]+',
  '/usr/bin/ssh-keygen -(?:Y (?:verify|sign)|Q) .*',
  '/usr/bin/systemd-run --collect --quiet --no-ask-password --unit=mcp-pra-[a-z2-7]{16} .* -- /usr/local/bin/pra-run --execute [a-z2-7]{16}',
];
// What helpers run, and what a listed program runs by itself: programs that only read, and the options that they get.
const FOLLOW_UP = [
  String.raw`/usr/bin/journalctl --no-pager --quiet(?: --(?:reverse|no-hostname|output=[a-z-]+|output-fields=[A-Z_,]+|lines=\d+|since=-\d+[smhd]|until=-\d+[smhd]|priority=[a-z]+|unit=[A-Za-z0-9][A-Za-z0-9@._:-]*|grep=\^\(Memory cgroup out of memory\|Out of memory\): Killed))*(?: -t [a-z-]+)*(?: --(?: [A-Z_]+=[A-Za-z0-9][A-Za-z0-9._-]*)*)?`,
  '/usr/bin/openssl x509 -inform (?:PEM|DER) -noout -subject -issuer -startdate -enddate -nameopt RFC2253 -ext subjectAltName',
  String.raw`/usr/bin/openssl s_client -connect [A-Za-z0-9[][^\s/]* -showcerts (?:-noservername|-servername [A-Za-z0-9][A-Za-z0-9.-]*)(?: -starttls [a-z0-9]+)?`,
  String.raw`/usr/bin/dpkg-query --show --showformat=\S+ -- [a-z0-9][a-z0-9+.:-]*`,
  String.raw`/usr/bin/apt-cache policy -- [a-z0-9][a-z0-9+.:-]*`,
  String.raw`/usr/bin/dpkg --verify -- [a-z0-9][a-z0-9+.:-]*`,
  '/usr/bin/dpkg --print-foreign-architectures', // apt asks
  String.raw`/usr/bin/mariadb --no-defaults --connect-timeout=3 --batch(?: --[a-z-]+)* --execute=(?:SELECT|SHOW) [^/]*`,
  '/usr/bin/ss -H -n -t -[la]',
];

/** The programs that the tables and the product's own programs name, as patterns of whole argument vectors. */
export const tableOf = (verbs: readonly Verb[]): RegExp => {
  const runs = verbs.flatMap(({ params, runs: all }) =>
    all.map((argv) => argv.map((token) => pattern(token, params)).join(' ')),
  );
  const timed = `/usr/bin/timeout -k 1 \\d+ (?:${runs.join('|')})`;
  const sealed = `/usr/bin/setpriv --no-new-privs --pdeathsig TERM ${timed}`;
  const reader = [
    '(?:mcp-wrapper|pra-exec|/usr/local/bin/mcp-wrapper) -c /usr/local/bin/(?:mcp-wrapper|pra-exec)',
    `/usr/bin/timeout -k 1 1 ${LOGGER}`,
    LOGGER,
    `${ENV} TZ=UTC HOME=/ TERM=dumb SYSTEMD_COLORS=0 SYSTEMD_PAGER= PAGER=cat ${sealed}`,
    sealed,
    timed,
    ...runs,
    String.raw`/usr/bin/dd bs=65536 count=\d+ iflag=fullblock,count_bytes`,
    `${ENV} HOME=/ /usr/bin/sudo -n /usr/local/bin/pra-run [a-z0-9_]+`,
  ];
  return new RegExp(`^(?:${[...BEFORE_LOGIN, ...reader, ...FOLLOW_UP, ...PRA_RUN].join('|')})$`, 'u');
};

/** strace on a host's sshd, until `stop`. */
export class Trace {
  readonly #dir = mkdtempSync(join(tmpdir(), 'mcp-pra-trace-'));
  readonly #strace: ChildProcessWithoutNullStreams;

  private constructor(listener: number) {
    const options = [
      '-f',
      '-p',
      String(listener),
      '-e',
      'trace=execve,execveat,prctl',
      '-e',
      'signal=none',
      '-s',
      '8192',
    ];
    this.#strace = spawn('strace', [...options, '-o', join(this.#dir, 'trace')]);
  }

  /** Resolves when nothing escapes it any more. */
  static async start(host: LabHost): Promise<Trace> {
    const trace = new Trace(await findListener(host));
    await new Promise<void>((resolve, reject) => {
      // Read to the end: strace says more, and would stop at a pipe that nobody reads.
      trace.#strace.stderr.on('data', (piece: Buffer) => piece.includes('attached') && resolve());
      trace.#strace.on('error', reject).on('exit', () => reject(new Error('strace ended')));
    });
    return trace;
  }

  /** Lets go of the host, if it has not. */
  async end(): Promise<void> {
    if (this.#strace.exitCode === null && this.#strace.signalCode === null) {
      const ended = once(this.#strace, 'exit');
      this.#strace.kill('SIGTERM');
      await ended;
    }
  }

  /** What was executed since the start. */
  async stop(): Promise<readonly Executed[]> {
    await this.end();
    const text = readFileSync(join(this.#dir, 'trace'), 'utf8');
    rmSync(this.#dir, { recursive: true, force: true });
    return parseTrace(text);
  }
}
