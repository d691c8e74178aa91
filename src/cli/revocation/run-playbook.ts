import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PraError } from '../../errors.ts';

/** What came of one task on one host (ansible/callback_plugins/mcp_pra_lines.py). */
export interface TaskEvent {
  /** As the inventory calls it. */
  readonly host: string;
  readonly task: string;
  readonly state: 'ok' | 'failed' | 'unreachable';
  readonly rc: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly msg: string;
}

export interface PlaybookRun {
  /** The folder with ansible/. */
  readonly packageRoot: string;
  readonly playbook: string;
  readonly inventories: readonly string[];
  readonly vars: Readonly<Record<string, unknown>>;
  readonly forks: number;
  /** What the person gave after `--`, for ansible-playbook itself. */
  readonly more: readonly string[];
  readonly signal: AbortSignal;
  /** The hosts of the play, once it knows them: name in the inventory → mcp_pra_host, or the same name. */
  onHosts(hosts: ReadonlyMap<string, string>): void;
  onEvent(event: TaskEvent): void;
}

/** Seconds that Ansible's ssh tries to connect. The person's own ansible.cfg may say less. */
const CONNECT_SECONDS = '8';
const KILL_AFTER_MS = 2_000;

/**
 * Runs a playbook with ansible-playbook, as argv, and hands on what comes of each host as it happens. Ansible's own errors go to
 * standard error; its exit code is the answer. Throws ANSIBLE_MISSING. An aborted signal ends it.
 */
export const runPlaybook = async (run: PlaybookRun): Promise<number> => {
  const { packageRoot, playbook, inventories, vars, forks, more, signal } = run;
  signal.throwIfAborted();
  const argv = [
    ...inventories.flatMap((path) => ['--inventory', path]),
    '--forks',
    String(forks),
    '--extra-vars',
    JSON.stringify(vars),
    ...more,
    join(packageRoot, 'ansible/playbooks', playbook),
  ];
  const env = {
    ANSIBLE_TIMEOUT: CONNECT_SECONDS,
    ...process.env,
    ANSIBLE_CALLBACK_PLUGINS: join(packageRoot, 'ansible/callback_plugins'),
    ANSIBLE_STDOUT_CALLBACK: 'mcp_pra_lines',
    ANSIBLE_RETRY_FILES_ENABLED: 'False',
    ANSIBLE_DEPRECATION_WARNINGS: 'False',
    ANSIBLE_NOCOLOR: '1',
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1', // the folder of a package is nobody's to write into
  };
  const child = spawn('ansible-playbook', argv, { env, stdio: ['inherit', 'pipe', 'inherit'] });
  const stop = (): void => {
    const left = child.pid === undefined ? [] : descendantsOf(child.pid);
    child.kill('SIGINT'); // as Ctrl-C does
    setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS).unref();
    for (const pid of left) kill(pid);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = readLine(line);
      if (said === undefined) return;
      const hosts = readHosts(said);
      if (hosts !== undefined) return run.onHosts(hosts);
      const event = readEvent(said);
      if (event !== undefined) run.onEvent(event);
    });
    return await new Promise<number>((resolve, reject) => {
      child.on('error', (thrown) => reject(new PraError('ANSIBLE_MISSING', {}, thrown)));
      child.on('close', (code) => resolve(code ?? 1));
      // What cannot be found to be ended may hold its output open.
      child.on('exit', (code) => signal.aborted && resolve(code ?? 1));
    });
  } finally {
    signal.removeEventListener('abort', stop);
    child.stdout.destroy();
  }
};

/**
 * Ansible leaves its workers and their ssh behind when it is ended: those that wait for a host that hangs would go on. Found by
 * parent, not by process group: a group of its own could not ask for a password.
 */
const descendantsOf = (pid: number): readonly number[] => {
  const children = new Map<number, number[]>();
  let table: string;
  try {
    table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  } catch {
    return []; // a container without ps: they end when their host does
  }
  for (const [, one = 0, parent = 0] of Array.from(table.matchAll(/^ *(\d+) +(\d+) *$/gmu), (row) =>
    row.map(Number),
  ))
    children.set(parent, [...(children.get(parent) ?? []), one]);
  const found = [...(children.get(pid) ?? [])];
  for (const one of found) found.push(...(children.get(one) ?? []));
  return found;
};

const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it ended by itself
  }
};

/** Undefined for a line that is not one of ours: Ansible may say things of its own. */
const readLine = (line: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const said: unknown = JSON.parse(line);
    return said !== null && typeof said === 'object' ? (said as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
};

const readHosts = (said: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> | undefined => {
  const { hosts } = said;
  if (!Array.isArray(hosts)) return undefined;
  return new Map(
    (hosts as readonly unknown[]).flatMap((pair) => {
      const [inventory, name] = Array.isArray(pair) ? (pair as readonly unknown[]) : [];
      if (typeof inventory !== 'string') return [];
      return [[inventory, typeof name === 'string' && name !== '' ? name : inventory] as const];
    }),
  );
};

const readEvent = (said: Readonly<Record<string, unknown>>): TaskEvent | undefined => {
  const { host, task, state, rc } = said;
  if (typeof host !== 'string' || typeof task !== 'string') return undefined;
  if (state !== 'ok' && state !== 'failed' && state !== 'unreachable') return undefined;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    host,
    task,
    state,
    rc: typeof rc === 'number' ? rc : null,
    stdout: text(said['stdout']).replaceAll('\r\n', '\n'),
    stderr: text(said['stderr']),
    msg: text(said['msg']),
  };
};
