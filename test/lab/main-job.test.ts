import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  approveSteps,
  makeOperator,
  type McpSession,
  type Operator,
  type ToolAnswer,
} from '../support/operator.ts';
import { runPlaybook, type Lab, type LabHost } from './lab.ts';
import { DEMO_UNIT, PASSPHRASE, SLOW_UNIT, SPARE_UNIT, provisionedLab, type LabKeys } from './provisioned.ts';

// The main job on a real Debian host, provisioned by the playbook, over its own sshd and sudo.

let lab: Lab;
let keys: LabKeys;
let vars: Record<string, unknown>;
let host: LabHost;
let home: string;
let operator: Operator;
let session: McpSession;

beforeAll(async () => {
  ({ lab, keys, vars } = await provisionedLab(1));
  host = lab.hosts[0] as LabHost;
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-lab-operator-'));
  mkdirSync(home, { recursive: true });
  operator = makeOperator({
    home,
    hosts: { [host.name]: { address: host.address, tags: ['lab'] } },
    keys: { reader: keys.reader, runner: keys.runner, auto: keys.auto },
    approver: { principal: 'alice', key: keys.approver },
    knownHosts: lab.knownHosts,
  });
  session = await operator.serve();
});

afterAll(async () => {
  await session?.close();
  await lab?.down();
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
});

const propose = (action: string, args: Record<string, unknown>, auto = false): Promise<ToolAnswer> =>
  session.call('propose_pra_action', {
    action,
    host: host.name,
    args,
    rationale: 'The test says so.',
    auto_approve: auto,
  });

const mainPid = async (unit: string): Promise<string> =>
  (await host.run(['systemctl', 'show', '-p', 'MainPID', '--value', '--', unit])).stdout.trim();

describe('provisioning', () => {
  test('the second run changes nothing', async () => {
    const again = await runPlaybook(lab, 'provision.yml', vars);
    expect(again.code, again.output).toBe(0);
    expect(again.changed[host.name]).toBe(0);
  });

  test('check mode says that nothing would change', async () => {
    const dry = await runPlaybook(lab, 'provision.yml', vars, { check: true });
    expect(dry.code, dry.output).toBe(0);
    expect(dry.changed[host.name]).toBe(0);
  });
});

describe('looking', () => {
  test.each([
    ['uptime', {}],
    ['memory', {}],
    ['disk_usage', {}],
    ['failed_units', {}],
    ['unit_status', { unit: 'cron.service' }],
    ['unit_journal', { unit: 'ssh.service' }],
    ['listening_ports', {}],
    ['top_processes', {}],
  ])('%s answers with facts', async (name, args) => {
    // Some of them are tools of their own as well.
    const answer = await session.call('run_diagnostic', { diagnostic: name, hosts: [host.name], args });
    expect(answer.isError, answer.text).toBe(false);
    const [result] = answer.data['results'] as [{ status: string; facts: Record<string, unknown> }];
    expect(result.status, answer.text).toBe('ok');
    expect(Object.keys(result.facts), answer.text).not.toHaveLength(0);
  });

  test('the reader sees no more than its groups: shadow, auth.log and other accounts are closed to it', async () => {
    const id = await host.run(['id', 'mcp-reader']);
    expect(id.stdout).toMatch(/groups=\d+\(mcp-reader\),\d+\(systemd-journal\)\n/u);
  });
});

describe('acting', () => {
  test('a LOW action runs by itself, and its receipt is signed by the host', async () => {
    const before = await mainPid(DEMO_UNIT);
    const answer = await propose('restart_service', { unit: DEMO_UNIT }, true);
    expect(answer.data, answer.text).toMatchObject({ state: 'SUCCEEDED', impact: 'LOW', decided_by: 'auto' });
    expect(answer.data['receipt']).toMatchObject({ state: 'SUCCEEDED', rc: 0, host: host.name });
    expect(await mainPid(DEMO_UNIT)).not.toBe(before);
  });

  test('a LOW action that the host does not list as automatic waits for a person', async () => {
    const answer = await propose('restart_service', { unit: 'cron.service' }, true);
    expect(answer.data, answer.text).toMatchObject({ state: 'PENDING', impact: 'LOW' });
    await session.call('withdraw_pra_action', { id: answer.data['id'] });
  });

  test('a MEDIUM action runs only after mcp-pra approve, once', async () => {
    const reloads = async (): Promise<number> =>
      (await host.run(['journalctl', '-u', 'nginx.service', '-o', 'cat'])).stdout.split('Reloaded').length -
      1;
    const before = await reloads();
    const filed = await propose('reload_proxy', { proxy: 'nginx' }, true);
    const id = String(filed.data['id']);
    expect(filed.data, filed.text).toMatchObject({ state: 'PENDING', impact: 'MEDIUM' });

    const early = await session.call('execute_pra_action', { id });
    expect(early.isError).toBe(true);
    expect(early.text).toContain('Rule: approval NOT_APPROVED');
    expect(await reloads()).toBe(before);

    const piped = await operator.cli('approve', id);
    expect(piped, piped.stderr).toMatchObject({ code: 2 });

    const typed = await operator.typed(['approve', id], approveSteps(PASSPHRASE));
    expect(typed, typed.screen).toMatchObject({ code: 0, missed: null });
    expect(typed.screen).not.toContain(PASSPHRASE);

    const seen = await session.call('execute_pra_action', { id });
    expect(seen.data, seen.text).toMatchObject({ state: 'SUCCEEDED', decided_by: 'alice' });
    expect(await reloads()).toBe(before + 1);
  });

  test('approve --no-run leaves it to the model', async () => {
    const filed = await propose('restart_service', { unit: 'cron.service' });
    const id = String(filed.data['id']);
    const before = await mainPid('cron.service');
    const typed = await operator.typed(['approve', '--no-run', id], approveSteps(PASSPHRASE));
    expect(typed, typed.screen).toMatchObject({ code: 0, missed: null });
    expect(await mainPid('cron.service')).toBe(before);
    const ran = await session.call('execute_pra_action', { id });
    expect(ran.data, ran.text).toMatchObject({ state: 'SUCCEEDED' });
    expect(await mainPid('cron.service')).not.toBe(before);
  });
});

describe('vacuum_journal', () => {
  test('runs once approved, and keeps what auth and product logs say', async () => {
    const filed = await propose('vacuum_journal', { days: 7 });
    const id = String(filed.data['id']);
    const typed = await operator.typed(['approve', id], approveSteps(PASSPHRASE));
    expect(typed, typed.screen).toMatchObject({ code: 0, missed: null });
    expect((await host.run(['test', '-s', '/var/log/auth.log'])).code).toBe(0);
    expect((await host.run(['test', '-s', '/var/log/pra-run.log'])).code).toBe(0);
  });

  test('keeps at least seven days: less is refused before anything is asked', async () => {
    const answer = await propose('vacuum_journal', { days: 6 });
    expect(answer.text).toContain('Rule: catalog ARGUMENT_BAD');
  });
});

describe('the ledger', () => {
  test('verifies after all that, and names what happened', async () => {
    const verified = await operator.cli('audit', 'verify', '--json');
    expect(verified, verified.stderr).toMatchObject({ code: 0 });
    const tail = await operator.cli('audit', 'tail', '-n', '200');
    for (const word of ['reload_proxy', 'NOT_APPROVED', 'approve', 'dispatch', 'succeed'])
      expect(tail.stdout).toContain(word);
  });
});

describe('doctor', () => {
  test('finds nothing to fail', async () => {
    const doctor = await operator.cli('doctor');
    expect(doctor, doctor.stdout + doctor.stderr).toMatchObject({ code: 0 });
  });
});

describe('without the world', () => {
  // The lab has no way out and no name server from the start; here the log and the model go too.
  test('propose and approve at the CLI complete a MEDIUM action with a dead log socket', async () => {
    await host.run(['systemctl', 'stop', 'rsyslog.service', 'syslog.socket']);
    const filed = await operator.cli(
      'propose',
      'reload_proxy',
      '--host',
      host.name,
      'proxy=nginx',
      '--reason',
      'Recovery',
      '--json',
    );
    expect([0, 4], filed.stderr + filed.stdout).toContain(filed.code);
    const { id } = JSON.parse(filed.stdout) as { id: string };
    const typed = await operator.typed(['approve', id], approveSteps(PASSPHRASE));
    expect(typed, typed.screen).toMatchObject({ code: 0, missed: null });
    expect((await operator.cli('show', id, '--json')).stdout).toContain('"SUCCEEDED"');
    await host.run(['systemctl', 'start', 'rsyslog.service']);
  });
});

describe('a log that nobody reads', () => {
  // journald stopped, its socket full: a blocking syslog call would wait for ever.
  const FILL = `import socket
def fill():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.setblocking(False)
    s.connect('/run/systemd/journal/dev-log')
    sent = 0
    try:
        while True:
            s.send(b'<15>filling')
            sent += 1
    except BlockingIOError:
        return sent
# One socket's own buffer is smaller than the queue: full is what a new socket cannot write to.
while fill(): pass
`;

  test('does not hold up a diagnostic or an action', async () => {
    const journald = (await host.run(['pidof', 'systemd-journald'])).stdout.trim();
    expect(journald).toMatch(/^\d+$/u);
    try {
      await session.call('uptime', { hosts: [host.name] });
      await session.call('get_pra_action', { id: 'a'.repeat(16) });
      // Connections for both accounts are open now: sshd itself logs each new one, and would wait.
      const warm = await propose('restart_service', { unit: 'cron.service' });
      await session.call('withdraw_pra_action', { id: warm.data['id'] });
      await host.run(['kill', '-STOP', journald]);
      const filled = await host.run(['python3', '-c', FILL]);
      expect(filled, filled.stderr).toMatchObject({ code: 0 });
      const looked = await session.call('uptime', { hosts: [host.name] });
      expect(looked.text).toContain(`${host.name}: ok`);
      const acted = await propose('restart_service', { unit: SPARE_UNIT }, true);
      expect(acted.data, acted.text).toMatchObject({ state: 'SUCCEEDED' });
    } finally {
      await host.run(['kill', '-CONT', journald]);
    }
  });
});

describe('a lost connection', () => {
  test('killing it one second into an action does not kill the action, and its receipt is obtained afterwards', async () => {
    const starts = async (): Promise<number> =>
      (await host.readFile('/run/lab-slow.starts')).split('\n').length;
    const before = await starts();
    const answering = propose('restart_service', { unit: SLOW_UNIT }, true);
    await expect.poll(starts, { timeout: 120_000 }).toBe(before + 1);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const killed = await host.run(['pkill', '-KILL', '-f', '^sshd: pra-runner']);
    expect(killed.code).toBe(0);
    const filed = await answering;
    const id = String(filed.data['id']);
    await expect
      .poll(async () => (await session.call('get_pra_action', { id, wait_seconds: 15 })).data['state'], {
        timeout: 60_000,
      })
      .toBe('SUCCEEDED');
    expect((await session.call('get_pra_action', { id })).data['receipt']).toMatchObject({
      state: 'SUCCEEDED',
      rc: 0,
    });
    expect(await starts()).toBe(before + 1);
  });
});

describe('a host that rebooted before it was told', () => {
  test('the request ends as sent with no return: nobody can say that it never ran', async () => {
    const filed = await propose('restart_service', { unit: 'cron.service' });
    const id = String(filed.data['id']);
    const typed = await operator.typed(['approve', '--no-run', id], approveSteps(PASSPHRASE));
    expect(typed, typed.screen).toMatchObject({ code: 0, missed: null });
    await host.link(false);
    await session.call('execute_pra_action', { id, wait_seconds: 0 });
    await expect
      .poll(async () => (await session.call('get_pra_action', { id })).data['state'], { timeout: 60_000 })
      .toBe('UNKNOWN');
    await host.link(true);
    await host.reboot();
    await expect
      .poll(async () => (await session.call('get_pra_action', { id, wait_seconds: 15 })).data['state'], {
        timeout: 90_000,
      })
      .toBe('SENT_NO_RETURN');
  });
});
