import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lab, LabHost } from './lab.ts';
import { approveSteps } from '../support/operator.ts';
import { PASSPHRASE as APPROVER_PASSPHRASE, provisionedLab, type LabKeys } from './provisioned.ts';

// mcp-pra on a control node as docs/deployment.md has it: h1 runs the socket and the service, h2 is the target it looks at.

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const UNITS = join(ROOT, 'ansible/control-node');
const PTY = join(ROOT, 'test/support/pty.py');
const ETC = '/etc/mcp-pra-server';
const PASSPHRASE = `control ${String(process.pid)} node`;

const PARTS = ['dist', 'catalog', 'target-scripts', 'ansible', 'package.json', 'node_modules/better-sqlite3'];
/** Ansible and what it needs of Python, as this machine has them. */
const ANSIBLE = [
  'ansible-core python3-cffi-backend python3-cryptography python3-distutils python3-jinja2 python3-lib2to3 python3-markupsafe',
  'python3-packaging python3-pkg-resources python3-resolvelib python3-yaml libyaml-0-2',
].flatMap((line) => line.split(' '));

let lab: Lab;
let keys: LabKeys;
let control: LabHost;
let target: LabHost;

const sh = (line: string, input = ''): Promise<string> => control.sh(line, { input });

/**
 * Python of the control node itself: an MCP client on the socket. Prints the answers to initialize, tools/list and one
 * diagnostic, a line each; between them, on standard error, the unit while it runs.
 */
const CLIENT = String.raw`
import json, socket, subprocess, sys
link = socket.socket(socket.AF_UNIX)
link.settimeout(60)
link.connect('/run/mcp-pra.sock')
lines = link.makefile('rw')
def ask(number, method, params):
    lines.write(json.dumps({'jsonrpc': '2.0', 'id': number, 'method': method, 'params': params}) + '\n')
    lines.flush()
    while True:
        answer = json.loads(lines.readline())
        if answer.get('id') == number:
            return print(json.dumps(answer), flush=True)
ask(1, 'initialize', {'protocolVersion': '2025-06-18', 'capabilities': {}, 'clientInfo': {'name': 'lab', 'version': '1'}})
lines.write(json.dumps({'jsonrpc': '2.0', 'method': 'notifications/initialized'}) + '\n')
for number, host in ((2, sys.argv[1]), (3, 'elsewhere')):
    ask(number, 'tools/call', {'name': 'uptime', 'arguments': {'hosts': [host]}})
for command in sys.argv[2:]:
    print(json.dumps(subprocess.run(command, shell=True, capture_output=True, text=True).stdout), flush=True)
`;

/** One session on the socket; what the given shell lines print on the control node while it is open. */
const session = async (...lines: string[]): Promise<readonly unknown[]> => {
  const said = await control.run(['/usr/bin/python3', '-c', CLIENT, target.name, ...lines]);
  if (said.code !== 0) throw new Error(`${said.stderr}\n${await sh('journalctl -n 40 -o cat --no-pager')}`);
  return said.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
};

beforeAll(async () => {
  ({ lab, keys } = await provisionedLab(2));
  [control, target] = lab.hosts as [LabHost, LabHost];
  const opt = join(control.rootDir, 'opt/mcp-pra');
  mkdirSync(opt, { recursive: true });
  for (const part of PARTS) cpSync(join(ROOT, part), join(opt, part), { recursive: true });
  cpSync(join(ROOT, 'node_modules/node/bin/node'), join(control.rootDir, 'usr/bin/node'));
  for (const unit of ['mcp-pra.socket', 'mcp-pra@.service', 'mcp-pra-rotate.service'])
    await control.writeFile(`/etc/systemd/system/${unit}`, readFileSync(join(UNITS, unit), 'utf8'));

  await sh(
    'useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin mcp-pra; groupadd --system mcp-pra-clients',
  );
  await sh(`install -d -o root -g mcp-pra -m 1770 ${ETC} ${ETC}/keys; install -d -m 0700 ${ETC}/credentials`);
  for (const account of ['reader', 'runner', 'auto'] as const) {
    const copy = join(lab.dir, `encrypted-${account}`);
    cpSync(keys[account], copy);
    execFileSync('ssh-keygen', ['-q', '-p', '-a', '4', '-N', PASSPHRASE, '-f', copy]);
    await control.writeFile(`${ETC}/keys/${account}`, readFileSync(copy, 'utf8'), 0o600);
    await control.writeFile(
      `${ETC}/keys/${account}.pub`,
      readFileSync(`${keys[account]}.pub`, 'utf8'),
      0o644,
    );
    await sh(`chown mcp-pra: ${ETC}/keys/${account} ${ETC}/keys/${account}.pub`);
    await sh(
      `systemd-creds encrypt --with-key=host --name=${account} - ${ETC}/credentials/${account}`,
      PASSPHRASE,
    );
  }
  const key = (name: string): object => ({ path: `keys/${name}`, passphrase: { credential: name } });
  const config = {
    version: 1,
    hosts: { [target.name]: { address: target.address } },
    keys: { reader: key('reader'), runner: key('runner'), auto: key('auto') },
    approver: { principal: 'alice', key: 'keys/alice' },
  };
  await control.writeFile(`${ETC}/keys/alice`, readFileSync(keys.approver, 'utf8'), 0o600);
  await control.writeFile(`${ETC}/keys/alice.pub`, readFileSync(`${keys.approver}.pub`, 'utf8'), 0o644);
  await sh(`chown mcp-pra: ${ETC}/keys/alice`);
  await control.writeFile(
    '/usr/local/sbin/mcp-pra-here',
    readFileSync(join(UNITS, 'mcp-pra-here'), 'utf8'),
    0o755,
  );
  await control.writeFile(`${ETC}/mcp-pra.yaml`, JSON.stringify(config), 0o644);
  await control.writeFile(`${ETC}/known_hosts`, readFileSync(lab.knownHosts, 'utf8'), 0o644);
  await sh(
    `mkdir -p /etc/systemd/system/mcp-pra@.service.d; ` +
      `node /opt/mcp-pra/dist/main.js hosts egress --config ${ETC}/mcp-pra.yaml >/etc/systemd/system/mcp-pra@.service.d/egress.conf; ` +
      'systemctl daemon-reload; systemctl start mcp-pra.socket',
  );
});

afterAll(async () => {
  await lab?.down();
});

describe('mcp-pra as a service of a control node', () => {
  test('a client on the socket gets a diagnostic of the target; a host that is not configured is refused', async () => {
    const [hello, looked, refused] = await session();
    expect(JSON.stringify(hello)).toContain('"serverInfo"');
    expect(JSON.stringify(looked)).toContain('load_1m');
    expect(JSON.stringify(refused)).toContain('HOST_UNKNOWN');
  });

  test('the process is nobody with no way to become somebody', async () => {
    const main =
      'systemctl show --value -p MainPID "$(systemctl list-units --plain --no-legend "mcp-pra@*" | cut -d" " -f1 | head -1)"';
    const [, , , status, environment, root, etc] = (await session(
      `cat /proc/$(${main})/status`,
      `tr '\\0' '\\n' </proc/$(${main})/environ`,
      `nsenter -t $(${main}) -m -- touch /usr/x /opt/mcp-pra/x /root/x ${ETC}/x 2>&1; nsenter -t $(${main}) -m -- ls /home /root 2>&1`,
      `nsenter -t $(${main}) -m -- findmnt -n -o OPTIONS -T /usr`,
    )) as string[];
    expect(status).toMatch(/^CapEff:\s+0{16}$/mu);
    expect(status).toMatch(/^CapBnd:\s+0{16}$/mu);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/mu);
    expect(status).toMatch(/^Seccomp:\s+2$/mu);
    expect(status).not.toMatch(/^Uid:\s+0\b/mu);
    expect(environment).not.toContain(PASSPHRASE);
    expect(root?.match(/Read-only file system/gu)?.length).toBeGreaterThanOrEqual(3);
    expect(etc).toMatch(/\bro\b/u);
  });

  test('systemd-analyze scores it as well protected', async () => {
    const report = await sh(
      'systemd-analyze security --no-pager --offline=true --threshold=20 mcp-pra@.service 2>&1 || true',
    );
    const exposure = Number(/Overall exposure level for [^:]+: ([\d.]+)/u.exec(report)?.[1]);
    process.stdout.write(`systemd-analyze security mcp-pra@.service: ${String(exposure)}\n`);
    expect(exposure, report).toBeLessThan(2);
  });

  // Of the kernel's filter a container of the lab shows only that systemd was told: it may not attach one here.
  test('systemd is told to let out to the configured hosts only', async () => {
    const [, , , told] = await session(
      'systemctl show -p IPAddressDeny -p IPAddressAllow "$(systemctl list-units --plain --no-legend "mcp-pra@*" | cut -d" " -f1 | head -1)"',
    );
    expect(told).toContain(`IPAddressAllow=${target.address}/32\n`);
    expect(told).toMatch(/^IPAddressDeny=.*0\.0\.0\.0\/0/mu);
  });

  test('who is not in the group of clients cannot connect', async () => {
    const tried = await control.run([
      'runuser',
      '-u',
      'admin',
      '--',
      'python3',
      '-c',
      'import socket; socket.socket(socket.AF_UNIX).connect("/run/mcp-pra.sock")',
    ]);
    expect(tried.stderr).toContain('PermissionError');
  });

  test('without its passphrase the key opens nothing, and the client is told which', async () => {
    await sh(
      `mv ${ETC}/credentials/reader ${ETC}/credentials/kept; printf wrong | systemd-creds encrypt --with-key=host --name=reader - ${ETC}/credentials/reader`,
    );
    try {
      const [, looked] = await session();
      expect(JSON.stringify(looked)).toContain('KEY_PASSPHRASE');
    } finally {
      await sh(`mv ${ETC}/credentials/kept ${ETC}/credentials/reader`);
    }
  });

  test('a person approves there: the same requests, keys and sandbox, and the passphrase typed at a terminal', async () => {
    const proposed = await sh(
      `mcp-pra-here propose reload_proxy --host ${target.name} proxy=nginx --reason 'a new certificate' --json || [ $? = 4 ]`,
    );
    const { id } = JSON.parse(proposed) as { id: string };
    expect(await sh('mcp-pra-here pending --json')).toContain(id);
    // The terminal is one of the control node; nothing of the approver's passphrase is anywhere but there.
    const { code, stdout, stderr } = await control.run(
      ['/usr/bin/python3', '-c', readFileSync(PTY, 'utf8')],
      {
        input: JSON.stringify({
          argv: ['/usr/local/sbin/mcp-pra-here', 'approve', id],
          env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TERM: 'xterm', LANG: 'C.UTF-8' },
          seconds: 90,
          steps: approveSteps(APPROVER_PASSPHRASE),
        }),
      },
    );
    expect(code, stderr).toBe(0);
    const said = JSON.parse(stdout) as { code: number; screen: string; missed: string | null };
    expect(said, said.screen).toMatchObject({ code: 0, missed: null });
    expect(said.screen).toContain('SUCCEEDED');
    expect(said.screen).not.toContain(APPROVER_PASSPHRASE);
    expect(await sh('stat -c "%U %a" /var/lib/mcp-pra-server')).toBe('mcp-pra 700');
  });

  test('when the client hangs up, the session ends and the database stays private', async () => {
    await session();
    await sh(
      'for i in $(seq 100); do [ -z "$(systemctl list-units --plain --no-legend "mcp-pra@*")" ] && exit 0; sleep 0.1; done; exit 1',
    );
    expect(await sh('stat -c "%U %a" /var/lib/mcp-pra-server')).toBe('mcp-pra 700');
    expect(await sh('find /var/lib/mcp-pra-server -type f -perm /077')).toBe('');
  });
});

describe('the unit that rotates', () => {
  const own = async (path: string, content: string, mode: number): Promise<void> => {
    await control.writeFile(path, content, mode);
    await sh(`chown mcp-pra: ${path}`);
  };
  const publicHalves = async (): Promise<readonly string[]> =>
    (await sh(`cat ${ETC}/keys/reader.pub ${ETC}/keys/runner.pub ${ETC}/keys/auto.pub`)).split('\n');
  /** One run as the timer starts it; what it said. */
  const rotate = async (): Promise<string> => {
    const { code } = await control.run(['systemctl', 'start', 'mcp-pra-rotate.service'], {
      timeoutMs: 240_000,
    });
    const said = await sh('journalctl -u mcp-pra-rotate -o cat --no-pager');
    expect(code, said).toBe(0);
    return said;
  };

  beforeAll(async () => {
    const files = execFileSync('dpkg', ['-L', ...ANSIBLE], { encoding: 'utf8' });
    const packed = execFileSync('tar', ['-c', '--no-recursion', '-P', '-T', '-'], {
      input: files,
      maxBuffer: 1 << 28,
    });
    execFileSync('tar', ['-x', '-C', control.rootDir, '--keep-directory-symlink'], { input: packed });
    await own(`${ETC}/admin`, readFileSync(lab.adminKey, 'utf8'), 0o600);
    const line = (name: keyof LabKeys): string => readFileSync(`${keys[name]}.pub`, 'utf8').trim();
    const lists = {
      mcp_pra_reader_keys: [line('reader')],
      mcp_pra_runner_keys: [line('runner')],
      mcp_pra_auto_keys: [line('auto')],
    };
    await own(`${ETC}/transport-keys.yml`, JSON.stringify(lists), 0o600);
    const host = {
      ansible_host: target.address,
      ansible_user: 'admin',
      ansible_ssh_private_key_file: `${ETC}/admin`,
      ansible_ssh_common_args: `-o UserKnownHostsFile=${ETC}/known_hosts`,
    };
    const inventory = { all: { hosts: { [target.name]: host } } };
    await control.writeFile(`${ETC}/inventory.yml`, JSON.stringify(inventory), 0o644);
  });

  test('gives all three keys successors with their passphrases, and sessions go on', async () => {
    const before = await publicHalves();
    await rotate();
    const after = await publicHalves();
    for (const line of after) expect(before).not.toContain(line);
    const listed = await sh(`cat ${ETC}/transport-keys.yml`);
    for (const line of after) expect(listed).toContain(line);
    expect(await sh(`find ${ETC}/keys -printf '%f %u %m\\n' | grep -v pub | sort`)).toBe(
      'alice mcp-pra 600\nauto mcp-pra 600\nkeys root 1770\nreader mcp-pra 600\nrunner mcp-pra 600',
    );
    const [, looked] = await session();
    expect(JSON.stringify(looked)).toContain('load_1m');
  });

  test('rotates the two others where there is no auto key, and says so', async () => {
    const path = `${ETC}/mcp-pra.yaml`;
    const kept = await sh(`cat ${path}`);
    const config = JSON.parse(kept) as { keys: Record<string, object> };
    const { auto: _, ...others } = config.keys;
    await control.writeFile(path, JSON.stringify({ ...config, keys: others }), 0o644);
    const before = await publicHalves();
    try {
      expect(await rotate()).toContain('NOTHING TO ROTATE: mcp-pra.yaml names no file for keys.auto.');
    } finally {
      await control.writeFile(path, kept, 0o644);
    }
    const after = await publicHalves();
    expect(after.map((line) => before.includes(line))).toEqual([false, false, true]);
  });

  test('may not replace what decides where the server goes and whom it believes', async () => {
    for (const file of ['mcp-pra.yaml', 'known_hosts', 'inventory.yml']) {
      const moved = await control.run([
        'runuser',
        '-u',
        'mcp-pra',
        '--',
        'mv',
        '-f',
        `${ETC}/admin`,
        `${ETC}/${file}`,
      ]);
      expect(moved.stderr).toContain('Operation not permitted');
    }
  });
});
