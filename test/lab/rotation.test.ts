import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { fingerprint } from '../../src/request/sshsig.ts';
import { makeOperator, PROGRAM, type McpSession, type Operator } from '../support/operator.ts';
import { runPlaybook, ssh, type Lab, type LabHost } from './lab.ts';
import { provisionedLab, type LabKeys } from './provisioned.ts';

// Keys that change under a server at work: three hosts, the third behind a jump host, over their own sshd.

// Five plays on three hosts, with a live login after each step.
vi.setConfig({ testTimeout: 400_000 });

let lab: Lab;
let keys: LabKeys;
let home: string;
let operator: Operator;
let session: McpSession;

const line = (path: string): string => readFileSync(`${path}.pub`, 'utf8').trim();
const nameOf = (publicLine: string): string =>
  fingerprint(Buffer.from(publicLine.split(' ')[1] ?? '', 'base64'));
const hostAt = (index: number): LabHost => lab.hosts[index] as LabHost;
const transportKeys = (): string => join(dirname(operator.config), 'transport-keys.yml');

/** The playbook with one tag, as its user runs it: mcp-pra of this checkout, the operator's configuration. */
const rotate = (tag: 'reader' | 'pra' | 'auto', more: Record<string, unknown> = {}) =>
  runPlaybook(
    lab,
    'rotate-keys.yml',
    { mcp_pra_command: [process.execPath, PROGRAM], mcp_pra_config: operator.config, ...more },
    { tags: [tag] },
  );
const login = async (user: string, key: string, host = hostAt(0)): Promise<number> => {
  const { code } = await ssh(lab, host, { user, key, command: ['version'] });
  return code;
};
const phases = async (): Promise<string> => (await operator.cli('rotation', 'status')).stdout;

beforeAll(async () => {
  ({ lab, keys } = await provisionedLab(3));
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-lab-rotation-'));
  const [h1, h2, h3] = lab.hosts as readonly [LabHost, LabHost, LabHost];
  operator = makeOperator({
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
  const door = readFileSync(lab.knownHosts, 'utf8')
    .split('\n')
    .filter((known) => known.startsWith('h2,'))
    .map((known) => known.replace(/^\S+/u, 'door'));
  writeFileSync(lab.knownHosts, `${readFileSync(lab.knownHosts, 'utf8')}${door.join('\n')}\n`);
  writeFileSync(
    transportKeys(),
    JSON.stringify({
      mcp_pra_reader_keys: [line(keys.reader)],
      mcp_pra_runner_keys: [line(keys.runner)],
      mcp_pra_auto_keys: [line(keys.auto)],
    }),
  );
  session = await operator.serve();
});
afterAll(async () => {
  await session?.close();
  await lab?.down();
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
});

interface Load {
  readonly asked: number;
  readonly lost: readonly string[];
}

/** Between two calls: a host answers its reader 240 times a minute, and the proofs of the rotation are among them. */
const EVERY_MS = 330;

/** Diagnostics on all hosts, one call after the other whether or not the last one has been answered, until `stop`. */
const load = (): { stop(): Promise<Load> } => {
  const calls: Promise<void>[] = [];
  const lost: string[] = [];
  let asked = 0;
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
  const timer = setInterval(() => calls.push(call()), EVERY_MS);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(calls);
      return { asked, lost };
    },
  };
};

test.each([
  ['reader', 'reader', 'mcp-reader'],
  ['pra', 'runner', 'pra-runner'],
] as const)(
  'rotating %s under load loses no diagnostic; the old key is dead, the new one works',
  async (tag, key, user) => {
    const path = keys[key];
    const old = join(home, `old-${key}`);
    writeFileSync(old, readFileSync(path), { mode: 0o600 });
    const before = line(path);
    const running = load();
    const done = await rotate(tag);
    const { asked, lost } = await running.stop();
    process.stdout.write(
      `rotation of ${tag}: ${String(asked)} diagnostics asked, ${String(lost.length)} lost\n`,
    );
    expect(done.code, done.output).toBe(0);
    expect(lost).toEqual([]);
    expect(asked).toBeGreaterThan(100);
    expect(line(path)).not.toBe(before);
    for (const host of lab.hosts) {
      expect(await login(user, old, host)).toBe(255);
      expect(await login(user, path, host)).not.toBe(255);
      const krl = await host.run(['ssh-keygen', '-Q', '-l', '-f', '/etc/mcp-pra/revoked_keys']);
      expect(krl.stdout).not.toContain(nameOf(line(path)));
    }
    expect(await phases()).not.toContain('switched');
  },
);
