// Certificates and the transport openssh against the real sshd of a target, set up by setup-target.
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { makeGrant, type GrantSpec } from '../../src/request/grant.ts';
import type { Channel, ChannelResult } from '../../src/request/ports.ts';
import { isPostQuantum } from '../../src/ssh/openssh-config.ts';
import { opensshProgram } from '../../src/ssh/openssh-program.ts';
import { openChannel, type OpenChannelOptions } from '../../src/ssh/open-channel.ts';
import { makeOperator } from '../support/operator.ts';
import { startSecurityKey } from '../support/software-security-key.ts';
import { labUp, ssh, type Lab, type LabHost } from './lab.ts';
import { publicKey, type LabKeys } from './provisioned.ts';
import { sendPack, setUp, siteFor } from './setup-target.ts';

let lab: Lab;
let host: LabHost;
let dir: string;
let keys: LabKeys;
let breakGlass: string;
let securityKey: Awaited<ReturnType<typeof startSecurityKey>>;
const channels: Channel[] = [];

const makeKey = (name: string, ...options: string[]): string => {
  const path = join(dir, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, ...options, '-f', path]);
  return path;
};

beforeAll(async () => {
  lab = await labUp({ hosts: 1 });
  host = lab.hosts[0] as LabHost;
  dir = join(lab.dir, 'certificates');
  mkdirSync(dir, { mode: 0o700 });
  const names = ['reader', 'runner', 'auto', 'approver', 'stranger'] as const;
  keys = Object.fromEntries(names.map((name) => [name, makeKey(name)])) as unknown as LabKeys;
  breakGlass = makeKey('break-glass');
  makeKey('rsa', '-t', 'rsa', '-b', '2048');
  for (const ca of ['ca', 'other-ca']) makeKey(ca);
  securityKey = await startSecurityKey(join(dir, 'security-key.agent'));
  writeFileSync(join(dir, 'security-key.pub'), `${securityKey.line}\n`);
  await sendPack(host);
  const site = siteFor(host, keys, {
    keys: {
      reader: [keys.reader, join(dir, 'rsa'), join(dir, 'security-key')].map((path) => ({
        key: publicKey(path),
      })),
      runner: [{ key: publicKey(keys.runner) }],
      break_glass: [{ key: publicKey(breakGlass), expires: null, from: [`${network()}.0/24`] }],
    },
    certificates: { ca_keys: [publicKey(join(dir, 'ca'))], from: [] },
    policy: {
      values: { restart_service: { unit: ['cron.service'] } },
      auto: [{ action: 'restart_service', args: { unit: 'cron.service' } }],
    },
  });
  for (const stage of ['preflight', 'account', 'scripts', 'tables', 'sudo', 'sshd']) {
    const { code, refusal } = await setUp(host, site, stage);
    if (code !== 0) throw new Error(`${stage}: ${refusal}`);
  }
  const confirm = ['/usr/bin/python3', '-IB', '/root/mcp-pra-pack/target-scripts/setup-target', 'confirm'];
  const confirmed = await host.run(confirm);
  if (confirmed.code !== 0) throw new Error(`confirm: ${confirmed.stderr}`);
});

afterEach(async () => {
  await Promise.all(channels.splice(0).map((channel) => channel.close()));
  vi.unstubAllEnvs();
});
afterAll(async () => {
  securityKey?.close();
  await lab?.down();
});

/** The lab's network as `198.18.7`. */
const network = (): string => host.address.split('.').slice(0, 3).join('.');
const record = (): string => join(dir, 'certificates.jsonl');

interface Want {
  readonly certificate?: boolean;
  readonly jump?: string;
  readonly reader?: Partial<OpenChannelOptions['accounts']['reader']>;
  readonly options?: Partial<OpenChannelOptions>;
}
const open = ({ certificate = false, jump, reader, options = {} }: Want = {}): Channel => {
  const channel = openChannel({
    hosts: {
      h1: {
        name: 'h1',
        address: host.address,
        port: 22,
        transport: 'openssh',
        certificate,
        jump,
        hostKeyAlias: 'h1',
      },
    },
    accounts: {
      reader: { user: 'mcp-reader', keyPath: keys.reader, ...reader },
      runner: { user: 'pra-runner', keyPath: keys.runner },
    },
    certificates: {
      issuer: { kind: 'ca', keyPath: join(dir, 'ca'), passphrase: undefined },
      lifetimeSeconds: 300,
      sourceAddress: [],
      requester: 'alice',
      record: record(),
    },
    knownHosts: [{ path: lab.knownHosts }],
    ...options,
  });
  channels.push(channel);
  return channel;
};
/** The runner's answer to `version` names its host. */
const RUNNER_VERSION = expect.stringMatching(/^mcp-pra 1[^]*"host":"h1"/u) as string;
const ask = async (
  channel: Channel,
  account: 'reader' | 'runner' = 'reader',
  spec: Partial<GrantSpec> = {},
): Promise<ChannelResult> =>
  channel.run(
    makeGrant({
      account,
      host: 'h1',
      line: 'version',
      seconds: 30,
      bytes: 100_000,
      input: account === 'reader' ? 'hold' : Buffer.alloc(0),
      ...spec,
    }),
  );
const answers = async (channel: Channel): Promise<void> => {
  expect((await ask(channel)).stdout.toString()).toMatch(/^mcp-pra 1 /u);
  const runner = await ask(channel, 'runner');
  expect({ exit: runner.exit, said: runner.stdout.toString() }).toEqual({ exit: 0, said: RUNNER_VERSION });
};

/** What sshd logged while `work` was done. */
const sshdSays = async (work: () => Promise<unknown>, awaited?: string): Promise<string> => {
  const cursor = await host.run(['journalctl', '-n', '0', '--show-cursor']);
  await work();
  await host.run(['journalctl', '--sync']);
  const after = /^-- cursor: (.*)$/mu.exec(cursor.stdout)?.[1] ?? '';
  if (awaited !== undefined) {
    // sshd says it after the client has gone.
    const wait = 'until journalctl -o cat --after-cursor "$1" | grep -qF -- "$2"; do sleep 0.1; done';
    await host.run(['timeout', '20', '/bin/sh', '-c', wait, 'sh', after, awaited]);
  }
  return (await host.run(['journalctl', '-o', 'cat', '--after-cursor', after])).stdout;
};

describe('transport openssh with sshd', () => {
  test('serves both accounts with their keys, and agrees on a post-quantum key exchange where this ssh has one', async () => {
    const agreed: string[] = [];
    const debug = (detail: Readonly<Record<string, unknown>>): void => {
      if (typeof detail['kex'] === 'string') agreed.push(detail['kex']);
    };
    await answers(open({ options: { log: { debug } } }));
    const { kex } = await opensshProgram();
    // Both sides are Debian 12 or newer: OpenSSH 9.2 has sntrup761.
    expect(kex.some(isPostQuantum)).toBe(true);
    expect(agreed).toHaveLength(2);
    expect(agreed.every(isPostQuantum)).toBe(true);
  });

  test('runs eight at once on one connection, and none is lost', async () => {
    const channel = open();
    const said = await sshdSays(async () => {
      const all = await Promise.all(Array.from({ length: 24 }, () => ask(channel)));
      expect(all.map(({ exit }) => exit)).toEqual(Array.from({ length: 24 }, () => 0));
    });
    expect(said.match(/^Accepted publickey for mcp-reader/gmu)).toHaveLength(1);
  });

  test('takes RSA keys, with a SHA-2 signature of our own agent', async () => {
    expect((await ask(open({ reader: { keyPath: join(dir, 'rsa') } }))).exit).toBe(0);
  });

  test('takes a security key, which ssh2 cannot use', async () => {
    vi.stubEnv('SSH_AUTH_SOCK', join(dir, 'security-key.agent'));
    const reader = { keyPath: join(dir, 'security-key.pub'), passphrase: { agent: true } } as const;
    const channel = open({ reader });
    const said = await sshdSays(async () => expect((await ask(channel)).exit).toBe(0));
    expect(said).toMatch(/^Accepted publickey for mcp-reader .* ED25519-SK SHA256:/mu);
    expect(securityKey.touches()).toBe(1);
    // The connection stays: no further touch.
    await ask(channel);
    expect(securityKey.touches()).toBe(1);
  });

  test('goes through a jump host, whose own account cannot be used for anything else here', async () => {
    const through = open({
      jump: 'bastion',
      options: {
        jumps: {
          bastion: {
            name: 'bastion',
            address: host.address,
            port: 22,
            hostKeyAlias: 'h1',
            key: { user: 'admin', keyPath: lab.adminKey },
          },
        },
      },
    });
    const said = await sshdSays(() => answers(through));
    expect(said).toMatch(/^Accepted publickey for admin from /mu);
    // From the jump host, which is the host itself.
    expect(said).toMatch(
      new RegExp(`^Accepted publickey for pra-runner from ${host.address.replaceAll('.', '\\.')} `, 'mu'),
    );
  });

  test('stops a diagnostic that is given up', async () => {
    const stop = new AbortController();
    const channel = open();
    await ask(channel);
    const grant = makeGrant({
      account: 'reader',
      host: 'h1',
      line: 'version',
      input: 'hold',
      seconds: 30,
      bytes: 1,
    });
    await expect(channel.run(grant, { signal: stop.signal })).rejects.toMatchObject({
      code: 'OUTPUT_TOO_LARGE',
    });
    expect((await ask(channel)).exit).toBe(0);
  });
});

describe('a certificate made just in time', () => {
  test('lets both accounts in without any key of theirs, and says in the log who and what for', async () => {
    const nowhere = { keyPath: '/nowhere' };
    const said = await sshdSays(() => answers(open({ certificate: true, reader: nowhere })));
    const serials = readFileSync(record(), 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { serial: string }).serial);
    for (const account of ['mcp-reader', 'pra-runner']) {
      const line =
        said.split('\n').find((text) => text.startsWith(`Accepted publickey for ${account} `)) ?? '';
      expect(line).toContain(`ID mcp-pra:alice:${account}@h1`);
      expect(serials).toContain(/\(serial (\d+)\)/u.exec(line)?.[1]);
    }
  });

  test('opens a connection that gets nothing new after its end; a new one is made then', async () => {
    let now = Date.now();
    const channel = open({ certificate: true, options: { clock: { now: () => now } } });
    const before = existsSync(record()) ? readFileSync(record(), 'utf8').split('\n').length : 0;
    await ask(channel);
    await ask(channel);
    expect(readFileSync(record(), 'utf8').split('\n')).toHaveLength(before + 1);
    // 300 s, of which 30 lie before the moment of issue.
    now += 271_000;
    await expect(ask(channel)).rejects.toMatchObject({ code: 'CERTIFICATE_REFUSED' }); // our clock runs ahead of ssh-keygen's
    now -= 271_000;
    await ask(channel);
    expect(readFileSync(record(), 'utf8').split('\n')).toHaveLength(before + 2);
  });
});

interface Certified {
  readonly ca?: string;
  readonly user?: string;
  readonly principal?: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
}

test('the program looks, proposes and runs without any transport key on disk', async () => {
  const home = mkdtempSync(join(tmpdir(), 'mcp-pra-certified-'));
  const operator = makeOperator({
    home,
    hosts: { h1: { address: host.address, transport: 'openssh', certificate: true } },
    keys: { reader: join(home, 'none'), runner: join(home, 'none'), auto: keys.auto },
    knownHosts: lab.knownHosts,
    more: { certificates: { issuer: { ca_key: join(dir, 'ca') }, lifetime_seconds: 120 } },
  });
  try {
    const doctor = await operator.cli('doctor');
    expect(doctor.stdout).toContain('transport openssh: h1');
    expect(doctor.stdout).toMatch(/ok {4}a certificate can be issued: mcp-reader@h1, \d+ s left/u);
    expect(doctor.stdout).toContain('h1: reader channel answers');
    expect(doctor.stdout).toContain('h1: runner channel answers');
    const look = await operator.cli('look', 'uptime', '--host', 'h1');
    expect(`${look.code} ${look.stderr}`).toBe('0 ');
    const restart = ['propose', 'restart_service', '--host', 'h1', 'unit=cron.service', '--auto'];
    const ran = await operator.cli(...restart, '--reason', 'The test says so.', '--json');
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    expect(ran.stdout).toContain('SUCCEEDED');
    const issued = readFileSync(join(operator.stateDir, 'certificates.jsonl'), 'utf8');
    expect(issued).toMatch(/"account":"pra-runner","serial":"\d+"/u);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test.each([
  ['reader', 'accepted'],
  ['stranger', 'refused'],
] as const)(
  'in a rotation the key %s is %s, although a certificate would let both in',
  async (name, answer) => {
    const home = mkdtempSync(join(tmpdir(), 'mcp-pra-certified-'));
    const operator = makeOperator({
      home,
      hosts: { h1: { address: host.address, transport: 'openssh', certificate: true } },
      keys: { reader: keys[name], runner: keys.runner },
      knownHosts: lab.knownHosts,
      more: { certificates: { issuer: { ca_key: join(dir, 'ca') } } },
    });
    try {
      const looked = await operator.cli('look', 'uptime', '--host', 'h1');
      expect(looked, looked.stderr).toMatchObject({ code: 0 });
      const proof = await operator.cli('rotation', 'prove', 'reader', '--which', 'old', '--host', 'h1');
      expect(proof.stdout + proof.stderr).toContain(`h1: ${answer}`);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  },
);

/** ssh with the stranger's key and a certificate for it, made by ssh-keygen with these options. */
const certified = async (options: readonly string[], want: Certified = {}): ReturnType<typeof ssh> => {
  const { ca = 'ca', user = 'mcp-reader', args = [], command = ['version'] } = want;
  const { principal = `${user}@h1` } = want;
  const subject = join(dir, 'subject');
  copyFileSync(`${keys.stranger}.pub`, `${subject}.pub`);
  const names = principal === '' ? [] : ['-n', principal];
  const sign = ['-q', '-s', join(dir, ca), '-I', 'test', ...names, ...options, `${subject}.pub`];
  execFileSync('ssh-keygen', sign, { env: { ...process.env, TZ: 'UTC' } });
  const certificate = ['-o', `CertificateFile=${subject}-cert.pub`, ...args];
  return ssh(lab, host, { user, key: keys.stranger, args: certificate, command });
};
const GOOD = ['-V', '-1m:+5m', '-O', 'clear', '-z', '7'];

/** `SHA256:…` of the authority. */
const authority = (): string =>
  execFileSync('ssh-keygen', ['-lf', join(dir, 'ca.pub')], { encoding: 'utf8' }).split(' ')[1] ?? '';

describe('sshd', () => {
  test.each(['mcp-reader', 'pra-runner'])(
    'takes a right certificate for %s, for this host or for all',
    async (user) => {
      expect((await certified(GOOD, { user })).code).toBe(0);
      expect((await certified(GOOD, { user, principal: user })).code).toBe(0);
    },
  );

  test.each([
    ['that has expired', ['-V', '-10m:-5m'], {}, 'Certificate invalid: expired'],
    ['that is not valid yet', ['-V', '+5m:+10m'], {}, 'Certificate invalid: not yet valid'],
    [
      'for the other account',
      GOOD,
      { principal: 'pra-runner@h1' },
      'Certificate does not contain an authorized principal',
    ],
    [
      'for another host',
      GOOD,
      { principal: 'mcp-reader@h2' },
      'Certificate does not contain an authorized principal',
    ],
    ['without a principal', GOOD, { principal: '' }, 'Certificate does not contain an authorized principal'],
    // ssh itself does not offer that one.
    ['of a host', ['-h', ...GOOD], {}, undefined],
    [
      'for another address',
      [...GOOD, '-O', 'source-address=192.0.2.9'],
      {},
      'not from a permitted source address',
    ],
    [
      'that brings a command of its own',
      [...GOOD, '-O', 'force-command=/bin/sh'],
      {},
      'forced command options do not match',
    ],
    ['of another authority', GOOD, { ca: 'other-ca' }, undefined],
  ])('refuses a certificate %s', async (_, options, want, reason) => {
    let code = 0;
    // sshd names no reason for an authority that it does not know: the key is one among many that do not fit.
    const expected = reason ?? 'Connection closed by authenticating user mcp-reader';
    const said = await sshdSays(async () => {
      ({ code } = await certified(options, want));
    }, expected);
    expect(code).toBe(255);
    expect(said).not.toContain('Accepted publickey');
    expect(said).toContain(expected);
  });

  test('refuses one whose serial was revoked, and no other', async () => {
    expect((await certified([...GOOD, '-z', '4711'])).code).toBe(0);
    const revoke = ['/usr/local/lib/mcp-pra/revoke-keys', '--serial', '4711', '--ca', authority()];
    const revoked = await host.run(revoke);
    expect(`${revoked.code} ${revoked.stderr}`).toBe('0 ');
    const said = await sshdSays(async () => {
      expect((await certified([...GOOD, '-z', '4711'])).code).toBe(255);
    });
    expect(said).toMatch(/revoked by file \/etc\/mcp-pra\/revoked_keys/u);
    expect((await certified([...GOOD, '-z', '4712'])).code).toBe(0);
  });

  test('gives a certificate with every extension no terminal, no forwarding and no other command', async () => {
    const all = ['-V', '-1m:+5m']; // ssh-keygen adds every permit-… by itself
    const port = ['-N', '-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:22'];
    expect((await certified(all, { args: port, command: [] })).code).toBe(255);
    const terminal = await certified(all, { args: ['-tt'] });
    expect(terminal.stderr).toContain('PTY allocation request failed');
    const shell = await certified(all, { command: ['/bin/sh', '-c', 'id'] });
    expect(shell.stdout).not.toContain('uid=');
    expect(shell.code).not.toBe(0);
    const subsystem = await certified(all, { args: ['-s'], command: ['sftp'] });
    expect(subsystem.code).not.toBe(0);
    expect(subsystem.stdout).toBe('');
  });

  test('does not take the authority for the admin of the host', async () => {
    for (const principal of ['admin', 'root', 'mcp-reader@h1']) {
      expect((await certified(GOOD, { user: 'admin', principal })).code).toBe(255);
    }
  });

  test('refuses every certificate of a revoked authority; the break-glass key still works', async () => {
    const revoke = ['/usr/local/lib/mcp-pra/revoke-keys', '--key', authority()];
    const revoked = await host.run(revoke);
    expect(`${revoked.code} ${revoked.stderr}`).toBe('0 ');
    expect((await certified(GOOD)).code).toBe(255);
    expect((await certified([...GOOD, '-z', '4713'], { user: 'pra-runner' })).code).toBe(255);
    await expect(ask(open({ certificate: true }))).rejects.toMatchObject({ code: 'AUTH_REFUSED' });
    const { code, stdout } = await ssh(lab, host, {
      user: 'pra-runner',
      key: breakGlass,
      command: ['version'],
    });
    expect({ code, said: stdout }).toEqual({ code: 0, said: RUNNER_VERSION });
  });
});
