import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { fingerprint } from '../../src/request/sshsig.ts';
import { makeOperator, PROGRAM, type McpSession, type Operator } from '../support/operator.ts';
import { runPlaybook, ssh, type Lab, type LabHost } from './lab.ts';
import { provisionedLab, type LabKeys } from './provisioned.ts';

/** `type base64 comment` of a key. */
export const publicLine = (path: string): string => readFileSync(`${path}.pub`, 'utf8').trim();

/** `SHA256:…` of such a line. */
export const fingerprintOf = (line: string): string =>
  fingerprint(Buffer.from(line.split(' ')[1] ?? '', 'base64'));

/** Whether a revocation list of a host (`revoked_keys`, `revoked_signers`) has a key. */
export const isRevoked = async (host: LabHost, list: string, line: string): Promise<boolean> => {
  await host.writeFile('/run/asked.pub', `${line}\n`);
  const said = await host.run(['ssh-keygen', '-Q', '-f', `/etc/mcp-pra/${list}`, '/run/asked.pub']);
  return said.stdout.includes('REVOKED');
};

type Tag = 'reader' | 'pra' | 'auto' | 'approvers' | 'host';
type PlaybookOptions = NonNullable<Parameters<typeof runPlaybook>[3]>;
type PlaybookResult = Awaited<ReturnType<typeof runPlaybook>>;

/** Diagnostics that were asked of hosts, and those that did not come back well. */
export interface Load {
  readonly asked: number;
  readonly lost: readonly string[];
}

/** Between the starts of two calls of one caller: a host answers its reader 240 times a minute, and the proofs of the rotation are among them. */
const EVERY_MS = 660;
/** Callers at the same time. Each waits for its answer, so that a slow machine gets fewer calls and not a queue of them. */
const CALLERS = 2;

/** Diagnostics on all hosts, without a pause, until `stop`. */
const startLoad = (session: McpSession): { stop(): Promise<Load> } => {
  const lost: string[] = [];
  let asked = 0;
  const stopping = new AbortController();
  const call = async (): Promise<void> => {
    asked += 3;
    const answer = await session.call('uptime', { hosts: ['h1', 'h2', 'h3'] });
    const results = (answer.data['results'] ?? []) as readonly {
      status: string;
      host: string;
      code: string | null;
    }[];
    if (results.length !== 3) lost.push(answer.text);
    for (const { status, host, code } of results)
      if (status !== 'ok') lost.push(`${host} ${status} ${String(code)}`);
  };
  const caller = async (): Promise<void> => {
    while (!stopping.signal.aborted) await Promise.all([call(), sleep(EVERY_MS)]);
  };
  const callers = Array.from({ length: CALLERS }, caller);
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(callers);
      return { asked, lost };
    },
  };
};

/** The hosts of each batch of a step, in the order in which Ansible took them. */
export const batches = (output: string, step: string): string[][] =>
  output
    .split(/^PLAY \[/mu)
    .filter((play) => play.startsWith(step))
    .map((play) => [
      ...new Set([...play.matchAll(/^(?:ok|changed): \[(h\d)/gmu)].map((found) => found[1] ?? '')),
    ]);

/** Three targets, the third behind a jump host (which is the second), and the operator's machine with its server. */
export interface RotationSite {
  readonly lab: Lab;
  readonly hosts: readonly [LabHost, LabHost, LabHost];
  readonly keys: LabKeys;
  /** What the hosts were provisioned with. */
  readonly vars: Record<string, unknown>;
  readonly home: string;
  readonly operator: Operator;
  readonly session: McpSession;
  /** transport-keys.yml, as rotations write it. */
  readonly transportKeys: string;
  /** rotate-keys.yml with one tag, as its user runs it: mcp-pra of this checkout, the operator's configuration. */
  rotate(tag: Tag, more?: Record<string, unknown>, options?: PlaybookOptions): Promise<PlaybookResult>;
  /**
   * The same, killed with all it started here the moment it calls `mcp-pra` with these words in its arguments: that call is not
   * made any more. What runs on a host goes on or not, as when a machine loses its power.
   */
  killAt(tag: Tag, words: string, more?: Record<string, unknown>): Promise<PlaybookResult>;
  /** provision.yml with the keys that transport-keys.yml lists now. */
  provision(): Promise<PlaybookResult>;
  /** A continuous load of diagnostics on all hosts through the server, until `stop`. */
  load(): { stop(): Promise<Load> };
  /** ssh's exit code of a login with this key and nothing else; 255 when sshd refuses it. */
  login(user: string, key: string, host: LabHost): Promise<number>;
  /** What `mcp-pra rotation status` prints. */
  phases(): Promise<string>;
  down(): Promise<void>;
}

/** Boots, provisions, and starts `mcp-pra serve`. */
export const rotationSite = async (): Promise<RotationSite> => {
  const { lab, keys, vars } = await provisionedLab(3);
  const home = mkdtempSync(join(tmpdir(), 'mcp-pra-lab-rotation-'));
  const hosts = lab.hosts as unknown as readonly [LabHost, LabHost, LabHost];
  const [h1, h2, h3] = hosts;
  const operator = makeOperator({
    home,
    hosts: {
      h1: { address: h1.address },
      h2: { address: h2.address },
      h3: { address: h3.address, jump: 'door' },
    },
    keys: { reader: keys.reader, runner: keys.runner, auto: keys.auto },
    approver: { principal: 'alice', key: keys.approver },
    knownHosts: lab.knownHosts,
    more: {
      limits: { calls_per_minute: 600 },
      jumps: { door: { address: h2.address, user: 'admin', key: lab.adminKey } },
    },
  });
  const transportKeys = join(dirname(operator.config), 'transport-keys.yml');
  writeFileSync(
    transportKeys,
    JSON.stringify({
      mcp_pra_reader_keys: [publicLine(keys.reader)],
      mcp_pra_runner_keys: [publicLine(keys.runner)],
      mcp_pra_auto_keys: [publicLine(keys.auto)],
    }),
  );
  const session = await operator.serve();
  // Its database is below its home.
  const asOperator = ['/usr/bin/env', `HOME=${home}`, process.execPath, PROGRAM];
  const rotate: RotationSite['rotate'] = (tag, more = {}, options = {}) =>
    runPlaybook(
      lab,
      'rotate-keys.yml',
      { mcp_pra_command: asOperator, mcp_pra_config: operator.config, ...more },
      { tags: [tag], ...options },
    );
  return {
    lab,
    hosts,
    keys,
    vars,
    home,
    operator,
    session,
    transportKeys,
    rotate,
    killAt: (tag, words, more) => {
      // Ansible, its workers and what they start are one process group.
      const script = `case " $* " in *" $WORDS "*) kill -KILL 0 ;; esac; exec "$@"`;
      const command = ['/usr/bin/env', `WORDS=${words}`, '/bin/sh', '-c', script, 'sh', ...asOperator];
      return rotate(tag, { mcp_pra_command: command, ...more });
    },
    provision: () => {
      const now = parse(readFileSync(transportKeys, 'utf8')) as Record<string, unknown>;
      const people = (vars['mcp_pra_allowed_signers'] as string[]).filter((one) => !one.startsWith('auto '));
      return runPlaybook(lab, 'provision.yml', { ...vars, ...now, mcp_pra_allowed_signers: people });
    },
    load: () => startLoad(session),
    login: async (user, key, host) => (await ssh(lab, host, { user, key, command: ['version'] })).code,
    phases: async () => (await operator.cli('rotation', 'status')).stdout,
    down: async () => {
      await session.close();
      await lab.down();
      rmSync(home, { recursive: true, force: true });
    },
  };
};
