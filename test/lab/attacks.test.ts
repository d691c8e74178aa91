import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeOperator, type McpSession, type OperatorOptions } from '../support/operator.ts';
import { makeKey } from '../support/ssh-keys.ts';
import {
  prepare,
  queryFor,
  signWith,
  sshAs,
  submit,
  ticketFrom,
  type Loot,
  type Said,
} from '../support/thief.ts';
import type { Lab, LabHost } from './lab.ts';
import { DEMO_UNIT, PASSPHRASE, provisionedLab, publicKey, type LabKeys } from './provisioned.ts';

// Each attack goes over the real sshd and sudo of a provisioned host and must be stopped by the layer its test names.

let lab: Lab;
let keys: LabKeys;
let first: LabHost;
let second: LabHost;
let dir: string;

beforeAll(async () => {
  ({ lab, keys } = await provisionedLab(2));
  [first, second] = lab.hosts as [LabHost, LabHost];
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-lab-attacks-'));
});

afterAll(async () => {
  await lab?.down();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

const loot = (key: string, host: LabHost = first): Loot => ({
  host: host.name,
  address: host.address,
  port: 22,
  knownHosts: lab.knownHosts,
  key,
});

/** The service restarts and proxy reloads that the hosts saw: the oracle that nothing ran. */
const traces = async (host: LabHost = first): Promise<string> => {
  const starts = await host.readFile('/run/lab-demo.starts');
  const reloads = await host.run(['journalctl', '-u', 'nginx.service', '-o', 'cat', '-q']);
  return `${String(starts.split('\n').length)} starts, ${String(reloads.stdout.split('Reloaded').length)} reloads`;
};

const withDesk = async <T>(
  change: Partial<OperatorOptions>,
  work: (session: McpSession) => Promise<T>,
): Promise<T> => {
  const home = mkdtempSync(join(dir, 'operator-'));
  const operator = makeOperator({
    home,
    hosts: { [first.name]: { address: first.address } },
    keys: { reader: keys.reader, runner: keys.runner, auto: keys.auto },
    knownHosts: lab.knownHosts,
    ...change,
  });
  const session = await operator.serve();
  try {
    return await work(session);
  } finally {
    await session.close();
  }
};

describe('the whitelist', () => {
  test('a host that is not in the configuration is refused by the whitelist', () =>
    withDesk({}, async (session) => {
      for (const host of [second.name, second.address, '127.0.0.1']) {
        const looked = await session.call('uptime', { hosts: [host] });
        expect(looked.text).toContain('Rule: whitelist HOST_UNKNOWN');
        const acted = await session.call('propose_pra_action', {
          action: 'reload_proxy',
          host,
          rationale: 'x',
          args: { proxy: 'nginx' },
        });
        expect(acted.text).toContain('Rule: whitelist HOST_UNKNOWN');
      }
    }));
});

describe('host keys', () => {
  test('an unknown host key is refused by ssh, with the fingerprint and the command', async () => {
    const empty = join(dir, 'known_hosts-empty');
    writeFileSync(empty, '', { mode: 0o600 });
    await withDesk({ knownHosts: empty }, async (session) => {
      const answer = await session.call('uptime', { hosts: [first.name] });
      expect(answer.text).toMatch(/h1: refused, code HOST_KEY_UNKNOWN/u);
      expect(answer.text).toMatch(/SHA256:[\w+/]{43}/u);
      expect(answer.text).toContain(`mcp-pra hosts trust ${first.name} --fingerprint SHA256:`);
    });
  });

  test('the key of another host under this name is refused by ssh as changed', async () => {
    const swapped = join(dir, 'known_hosts-swapped');
    const [, line] = (await second.readFile('/etc/ssh/ssh_host_ed25519_key.pub')).split(' ');
    writeFileSync(swapped, `${first.name} ssh-ed25519 ${String(line)}\n`, { mode: 0o600 });
    await withDesk({ knownHosts: swapped }, async (session) => {
      const answer = await session.call('uptime', { hosts: [first.name] });
      expect(answer.text).toMatch(/h1: refused, code HOST_KEY_CHANGED/u);
    });
  });
});

describe('mcp-wrapper', () => {
  const rows: readonly (readonly [what: string, line: string, code: string, exit: number])[] = [
    ['an unlisted verb', 'reboot', 'VERB_UNLISTED', 126],
    ['a shell as a verb', 'sh', 'VERB_UNLISTED', 126],
    ['an extra argument', 'uptime now', 'VALUE_COUNT', 64],
    ['a missing argument', 'unit_status', 'VALUE_COUNT', 64],
    ['a malformed argument', 'unit_status cron', 'VALUE_BAD', 64],
    ['a newline', 'uptime\nreboot', 'LINE_FORM', 64],
    ['a newline at the end', 'uptime\n', 'LINE_FORM', 64],
    ['an option-like value', 'unit_status --host=evil.service', 'LINE_FORM', 64],
    ['a command after a semicolon', 'uptime ;id', 'VALUE_COUNT', 64],
    ['a semicolon at the verb', 'uptime; id', 'LINE_FORM', 64],
    ['a substitution', 'unit_status $(id).service', 'VALUE_BAD', 64],
    ['a backquote', 'unit_status `id`.service', 'VALUE_BAD', 64],
    ['a path as a verb', '../../bin/sh', 'LINE_FORM', 64],
    ['a glob', 'unit_status *.service', 'VALUE_BAD', 64],
    ['two spaces', 'unit_status  cron.service', 'LINE_FORM', 64],
  ];
  test.each(rows)('%s is refused by the wrapper', async (_, line, code, exit) => {
    const said = await sshAs(loot(keys.reader), 'mcp-reader', [line]);
    expect(said).toMatchObject({ code: exit, stdout: '', stderr: `refused wrapper ${code}\n` });
  });

  test('the verdict is in the audit log with the same pair', async () => {
    const { stdout } = await first.run(['cat', '/var/log/mcp-wrapper.log']);
    expect(stdout).toContain('verdict=refused code=VERB_UNLISTED');
    expect(stdout).not.toContain('reboot');
  });
});

describe.each(['mcp-reader', 'pra-runner'] as const)('sshd, account %s', (account) => {
  const own = (): string => (account === 'mcp-reader' ? keys.reader : keys.runner);
  const layer = account === 'mcp-reader' ? 'wrapper' : 'pra-exec';
  const refusedBy = (said: Said): string | undefined => /^refused (\S+) [A-Z_]+$/mu.exec(said.stderr)?.[1];

  test('a shell is refused by the login shell, which is the wrapper', async () => {
    const said = await sshAs(loot(own()), account, [], 'id\n');
    expect(said).toMatchObject({ code: 126, stdout: '' });
    expect(said.stderr).toContain(`refused ${layer} LOGIN`);
  });

  test('a terminal is refused by sshd', async () => {
    const said = await sshAs(loot(own()), account, ['uptime'], '', ['-tt']);
    expect(said.stderr).toContain('PTY allocation request failed');
  });

  test('sftp, scp and rsync are refused by the wrapper', async () => {
    const sftp = await sshAs(loot(own()), account, ['sftp'], '', ['-s']);
    // sshd passes no standard error of a subsystem on: the exit code and the silence have to do.
    expect(sftp, sftp.stderr).toMatchObject({ code: 64, stdout: '' });
    for (const command of ['scp -t /tmp', 'scp -f /etc/passwd', 'rsync --server -logDtpr . /tmp']) {
      const said = await sshAs(loot(own()), account, [command]);
      expect(refusedBy(said), said.stderr).toBe(layer);
      expect(said.stdout).toBe('');
    }
  });

  test('forwarding is refused by sshd: of ports, of sockets, in both directions', async () => {
    const admin = await sshAs(loot(lab.adminKey), 'admin', [], '', ['-W', '127.0.0.1:22']);
    expect(admin.stdout, 'the same works for the admin').toContain('SSH-2.0-');
    const stdio = await sshAs(loot(own()), account, [], '', ['-W', '127.0.0.1:22']);
    expect(stdio).toMatchObject({ code: 255, stdout: '' });
    const remote = await sshAs(loot(own()), account, [], '', [
      '-N',
      '-o',
      'ExitOnForwardFailure=yes',
      '-R',
      '0:127.0.0.1:22',
    ]);
    expect(remote.code).toBe(255);
    const tunnel = await sshAs(loot(own()), account, ['uptime'], '', [
      '-o',
      'ExitOnForwardFailure=yes',
      '-o',
      'Tunnel=point-to-point',
      '-w',
      '0:0',
    ]);
    expect(tunnel.stdout).toBe('');
  });

  test('the other account refuses its key (sshd)', async () => {
    const other = account === 'mcp-reader' ? 'pra-runner' : 'mcp-reader';
    for (const name of [other, 'root', 'admin']) {
      const said = await sshAs(loot(own()), name, ['uptime']);
      expect(said.code).toBe(255);
      expect(said.stderr).toContain('Permission denied (publickey)');
    }
  });

  test('variables of the client do not arrive (sshd)', async () => {
    const said = await sshAs(loot(own()), account, ['version'], '', [
      '-o',
      'SetEnv=LD_PRELOAD=/tmp/x.so BASH_ENV=/tmp/x LC_MCP=x',
    ]);
    expect(said.code, said.stderr).toBe(0);
    expect(said.stderr).not.toContain('LD_PRELOAD');
  });
});

describe('sudo', () => {
  const rows: readonly (readonly [what: string, argv: readonly string[]])[] = [
    ['another program', ['/usr/bin/id']],
    ['no word', ['/usr/local/bin/pra-run']],
    ['a second argument', ['/usr/local/bin/pra-run', 'status', 'x']],
    ['words in one argument', ['/usr/local/bin/pra-run', 'status x']],
    ['the internal entry', ['/usr/local/bin/pra-run', '--execute', 'a'.repeat(16)]],
    ['an action that is not installed', ['/usr/local/bin/pra-run', 'format_disk']],
    ['a reserved word that is not installed', ['/usr/local/bin/pra-run', 'unfreeze']],
    ['another user', ['-u', 'admin', '/usr/local/bin/pra-run', 'status']],
    ['another group', ['-g', 'adm', '/usr/local/bin/pra-run', 'status']],
    ['a shell', ['-s']],
    ['editing a file', ['-e', '/etc/passwd']],
    ['a variable', ['PYTHONPATH=/tmp', '/usr/local/bin/pra-run', 'status']],
    ['a relative path', ['pra-run', 'status', 'x']],
  ];
  test.each(rows)('%s is refused by sudo', async (_, argv) => {
    const said = await first.run(['runuser', '-u', 'pra-runner', '--', 'sudo', '-n', ...argv]);
    expect(said.code).not.toBe(0);
    expect(said.stdout).toBe('');
    expect(said.stderr).toMatch(/sudo: (?:a password is required|sorry, you are not allowed)/u);
  });

  test('the literal line is allowed, so the refusals above mean something', async () => {
    const said = await first.run([
      'runuser',
      '-u',
      'pra-runner',
      '--',
      'sudo',
      '-n',
      '/usr/local/bin/pra-run',
      'version',
    ]);
    expect(said, said.stderr).toMatchObject({ code: 0 });
  });

  test('the reader account has no sudo at all', async () => {
    const said = await first.run([
      'runuser',
      '-u',
      'mcp-reader',
      '--',
      'sudo',
      '-n',
      '/usr/local/bin/pra-run',
      'version',
    ]);
    expect(said.code).not.toBe(0);
    expect(said.stdout).toBe('');
  });
});

describe('pra-exec', () => {
  test.each([
    ['an unlisted word', 'format_disk', 'WORD_UNLISTED', 126],
    ['a reserved word that is not installed', 'unfreeze', 'WORD_UNLISTED', 126],
    ['two words', 'status status', 'LINE_FORM', 64],
    ['an option', '--execute', 'LINE_FORM', 64],
    ['a path', '/bin/sh', 'LINE_FORM', 64],
    ['a newline', 'status\n', 'LINE_FORM', 64],
  ])('%s is refused by pra-exec', async (_, word, code, exit) => {
    const said = await sshAs(loot(keys.runner), 'pra-runner', [word]);
    expect(said).toMatchObject({ code: exit, stdout: '', stderr: `refused pra-exec ${code}\n` });
  });
});

describe('pra-run', () => {
  const MEDIUM = 'mcp-pra-medium';
  const reload = { action: 'reload_proxy', args: [['proxy', 'nginx']] } as const;
  const proposal = () => prepare(loot(keys.runner), reload);
  const alice = (text: string, namespace = MEDIUM): string =>
    signWith(keys.approver, namespace, text, PASSPHRASE);

  /** Submits and expects exactly this refusal, and that nothing ran anywhere. */
  const refused = async (code: string | RegExp, attack: () => Promise<Said>): Promise<Said> => {
    const before = await traces();
    const said = await attack();
    expect(said.stderr).toMatch(
      typeof code === 'string' ? new RegExp(`^refused pra-run ${code}$`, 'mu') : code,
    );
    expect(said.code).not.toBe(0);
    expect(said.stdout).not.toContain('"event":"claimed"');
    expect(await traces()).toBe(before);
    return said;
  };

  test('the genuine ticket runs, so the refusals below mean something', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made);
    const before = await traces();
    const said = await submit(loot(keys.runner), 'reload_proxy', {
      ticketText,
      signatures: [alice(ticketText)],
      offer: made.signed,
    });
    expect(said, said.stderr).toMatchObject({ code: 0 });
    expect(said.stdout).toContain('state SUCCEEDED');
    expect(await traces()).not.toBe(before);

    const replayed = await refused('REPLAYED', () =>
      submit(loot(keys.runner), 'reload_proxy', {
        ticketText,
        signatures: [alice(ticketText)],
        offer: made.signed,
      }),
    );
    expect(replayed.stdout).toContain('state SUCCEEDED');
  });

  test('ticket missing', () =>
    refused('SUBMISSION_FORM', () => sshAs(loot(keys.runner), 'pra-runner', ['reload_proxy'], '')));

  test('unsigned', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made);
    const offer = `offer ${Buffer.from(made.signed.text).toString('base64')}\noffer-signature ${made.signed.signature}\nend\n`;
    await refused('SIGNATURE_MISSING', () =>
      sshAs(loot(keys.runner), 'pra-runner', ['reload_proxy'], ticketText + offer),
    );
  });

  test('signed by a stranger', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made);
    const signatures = [signWith(keys.stranger, MEDIUM, ticketText)];
    await refused('SIGNER_UNKNOWN', () =>
      submit(loot(keys.runner), 'reload_proxy', { ticketText, signatures, offer: made.signed }),
    );
  });

  test('wrong namespace: an approval for LOW is none for MEDIUM', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made);
    for (const namespace of ['mcp-pra-low', 'mcp-pra-high', 'file', 'mcp-pra-offer']) {
      const signatures = [alice(ticketText, namespace)];
      await refused('NAMESPACE_WRONG', () =>
        submit(loot(keys.runner), 'reload_proxy', { ticketText, signatures, offer: made.signed }),
      );
    }
  });

  test('impact lowered in the ticket', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made, { impact: 'LOW' });
    await refused('OFFER_MISMATCH', () =>
      submit(loot(keys.runner), 'reload_proxy', {
        ticketText,
        signatures: [alice(ticketText, 'mcp-pra-low')],
        offer: made.signed,
      }),
    );
  });

  test('impact raised on the host since the offer', async () => {
    const policy = await first.readFile('/etc/mcp-pra/policy.json');
    const made = await proposal();
    const ticketText = ticketFrom(made);
    const raised = { ...JSON.parse(policy), impact: { reload_proxy: 'HIGH' } };
    await first.writeFile('/etc/mcp-pra/policy.json', JSON.stringify(raised), 0o644);
    try {
      await refused('IMPACT_TOO_LOW', () =>
        submit(loot(keys.runner), 'reload_proxy', {
          ticketText,
          signatures: [alice(ticketText)],
          offer: made.signed,
        }),
      );
    } finally {
      await first.writeFile('/etc/mcp-pra/policy.json', policy, 0o644);
    }
  });

  test('another host', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made);
    const before = await traces(second);
    await refused('HOST_MISMATCH', () =>
      submit(loot(keys.runner, second), 'reload_proxy', {
        ticketText,
        signatures: [alice(ticketText)],
        offer: made.signed,
      }),
    );
    expect(await traces(second)).toBe(before);
  });

  test('another action in the ticket than in the offer', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made, { action: 'restart_service', args: [['unit', DEMO_UNIT]] });
    const said = await submit(loot(keys.runner), 'restart_service', {
      ticketText,
      signatures: [alice(ticketText)],
      offer: made.signed,
    });
    expect(said.stderr).toMatch(/refused pra-run (?:DEFINITION_STALE|OFFER_MISMATCH)\n/u);
  });

  test('word different from the ticket’s action', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made);
    await refused('WORD_MISMATCH', () =>
      submit(loot(keys.runner), 'restart_service', {
        ticketText,
        signatures: [alice(ticketText)],
        offer: made.signed,
      }),
    );
  });

  test('changed by one byte', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made);
    const signatures = [alice(ticketText)];
    await refused('SIGNATURE_BAD', () =>
      submit(loot(keys.runner), 'reload_proxy', {
        ticketText: ticketText.replace('reason because', 'reason becausf'),
        signatures,
        offer: made.signed,
      }),
    );
  });

  test('trailing bytes', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made);
    const { serialiseSubmission } = await import('../../src/request/submission.ts');
    const whole = serialiseSubmission({ ticketText, signatures: [alice(ticketText)], offer: made.signed });
    for (const tail of ['x', '\n', 'reason x\n', whole]) {
      await refused(/^refused pra-run (?:SUBMISSION|TICKET)_FORM$/mu, () =>
        sshAs(loot(keys.runner), 'pra-runner', ['reload_proxy'], whole + tail),
      );
    }
  });

  test('expired: the offer is older than the host allows', async () => {
    const policy = await first.readFile('/etc/mcp-pra/policy.json');
    await first.writeFile(
      '/etc/mcp-pra/policy.json',
      JSON.stringify({ ...JSON.parse(policy), offer_seconds: 1 }),
      0o644,
    );
    try {
      const made = await proposal();
      const ticketText = ticketFrom(made);
      const signatures = [alice(ticketText)];
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      await refused('OFFER_EXPIRED', () =>
        submit(loot(keys.runner), 'reload_proxy', { ticketText, signatures, offer: made.signed }),
      );
    } finally {
      await first.writeFile('/etc/mcp-pra/policy.json', policy, 0o644);
    }
  });

  test('stale definition', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made, { definition: 'ab'.repeat(32) });
    await refused('DEFINITION_STALE', () =>
      submit(loot(keys.runner), 'reload_proxy', {
        ticketText,
        signatures: [alice(ticketText)],
        offer: made.signed,
      }),
    );
  });

  test('altered script', async () => {
    const path = '/usr/local/lib/mcp-pra/scripts/reload-proxy';
    const script = await first.readFile(path);
    const made = await proposal();
    const ticketText = ticketFrom(made);
    await first.writeFile(path, `${script}# changed\n`, 0o755);
    try {
      await refused('SCRIPT_CHANGED', () =>
        submit(loot(keys.runner), 'reload_proxy', {
          ticketText,
          signatures: [alice(ticketText)],
          offer: made.signed,
        }),
      );
    } finally {
      await first.writeFile(path, script, 0o755);
    }
  });

  test('auto key on MEDIUM', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made);
    for (const namespace of ['mcp-pra-auto', MEDIUM]) {
      const signatures = [signWith(keys.auto, namespace, ticketText)];
      const said = await submit(loot(keys.runner), 'reload_proxy', {
        ticketText,
        signatures,
        offer: made.signed,
      });
      expect(said.stderr).toMatch(
        /refused pra-run (?:NAMESPACE_WRONG|AUTO_NOT_ALLOWED|SIGNATURE_BAD|SIGNER_UNKNOWN)\n/u,
      );
    }
  });

  test('auto key on a LOW action that the host does not list', async () => {
    const made = await prepare(loot(keys.runner), {
      action: 'restart_service',
      args: [['unit', 'cron.service']],
    });
    expect(made.offer.auto).toBe(false);
    const ticketText = ticketFrom(made);
    const signatures = [signWith(keys.auto, 'mcp-pra-auto', ticketText)];
    await refused('AUTO_NOT_ALLOWED', () =>
      submit(loot(keys.runner), 'restart_service', { ticketText, signatures, offer: made.signed }),
    );
  });

  test('one person with two keys, and one key twice, are no quorum', async () => {
    const policy = await first.readFile('/etc/mcp-pra/policy.json');
    const signers = await first.readFile('/etc/mcp-pra/allowed_signers');
    const otherKey = makeKey(dir, 'alice-second');
    try {
      await first.writeFile(
        '/etc/mcp-pra/policy.json',
        JSON.stringify({ ...JSON.parse(policy), quorum: { MEDIUM: 2, HIGH: 2 } }),
        0o644,
      );
      const made = await proposal();
      const ticketText = ticketFrom(made);
      const once = alice(ticketText);
      const twice = { ticketText, signatures: [once, once], offer: made.signed };
      await refused('SIGNER_TWICE', () => submit(loot(keys.runner), 'reload_proxy', twice));
      await refused('QUORUM', () =>
        submit(loot(keys.runner), 'reload_proxy', { ...twice, signatures: [once] }),
      );
      // A second key for the same person is already a fault of the list.
      await first.writeFile(
        '/etc/mcp-pra/allowed_signers',
        `${signers}alice namespaces="mcp-pra-medium" ${publicKey(otherKey.path)}\n`,
        0o644,
      );
      const both = [once, signWith(otherKey.path, MEDIUM, ticketText)];
      await refused('SIGNERS_FILE', () =>
        submit(loot(keys.runner), 'reload_proxy', { ...twice, signatures: both }),
      );
    } finally {
      await first.writeFile('/etc/mcp-pra/policy.json', policy, 0o644);
      await first.writeFile('/etc/mcp-pra/allowed_signers', signers, 0o644);
    }
  });

  test('result, status and fence by a bare runner key', async () => {
    const made = await proposal();
    const ticketText = ticketFrom(made);
    const said = await submit(loot(keys.runner), 'reload_proxy', {
      ticketText,
      signatures: [alice(ticketText)],
      offer: made.signed,
    });
    expect(said.code, said.stderr).toBe(0);
    // The id is known to the thief, the ticket is not.
    for (const word of ['result', 'status']) {
      const guess = queryFor(made.offer.id, 'cd'.repeat(32));
      await refused('ID_UNKNOWN', () => sshAs(loot(keys.runner), 'pra-runner', [word], guess));
    }
    const unborn = await proposal();
    const forged = ticketFrom(unborn);
    const signatures = [signWith(keys.stranger, MEDIUM, forged)];
    await refused('SIGNER_UNKNOWN', () =>
      submit(loot(keys.runner), 'fence', { ticketText: forged, signatures, offer: unborn.signed }),
    );
    const later = await submit(loot(keys.runner), 'reload_proxy', {
      ticketText: forged,
      signatures: [alice(forged)],
      offer: unborn.signed,
    });
    expect(later.code, 'the id was not burnt by the forgery').toBe(0);
  });

  test('offer from before a reboot', async () => {
    const made = await prepare(loot(keys.runner, second), reload);
    const ticketText = ticketFrom(made);
    const signatures = [alice(ticketText)];
    await second.reboot();
    const before = await traces(second);
    await refused('OFFER_BOOT', () =>
      submit(loot(keys.runner, second), 'reload_proxy', { ticketText, signatures, offer: made.signed }),
    );
    expect(await traces(second)).toBe(before);
  });
});
