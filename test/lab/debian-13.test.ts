import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { approveSteps, makeOperator, type McpSession, type Operator } from '../support/operator.ts';
import { sshAs } from '../support/thief.ts';
import { runPlaybook, type Lab, type LabHost } from './lab.ts';
import { DEMO_UNIT, PASSPHRASE, provisionedLab, SLOW_UNIT, SPARE_UNIT, type LabKeys } from './provisioned.ts';
import { sendPack, setUp, siteFor } from './setup-target.ts';

// The same role and programs on Debian 13: OpenSSH 10 (sshd-session, penalties of its own), sudo 1.9.16, Python 3.13, systemd 257.

const EXEMPT = '/etc/ssh/sshd_config.d/50-exempt.conf';

let lab: Lab;
let keys: LabKeys;
let vars: Record<string, unknown>;
let host: LabHost;
let home: string;
let operator: Operator;
let session: McpSession;

beforeAll(async () => {
  ({ lab, keys, vars } = await provisionedLab(1, undefined, 'trixie'));
  host = lab.hosts[0] as LabHost;
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-lab-operator-'));
  operator = makeOperator({
    home,
    hosts: { [host.name]: { address: host.address } },
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

const loot = (key: string) => ({
  host: host.name,
  address: host.address,
  port: 22,
  knownHosts: lab.knownHosts,
  key,
});

/** A shell line as root on the host; its output. Fails when the line does. */
const sh = (line: string): Promise<string> => host.sh(line);

test('the host is what this file is about', async () => {
  expect(await sh('. /etc/os-release; echo $VERSION_ID')).toBe('13');
  expect(await sh('ssh -V 2>&1; sudo --version; python3 -V; systemctl --version')).toMatch(
    /^OpenSSH_10\.[^]*Sudo version 1\.9\.16[^]*Python 3\.13\.[^]*systemd 257 /u,
  );
});

describe('the role', () => {
  test('changes nothing the second time, and verifies again', async () => {
    const again = await runPlaybook(lab, 'provision.yml', vars);
    expect(again.code, again.output).toBe(0);
    expect(again.changed[host.name], again.output).toBe(0);
  });

  test('sshd applies to the accounts what is in the drop-in; sudo lists the literal lines', async () => {
    for (const account of ['mcp-reader', 'pra-runner']) {
      const shown = (await sh(`sshd -T -C user=${account},host=x.invalid,addr=192.0.2.1`)).split('\n');
      expect(shown).toEqual(
        expect.arrayContaining([
          'authenticationmethods publickey',
          'permittty no',
          'allowtcpforwarding no',
          `authorizedkeysfile /etc/mcp-pra/authorized_keys/%u`,
          'revokedkeys /etc/mcp-pra/revoked_keys',
        ]),
      );
    }
    expect(await sh('sudo -l -U pra-runner')).toContain('(root) NOPASSWD: /usr/local/bin/pra-run version');
  });
});

describe('looking', () => {
  test.each([
    ['uptime', {}],
    ['memory', {}],
    ['disk_usage', {}],
    ['failed_units', {}],
    ['unit_status', { unit: 'ssh.service' }],
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
});

const propose = (unit: string, auto: boolean) =>
  session.call('propose_pra_action', {
    action: 'restart_service',
    host: host.name,
    args: { unit },
    rationale: 'The test says so.',
    auto_approve: auto,
  });
const starts = (unit: string): Promise<string> => sh(`wc -l </run/${unit.replace('.service', '.starts')}`);

describe('acting', () => {
  test('a LOW action runs by itself, exactly once, and its receipt is signed by the host', async () => {
    const before = Number(await starts(DEMO_UNIT));
    const answer = await propose(DEMO_UNIT, true);
    expect(answer.data, answer.text).toMatchObject({ state: 'SUCCEEDED', impact: 'LOW', decided_by: 'auto' });
    expect(answer.data['receipt']).toMatchObject({ state: 'SUCCEEDED', rc: 0, host: host.name });
    expect(Number(await starts(DEMO_UNIT))).toBe(before + 1);
  });

  test('one that waits for a person runs when the person has signed', async () => {
    const before = Number(await starts(SPARE_UNIT));
    const { data, text } = await propose(SPARE_UNIT, false);
    expect(data, text).toMatchObject({ state: 'PENDING' });
    const approved = await operator.typed(['approve', String(data['id'])], approveSteps(PASSPHRASE));
    expect(approved.code, approved.screen).toBe(0);
    expect(Number(await starts(SPARE_UNIT))).toBe(before + 1);
  });
});

test('each request is one line in its file, and a forged tag is in none', async () => {
  await sh('logger -t pra-run forged-by-root-is-root; runuser -u admin -- logger -t pra-run forged-by-admin');
  const said = await sshAs(loot(keys.runner), 'pra-runner', ['version']);
  expect(said, said.stderr).toMatchObject({ code: 0 });
  await sh('journalctl --sync; systemctl restart rsyslog');
  for (const program of ['mcp-wrapper', 'pra-exec', 'pra-run'])
    expect(await sh(`cat /var/log/${program}.log`)).toMatch(/ v=1 verdict=/u);
  expect(await sh('cat /var/log/pra-run.log')).not.toContain('forged-by-admin');
});

describe('where sudo is sudo-rs', () => {
  const sudo = (words: string) =>
    host.run(['runuser', '-u', 'pra-runner', '--', 'sudo', '-n', ...words.split(' ')]);

  beforeAll(async () => {
    await sendPack(host);
    // As Ubuntu's alternatives do it.
    await sh(
      'for path in bin/sudo sbin/visudo; do mv /usr/$path /root/; ln -s /usr/lib/cargo/bin/${path#*/} /usr/$path; done',
    );
  });
  afterAll(async () => {
    await sh('mv -f /root/sudo /usr/bin/sudo; mv -f /root/visudo /usr/sbin/visudo');
  });

  test('the stage gives it the Defaults that it parses, and the same literal lines', async () => {
    expect(await sh('sudo --version 2>&1')).toContain('sudo-rs');
    const run = await setUp(host, siteFor(host, keys), 'sudo');
    expect(run, run.refusal).toMatchObject({ code: 0, changed: ['0440 /etc/sudoers.d/mcp-pra'] });
    expect(await setUp(host, siteFor(host, keys), 'sudo')).toMatchObject({ code: 0, changed: [] });
    const pinned = await setUp(host, siteFor(host, keys, { sudo: { pin_digest: true } }), 'sudo');
    expect(pinned).toMatchObject({ code: 1, changed: [] });
    expect(pinned.refusal).toContain('is nothing that sudo-rs knows');
  });

  test('a login of the runner and an automatic action go through it', async () => {
    const said = await sshAs(loot(keys.runner), 'pra-runner', ['version']);
    expect(said, said.stderr).toMatchObject({ code: 0 });
    const before = Number(await starts(SLOW_UNIT));
    const answer = await propose(SLOW_UNIT, true);
    expect(answer.data, answer.text).toMatchObject({ state: 'SUCCEEDED', decided_by: 'auto' });
    expect(Number(await starts(SLOW_UNIT))).toBe(before + 1);
  });

  test('it refuses what is no literal line', async () => {
    expect(await sudo('/usr/local/bin/pra-run version')).toMatchObject({ code: 0 });
    for (const words of [
      '/usr/local/bin/pra-run version more',
      '/usr/local/bin/pra-run',
      '/usr/local/bin/pra-run vers',
      '/usr/bin/id',
      '-u admin /usr/local/bin/pra-run version',
      '-s',
      '-i',
    ])
      expect(await sudo(words), words).toMatchObject({ code: 1, stdout: '' });
  });
});

// Last: a source that was punished stays so for a while.
test('sshd punishes a source for refused keys, but not the control plane once it is exempt', async () => {
  const refuse = async (): Promise<void> => {
    for (let times = 0; times < 8; times += 1)
      expect(await sshAs(loot(keys.stranger), 'pra-runner', ['version'])).toMatchObject({ code: 255 });
  };
  // The file of the site's own that docs/logs.md names.
  await host.writeFile(EXEMPT, `PerSourcePenaltyExemptList ${lab.gateway}\n`);
  await sh('systemctl restart ssh');
  await refuse();
  expect(await sshAs(loot(keys.runner), 'pra-runner', ['version'])).toMatchObject({ code: 0 });
  await sh(`rm ${EXEMPT}; systemctl restart ssh`);
  await refuse();
  expect(await sshAs(loot(keys.runner), 'pra-runner', ['version'])).toMatchObject({ code: 255 });
  expect(await sh('journalctl -q -u ssh -o cat')).toMatch(/penalty|Not allowed at this time/iu);
});
