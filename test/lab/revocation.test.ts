import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprint } from '../../src/request/sshsig.ts';
import { makeOperator, PROGRAM, type Operator } from '../support/operator.ts';
import { makeKey } from '../support/ssh-keys.ts';
import { prepare, signWith, sshAs, submit, ticketFrom, type Loot } from '../support/thief.ts';
import { ansibleInventory, runPlaybook } from './playbook.ts';
import { provisionedLab, PASSPHRASE, SLOW_UNIT, type LabKeys } from './provisioned.ts';
import { strictOptions } from './ssh.ts';
import type { Lab, LabHost } from './lab.ts';

// A key that got lost is thrown out of every host, with whatever was opened with it, by the command a person types at night.

let lab: Lab;
let keys: LabKeys;
let operator: Operator;
let hosts: readonly [LabHost, LabHost, LabHost];
let dir: string;

beforeAll(async () => {
  ({ lab, keys } = await provisionedLab(3));
  hosts = lab.hosts as unknown as typeof hosts;
  dir = join(lab.dir, 'revocation');
  mkdirSync(dir, { mode: 0o700 });
  operator = makeOperator({
    home: dir,
    hosts: Object.fromEntries(hosts.map(({ name, address }) => [name, { address }])),
    keys: { reader: keys.reader, runner: keys.runner },
    approver: { principal: 'alice', key: keys.approver },
    knownHosts: lab.knownHosts,
  });
  writeFileSync(join(dir, '.config/mcp-pra/inventory.yml'), JSON.stringify(ansibleInventory(lab)));
});
afterAll(() => lab?.down());

const sh = (host: LabHost, line: string): Promise<string> => host.sh(line);

const loot = (host: LabHost, key: string): Loot => ({
  host: host.name,
  address: host.address,
  port: 22,
  knownHosts: lab.knownHosts,
  key,
});

/** A second key for an account of every host, with the options of the first. */
const list = async (account: string, key: { readonly line: string }): Promise<void> => {
  const path = `/etc/mcp-pra/authorized_keys/${account}`;
  await Promise.all(
    hosts.map((host) => sh(host, `sed -n "1s|ssh-ed25519 .*|${key.line}|p" ${path} >>${path}`)),
  );
};

interface Opened {
  readonly host: string;
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  /** Runs something over the connection that is open. */
  exec(...command: string[]): Promise<number | null>;
}

/** A connection as a thief holds it: open, idle, with more sessions to be had from it. */
const openWith = async (host: LabHost, account: string, key: string, port = 22): Promise<Opened> => {
  const socket = join(dir, `${host.name}-${account}-${String(port)}-${key.split('/').at(-1) ?? ''}`);
  const at = ['-p', String(port), '-o', `HostKeyAlias=${host.address}`];
  const options = [...strictOptions(lab.knownHosts), ...at, '-o', `ControlPath=${socket}`];
  const target = `${account}@${host.address}`;
  const child = spawn('ssh', [...options, '-i', key, '-o', 'ControlMaster=yes', '-v', '-N', target], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  for await (const line of createInterface({ input: child.stderr }))
    if (line.includes('Entering interactive session')) break;
  child.stderr.resume();
  return {
    host: host.name,
    child,
    ended,
    exec: async (...command) => {
      const one = spawn('ssh', [...options, '-o', 'ControlMaster=no', target, ...command], {
        stdio: 'ignore',
      });
      const [code] = (await once(one, 'exit')) as [number | null];
      return code;
    },
  };
};

type Handed = Parameters<typeof submit>[2];

interface Report {
  readonly seconds: number;
  readonly left: string | null;
  readonly notes: readonly string[];
  readonly hosts: readonly {
    readonly host: string;
    readonly state: string;
    readonly done: boolean;
    readonly proven: boolean;
    readonly listed: boolean;
    readonly ended: number;
    readonly proof: Record<string, string> | null;
  }[];
}

const revoke = async (...argv: string[]): Promise<{ code: number; report: Report; stderr: string }> => {
  const { code, stdout, stderr } = await operator.cli('keys', 'revoke', '--json', ...argv);
  const [report] = JSON.parse(stdout === '' ? '[]' : stdout) as [Report];
  if (report === undefined) throw new Error(`no report: ${stderr}`);
  return { code, report, stderr };
};

const DEAD = { key: 'refused', before: 'dead', reader: 'works', runner: 'works' };

test('a stolen key is dead on all hosts within 60 s, with its open connections; what stays works, and a running action goes on', async () => {
  const stolen = makeKey(dir, 'stolen');
  await list('mcp-reader', stolen);
  const opened = await Promise.all(
    hosts.flatMap((host) => [
      openWith(host, 'mcp-reader', stolen.path),
      openWith(host, 'pra-runner', keys.runner),
    ]),
  );
  for (const one of opened) expect(await one.exec('version'), one.host).toBe(0);

  // A restart that takes as long as this test wants: begun over the runner channel, whose connections end too.
  const [first] = hosts;
  const hold = `[Service]\nExecStartPre=/bin/sh -c 'until [ ! -e /run/hold ]; do sleep 0.1; done'\n`;
  await first.writeFile(`/run/systemd/system/${SLOW_UNIT}.d/hold.conf`, hold);
  await sh(first, 'systemctl daemon-reload; touch /run/hold');
  const runner = loot(first, keys.runner);
  const made = await prepare(runner, { action: 'restart_service', args: [['unit', SLOW_UNIT]] });
  const ticketText = ticketFrom(made);
  const signatures = [signWith(keys.approver, 'mcp-pra-low', ticketText, PASSPHRASE)];
  const starts = `wc -l </run/${SLOW_UNIT.replace('.service', '.starts')}`;
  const before = Number(await sh(first, starts));
  const running = submit(runner, 'restart_service', { ticketText, signatures, offer: made.signed });
  await sh(
    first,
    `timeout 20 /bin/sh -c 'until [ $(${starts}) -gt ${String(before)} ]; do sleep 0.05; done'`,
  );

  const { code, report } = await revoke('--key', `${stolen.path}.pub`, '--all-hosts');
  expect(code, JSON.stringify(report, undefined, 1)).toBe(0);
  expect(report.hosts.map(({ host, state, proven, proof }) => ({ host, state, proven, proof }))).toEqual(
    hosts.map(({ name }) => ({ host: name, state: 'revoked', proven: true, proof: DEAD })),
  );
  await Promise.all(opened.map(({ ended }) => ended));
  for (const host of hosts) {
    expect(await sshAs(loot(host, stolen.path), 'mcp-reader', ['uptime'])).toMatchObject({
      code: 255,
      stdout: '',
    });
    expect((await sshAs(loot(host, keys.reader), 'mcp-reader', ['uptime'])).code).toBe(0);
    expect((await sshAs(loot(host, keys.runner), 'pra-runner', ['version'])).code).toBe(0);
    expect(await sh(host, 'ls /etc/mcp-pra')).not.toMatch(/disabled|\.new/u);
  }
  expect((await running).code).not.toBe(0);
  expect(await sh(first, `systemctl is-active ${SLOW_UNIT} || :`)).toBe('activating');
  await sh(first, 'rm /run/hold');
  await sh(first, `timeout 30 /bin/sh -c 'until systemctl is-active -q ${SLOW_UNIT}; do sleep 0.1; done'`);
  expect(Number(await sh(first, starts))).toBe(before + 1);
  const again = await submit(runner, 'restart_service', { ticketText, signatures, offer: made.signed });
  expect(again.stderr).toBe('refused pra-run REPLAYED\n');
  expect(again.stdout).toContain('state SUCCEEDED');
  process.stdout.write(
    `a key on ${String(hosts.length)} hosts: dead and proven after ${report.seconds.toFixed(1)} s, ${String(opened.length)} open connections with it\n`,
  );
  const { stdout } = await operator.cli('audit', 'tail', '--json');
  expect(stdout).toContain('KEYS_REVOKED');
});

test('a container of the host is another host: its connections are left alone, also those of accounts with the same name and number', async () => {
  const [first] = hosts;
  const stolen = makeKey(dir, 'stolen-beside');
  await list('mcp-reader', stolen);
  const sshd = '/usr/sbin/sshd -D -e -p 2222 -o PidFile=none';
  await sh(
    first,
    `systemd-run -q --unit=lab-container -p KillSignal=SIGKILL unshare --pid --fork --kill-child --mount-proc ${sshd}
     timeout 20 /bin/sh -c 'until ss -Hltn "sport = 2222" | grep -q .; do sleep 0.1; done'`,
  );
  try {
    const ours = await openWith(first, 'mcp-reader', stolen.path);
    const theirs = await openWith(first, 'mcp-reader', stolen.path, 2222);
    expect((await revoke('--key', `${stolen.path}.pub`, '--host', first.name)).code).toBe(0);
    await ours.ended;
    expect(await theirs.exec('version')).toBe(0);
  } finally {
    await sh(first, 'systemctl stop lab-container');
  }
});

describe('a host that is down', () => {
  test('holds up nobody, is listed, and --retry finishes it when it is back, with the connection that survived', async () => {
    const [, , third] = hosts;
    const stolen = makeKey(dir, 'stolen-too');
    await list('pra-runner', stolen);
    const opened = await openWith(third, 'pra-runner', stolen.path);
    expect(await opened.exec('version')).toBe(0);
    await third.link(false);
    let left: string;
    try {
      const { code, report } = await revoke(
        '--fingerprint',
        fingerprint(stolen.blob),
        '--all-hosts',
        '--within',
        '20',
      );
      expect(code).toBe(5);
      expect(report.hosts.map(({ state, done }) => [state, done])).toEqual([
        ['revoked', true],
        ['revoked', true],
        ['unreachable', false],
      ]);
      // Only its fingerprint was named: the hosts themselves said which key it is, so that sshd could be asked, but only afterwards.
      expect(report.hosts[0]).toMatchObject({ proven: false, proof: { ...DEAD, key: 'unseen' } });
      left = report.left ?? '';
      expect(JSON.parse(readFileSync(left, 'utf8'))).toMatchObject({ hosts: [third.name] });
    } finally {
      await third.link(true);
    }
    expect(await opened.exec('version'), 'it survived').toBe(0);
    const { code, report } = await revoke('--retry');
    expect(code, JSON.stringify(report)).toBe(0);
    expect(report.hosts).toMatchObject([{ host: third.name, done: true, proof: { ...DEAD, key: 'unseen' } }]);
    await opened.ended;
    expect(existsSync(left)).toBe(false);
    expect((await operator.cli('keys', 'revoke', '--retry')).stdout).toContain('No revocation is left');
  });

  test('or one that lets us in and then hangs: it is left when the time is over, with nothing running here for it', async () => {
    const [, , third] = hosts;
    const lost = makeKey(dir, 'lost-there');
    const program = '/usr/local/lib/mcp-pra/revoke-keys';
    await sh(
      third,
      `mv ${program} ${program}.kept; printf '#!/bin/sh\\nsleep 900\\n' >${program}; chmod 755 ${program}`,
    );
    try {
      const { code, report } = await revoke('--key', `${lost.path}.pub`, '--all-hosts', '--within', '20');
      expect(code, JSON.stringify(report)).toBe(5);
      expect(report.hosts.map(({ state }) => state)).toEqual(['revoked', 'revoked', 'unreachable']);
      const running = execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' }).split('\n');
      expect(running.filter((line) => line.includes(third.address) && line.includes('revoke-keys'))).toEqual(
        [],
      );
    } finally {
      await sh(third, `mv ${program}.kept ${program}`);
    }
    expect((await revoke('--retry')).code).toBe(0);
  });

  test('is named by the playbook alone too, and written down for --limit', async () => {
    const [, , third] = hosts;
    const lost = makeKey(dir, 'lost-one');
    const left = join(dir, 'left');
    const vars = {
      mcp_pra_revoke: { keys: [fingerprint(lost.blob)] },
      mcp_pra_revoke_left: left,
    };
    await third.link(false);
    try {
      const run = await runPlaybook(lab, 'revoke.yml', vars);
      expect(run.code).not.toBe(0);
      expect(run.output).toContain(`${third.name}: NOT REVOKED: the host cannot be reached`);
      expect(run.failed).toMatchObject({ h1: 0, h2: 0 });
      expect(readFileSync(left, 'utf8')).toBe(`${third.name}\n`);
    } finally {
      await third.link(true);
    }
    const again = await runPlaybook(lab, 'revoke.yml', vars, { limit: `@${left}` });
    expect(again.code, again.output).toBe(0);
    expect(again.changed).toEqual({ h3: 1 });
  });

  test('and comes back while the command is still trying is done by it', async () => {
    const [, second] = hosts;
    const stolen = makeKey(dir, 'stolen-again');
    await list('mcp-reader', stolen);
    await second.link(false);
    const child = spawn(
      process.execPath,
      [PROGRAM, 'keys', 'revoke', '--key', `${stolen.path}.pub`, '--all-hosts'],
      { env: operator.env, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = once(child, 'close');
    const said: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      said.push(line);
      if (line.startsWith(`Not reached: ${second.name}.`)) await second.link(true);
    }
    const [code] = (await ended) as [number];
    expect(code, said.join('\n')).toBe(0);
    expect(said.join('\n')).toMatch(
      new RegExp(`^${second.name}: revoked after .*sshd (accepted|refuses) the key`, 'mu'),
    );
    expect(said.at(-1)).toMatch(/^3 of 3 host\(s\) done, [23] of them proven from here/u);
  });
});

describe('an approver', () => {
  test('who is removed signs nothing any more, while the others do; connections stay open', async () => {
    const gone = makeKey(dir, 'gone');
    await Promise.all(
      hosts.map((host) =>
        sh(host, `echo 'carol namespaces="mcp-pra-low" ${gone.line}' >>/etc/mcp-pra/allowed_signers`),
      ),
    );
    const [first] = hosts;
    const prepared = await Promise.all(
      hosts.map(async (host) => {
        const runner = loot(host, keys.runner);
        const made = await prepare(runner, { action: 'vacuum_journal' });
        const ticketText = ticketFrom(made);
        const signedBy = (key: string, passphrase?: string): Handed => ({
          ticketText,
          signatures: [signWith(key, 'mcp-pra-low', ticketText, passphrase)],
          offer: made.signed,
        });
        return { host, runner, theirs: signedBy(gone.path), ours: signedBy(keys.approver, PASSPHRASE) };
      }),
    );
    const open = await openWith(first, 'pra-runner', keys.runner);
    const { code, report } = await revoke('--approver', 'carol', '--all-hosts');
    expect(code, JSON.stringify(report)).toBe(0);
    expect(report.hosts.map(({ listed, proof }) => [listed, proof?.['key']])).toEqual(
      hosts.map(() => [true, 'unseen']),
    );
    expect(await open.exec('version')).toBe(0);
    open.child.kill();
    for (const { host, runner, theirs, ours } of prepared) {
      const said = async (parts: Handed): Promise<string> =>
        (await submit(runner, 'vacuum_journal', parts)).stderr;
      expect(await said(theirs), host.name).toBe('refused pra-run SIGNER_UNKNOWN\n');
      // Put back by hand, as a provisioning with old variables would: the list still refuses the key.
      await sh(host, `echo 'carol namespaces="mcp-pra-low" ${gone.line}' >>/etc/mcp-pra/allowed_signers`);
      expect(await said(theirs), host.name).toBe('refused pra-run SIGNER_REVOKED\n');
      await sh(host, "sed -i '/^carol /d' /etc/mcp-pra/allowed_signers");
      expect((await submit(runner, 'vacuum_journal', ours)).stdout).toContain('state SUCCEEDED');
    }
  });

  test('whose name is misspelt: nothing happens, and that is said', async () => {
    const { report } = await revoke('--approver', 'alcie', '--all-hosts');
    expect(report.notes.join('\n')).toContain('No host listed alcie');
    expect(await sh(hosts[0], 'cat /etc/mcp-pra/allowed_signers')).toContain('alice ');
  });
});

describe('what the command refuses', () => {
  test('a host that is configured and not in the inventory is said to be missed', async () => {
    const inventory = join(dir, 'two.json');
    const two = { ...lab, hosts: lab.hosts.slice(0, 2) };
    writeFileSync(inventory, JSON.stringify(ansibleInventory(two)));
    const stranger = makeKey(dir, 'stranger-one');
    const { code, report } = await revoke('--key', `${stranger.path}.pub`, '--all-hosts', '-i', inventory);
    expect(code).toBe(1);
    expect(report.hosts.map(({ state }) => state)).toEqual(['revoked', 'revoked', 'missing']);
    expect((await revoke('--retry', '-i', join(dir, '.config/mcp-pra/inventory.yml'))).code).toBe(0);
  });

  test('the host key of a host: nothing is touched', async () => {
    const [first] = hosts;
    const path = join(dir, 'hostkey.pub');
    writeFileSync(path, await first.readFile('/etc/ssh/ssh_host_ed25519_key.pub'));
    const { code, report } = await revoke('--key', path, '--host', first.name);
    expect(code).toBe(1);
    expect(JSON.stringify(report)).toContain('is a host key of this very host');
    expect(report.left, 'nothing to try again').toBeNull();
    expect(await sh(first, 'ls /etc/mcp-pra')).not.toContain('disabled');
  });
});

test('the operator’s own key: the answer says that it needs a new one', async () => {
  const { code, report } = await revoke('--key', `${keys.reader}.pub`, '--all-hosts');
  expect(code, JSON.stringify(report)).toBe(0);
  expect(report.hosts.map(({ proof }) => proof)).toEqual(
    hosts.map(() => ({ key: 'refused', before: 'dead', reader: 'revoked', runner: 'works' })),
  );
  expect(report.notes.join('\n')).toContain('no reader key is left');
});
