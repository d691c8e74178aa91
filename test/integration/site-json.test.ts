import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKey } from '../support/ssh-keys.ts';

// What setup-target is told: every limit on both sides, and every refusal names its place and its rule.

const JUDGE = resolve(import.meta.dirname, '../support/judge-site.py');
const dir = mkdtempSync(join(tmpdir(), 'mcp-pra-site-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let one: string;
let two: string;
let three: string;
beforeAll(() => {
  const made = (name: string): string =>
    readFileSync(`${makeKey(dir, name).path}.pub`, 'utf8')
      .split(' ')
      .slice(0, 2)
      .join(' ')
      .trim();
  [one, two, three] = [made('one'), made('two'), made('three')];
});

type Json = Record<string, unknown>;
const bare = (): Json => ({
  v: 1,
  host: 'web1',
  keys: { reader: [{ key: one }], runner: [{ key: two }] },
  allowed_signers: [],
});

const judgeText = (input: string): string => {
  const { stdout, stderr } = spawnSync('python3', ['-IB', JUDGE], { input, encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.trim();
};
const judge = (change: Json): string => judgeText(JSON.stringify({ ...bare(), ...change }));
const accepted = (change: Json): Json => {
  const said = judge(change);
  expect(said).not.toMatch(/^refused/u);
  return JSON.parse(said) as Json;
};
const readers = (member: Json): Json => ({
  keys: { reader: [{ key: one, ...member }], runner: [{ key: two }] },
});
const breakGlass = (member: Json): Json => ({
  keys: { reader: [{ key: one }], runner: [{ key: two }], break_glass: [{ key: three, ...member }] },
});

test('what may be left out has its default', () => {
  expect(accepted({})).toMatchObject({
    host: 'web1',
    keys: { break_glass: [] },
    certificates: { ca_keys: [], sources: [] },
    auto_keys: [],
    policy: {},
    names: [],
    sshd: { max_sessions: 10, hardened_algorithms: false, port: null },
    sudo: { pin_digest: false },
    limits: {
      reader: { tasks: 256, memory: '512M', cpu: '100%' },
      runner: { tasks: 256, memory: '1G', cpu: '200%' },
    },
    logs: { remote: null, append_only: true },
    fail2ban: { enabled: true, ignore: [] },
    nftables: { ssh_from: [] },
  });
});

test('a key keeps its comment, its end in UTC and its addresses', () => {
  const { keys } = accepted(
    readers({
      key: `${one} mcp-pra reader`,
      expires: '2027-02-20T00:00:00Z',
      from: ['192.0.2.0/24', '!192.0.2.9'],
    }),
  ) as { keys: { reader: Json[] } };
  const [type, base64] = one.split(' ');
  expect(keys.reader[0]).toEqual({
    key: { type, base64, comment: 'mcp-pra reader' },
    expires: '2027-02-20T00:00:00+00:00',
    sources: ['192.0.2.0/24', '!192.0.2.9'],
  });
});

test.each<[what: string, text: () => string, says: string]>([
  ['no JSON', () => '{', 'the site file is not JSON'],
  ['a list', () => '[]', 'the site file must be an object'],
  ['a key twice', () => '{"v":1,"v":1}', 'the key "v" is there twice'],
  ['a number that is none', () => '{"v":NaN}', 'NaN is no number'],
  ['more than 1 MiB', () => ' '.repeat(1_048_577), 'larger than 1048576 bytes'],
  ['no host', () => JSON.stringify({ ...bare(), host: undefined }), 'lacks host'],
])('a file that is %s is refused', (_, text, says) => {
  expect(judgeText(text())).toContain(says);
});

test('a file of just 1 MiB is read', () => {
  const text = JSON.stringify(bare());
  expect(judgeText(text + ' '.repeat(1_048_576 - text.length))).not.toContain('refused');
});

// What is accepted, beside what is one step further.
describe.each<[what: string, good: () => Json, bad: () => Json, says: string]>([
  ['the version', () => ({ v: 1 }), () => ({ v: true }), 'v must be 1'],
  ['members', () => ({ sudo: {} }), () => ({ sduo: {} }), 'does not know "sduo"; it knows v, host, keys'],
  [
    'members of sections',
    () => ({ sshd: { max_sessions: 10 } }),
    () => ({ sshd: { max_session: 10 } }),
    'sshd does not know "max_session"',
  ],
  [
    'the length of the host name',
    () => ({ host: 'a'.repeat(63) }),
    () => ({ host: 'a'.repeat(64) }),
    'host (mcp_pra_host) must be',
  ],
  ['a line break in the host name', () => ({ host: 'web1' }), () => ({ host: 'web1\n' }), 'mcp_pra_host'],
  ['capitals in the host name', () => ({ host: 'web-1.example' }), () => ({ host: 'Web1' }), 'mcp_pra_host'],
  [
    'options of a key',
    () => readers({ key: one }),
    () => readers({ key: `permit-pty ${one}` }),
    'keys.reader[0] (mcp_pra_reader_keys) must be a public key without options',
  ],
  [
    'lines of a key',
    () => readers({ key: `${one} a` }),
    () => readers({ key: `${one}\n${two}` }),
    'without options, on one line',
  ],
  [
    'the comment of a key',
    () => readers({ key: `${one} ${'c'.repeat(128)}` }),
    () => readers({ key: `${one} ${'c'.repeat(129)}` }),
    'without options',
  ],
  [
    'a quote in the comment',
    () => readers({ key: `${one} a@b` }),
    () => readers({ key: `${one} "a"` }),
    'without options',
  ],
  [
    'a lost character',
    () => readers({ key: one }),
    () => readers({ key: one.slice(0, -4) }),
    'is not a whole public key of the type ssh-ed25519',
  ],
  [
    'another type than the key says',
    () => readers({ key: one }),
    () => readers({ key: one.replace('ssh-ed25519 ', 'ssh-rsa ') }),
    'is not a whole public key of the type ssh-rsa',
  ],
  [
    'the number of keys',
    () => ({ keys: { reader: [], runner: [{ key: two }] } }),
    () => ({ keys: { reader: Array.from({ length: 65 }, () => ({ key: one })), runner: [] } }),
    'has more than 64 elements',
  ],
  [
    'one key for both channels',
    () => ({}),
    () => ({ keys: { reader: [{ key: `${one} a` }], runner: [{ key: `${one} b` }] } }),
    'no key is in both, or twice',
  ],
  [
    'one key twice',
    () => ({}),
    () => ({ keys: { reader: [{ key: one }, { key: one }], runner: [] } }),
    'is in keys.reader twice',
  ],
  [
    'an automatic key that also logs in',
    () => ({ auto_keys: [three] }),
    () => ({ auto_keys: [two] }),
    'is in keys.runner and auto_keys',
  ],
  [
    'an authority that also logs in',
    () => ({ certificates: { ca_keys: [three] } }),
    () => ({ certificates: { ca_keys: [one] } }),
    'is in keys.reader and certificates.ca_keys',
  ],
  [
    'a line for the automatic key beside auto_keys',
    () => ({ auto_keys: [three], allowed_signers: [`alice namespaces="mcp-pra-low" ${one}`] }),
    () => ({ auto_keys: [three], allowed_signers: [`auto namespaces="mcp-pra-auto" ${one}`] }),
    'take that line out',
  ],
  [
    'the day of an end',
    () => readers({ expires: '2028-02-29T00:00:00Z' }),
    () => readers({ expires: '2027-02-29T00:00:00Z' }),
    'keys.reader[0].expires (mcp_pra_reader_keys) must be a time in UTC',
  ],
  [
    'the zone of an end',
    () => readers({ expires: null }),
    () => readers({ expires: '2027-02-20T00:00:00+01:00' }),
    'must be a time in UTC',
  ],
  [
    'an address that goes on',
    () => readers({ from: ['2001:db8::1', '*.example.net'] }),
    () => readers({ from: ['192.0.2.1",permit-pty,from="*'] }),
    'keys.reader[0].from[0] (mcp_pra_reader_keys) must be an address, a network or a host pattern',
  ],
  [
    'a prefix that is too long',
    () => readers({ from: ['192.0.2.0/32'] }),
    () => readers({ from: ['192.0.2.0/33'] }),
    'bits after the prefix are zero',
  ],
  [
    'bits after the prefix',
    () => readers({ from: ['192.0.2.0/24'] }),
    () => readers({ from: ['192.0.2.1/24'] }),
    'bits after the prefix are zero',
  ],
  [
    'only where not from',
    () => readers({ from: ['192.0.2.0/24', '!192.0.2.1'] }),
    () => readers({ from: ['!192.0.2.1'] }),
    'add the addresses that may',
  ],
  [
    'a break-glass key from anywhere',
    () => breakGlass({ from: ['192.0.2.9'] }),
    () => breakGlass({ from: [] }),
    'keys.break_glass[0].from (mcp_pra_break_glass_keys) must name the bastion',
  ],
  [
    'a break-glass key from everywhere, in other words',
    () => breakGlass({ from: ['192.0.2.0/25'] }),
    () => breakGlass({ from: ['192.0.2.9', '0.0.0.0/0'] }),
    'must name the bastion',
  ],
  [
    'a comment among the signers',
    () => ({ allowed_signers: ['alice'] }),
    () => ({ allowed_signers: ['# alice'] }),
    'must be one line of allowed_signers',
  ],
  [
    'two lines as one signer',
    () => ({ allowed_signers: ['a b'] }),
    () => ({ allowed_signers: ['a\nb'] }),
    'must be one line of allowed_signers',
  ],
  [
    'the policy of another host',
    () => ({ policy: { quorum: { HIGH: 2 } } }),
    () => ({ policy: { host: 'x' } }),
    'policy.host (mcp_pra_policy) is set',
  ],
  [
    'kinds of names',
    () => ({ names: { log: {} } }),
    () => ({ names: { logs: {} } }),
    'names (mcp_pra_names) maps a kind',
  ],
  [
    'a name with a path in it',
    () => ({ names: { log: { 'a-b_1': '/x' } } }),
    () => ({ names: { log: { '../x': '/x' } } }),
    'has a name that is none',
  ],
  [
    'the length of a name',
    () => ({ names: { log: { ['n'.repeat(32)]: '/x' } } }),
    () => ({ names: { log: { ['n'.repeat(33)]: '/x' } } }),
    'at most 32',
  ],
  [
    'a place that is an option',
    () => ({ names: { log: { x: '/follow' } } }),
    () => ({ names: { log: { x: '--follow' } } }),
    'does not begin with a hyphen',
  ],
  [
    'the length of a place',
    () => ({ names: { log: { x: 'p'.repeat(1024) } } }),
    () => ({ names: { log: { x: 'p'.repeat(1025) } } }),
    'at most 1024',
  ],
  [
    'the fewest channels',
    () => ({ sshd: { max_sessions: 1 } }),
    () => ({ sshd: { max_sessions: 0 } }),
    'sshd.max_sessions (mcp_pra_max_sessions) must be a whole number from 1 to 100',
  ],
  [
    'the most channels',
    () => ({ sshd: { max_sessions: 100 } }),
    () => ({ sshd: { max_sessions: 101 } }),
    'from 1 to 100',
  ],
  [
    'a port',
    () => ({ sshd: { port: 65535 } }),
    () => ({ sshd: { port: 65536 } }),
    'sshd.port (mcp_pra_sshd_port)',
  ],
  [
    'words for yes',
    () => ({ sudo: { pin_digest: true } }),
    () => ({ sudo: { pin_digest: 'yes' } }),
    'sudo.pin_digest (mcp_pra_sudo_pin_digest) must be true or false',
  ],
  [
    'the fewest tasks',
    () => ({ limits: { reader: { tasks: 16 } } }),
    () => ({ limits: { reader: { tasks: 15 } } }),
    'limits.reader.tasks (mcp_pra_limits)',
  ],
  [
    'the most tasks',
    () => ({ limits: { runner: { tasks: 65536 } } }),
    () => ({ limits: { runner: { tasks: 65537 } } }),
    'from 16 to 65536',
  ],
  [
    'the least memory',
    () => ({ limits: { reader: { memory: '64M' } } }),
    () => ({ limits: { reader: { memory: '63M' } } }),
    'at least 64M',
  ],
  [
    'the least of a processor',
    () => ({ limits: { reader: { cpu: '10%' } } }),
    () => ({ limits: { reader: { cpu: '9%' } } }),
    'must be a share',
  ],
  [
    'where logs go',
    () => ({ logs: { remote: { host: 'logs.example.net', ca: '/etc/ssl/certs/ca.pem' } } }),
    () => ({ logs: { remote: { host: 'logs.example.net', ca: 'ca.pem' } } }),
    'logs.remote.ca (mcp_pra_logs) must be the absolute path',
  ],
  [
    'whom fail2ban passes over',
    () => ({ fail2ban: { ignore: ['192.0.2.1', '2001:db8::/32'] } }),
    () => ({ fail2ban: { ignore: ['bastion'] } }),
    'fail2ban.ignore[0] (mcp_pra_fail2ban) must be an address, or a network',
  ],
  [
    'who reaches sshd',
    () => ({ sshd: { port: 2222 }, nftables: { ssh_from: ['192.0.2.0/24'] } }),
    () => ({ sshd: { port: 2222 }, nftables: { ssh_from: ['*'] } }),
    'nftables.ssh_from[0] (mcp_pra_nftables)',
  ],
  [
    'a link-local address: without its zone, which could hold any text',
    () => ({ sshd: { port: 2222 }, nftables: { ssh_from: ['fe80::1'] } }),
    () => ({ sshd: { port: 2222 }, nftables: { ssh_from: ['fe80::1%x } accept'] } }),
    'nftables.ssh_from[0] (mcp_pra_nftables)',
  ],
  [
    'a packet filter for a port of their own',
    () => ({ sshd: { port: 22 }, nftables: { ssh_from: ['192.0.2.9'] } }),
    () => ({ nftables: { ssh_from: ['192.0.2.9'] } }),
    'nftables.ssh_from (mcp_pra_nftables) needs a port of their own',
  ],
])('%s', (_, good, bad, says) => {
  test('is accepted within its rule', () => {
    expect(judge(good())).not.toContain('refused');
  });
  test('is refused one step further, in one sentence', () => {
    const said = judge(bad());
    expect(said).toMatch(/^refused /u);
    expect(said).toContain(says);
    expect(said.split('\n')).toHaveLength(1);
  });
});

test('64 keys are accepted', () => {
  const keys = Array.from({ length: 64 }, (_, at) => ({
    key: `ssh-ed25519 ${blobOf(at)}`,
  }));
  expect(judge({ keys: { reader: keys, runner: [] } })).not.toContain('refused');
});

/** base64 of an ed25519 key's blob: any 32 bytes are one. */
const blobOf = (at: number): string => {
  const type = Buffer.from('ssh-ed25519');
  const length = (count: number): Buffer => Buffer.from([0, 0, 0, count]);
  return Buffer.concat([length(type.length), type, length(32), Buffer.alloc(32, at)]).toString('base64');
};
