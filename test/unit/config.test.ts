import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  configJsonSchema,
  loadConfig,
  problemsOf,
  requireKnownNames,
  type Config,
} from '../../src/config.ts';
import { nearest } from '../../src/nearest.ts';
import { configDir, configPath, stateDir } from '../../src/config/paths.ts';
import { problemLine } from '../../src/config/problem.ts';

const GOOD = `version: 1
hosts:
  web1: {address: 192.0.2.10, tags: [web], jump: door}
  web2: {address: web2.example.net, port: 2222}
jumps:
  door: {address: 192.0.2.1, user: hop, key: keys/hop}
groups:
  web: [web1, web2]
keys:
  reader: keys/reader
  runner: {path: ~/keys/runner, user: pra, passphrase: {env: RUNNER_PASS}}
approver: {principal: alice, key: keys/approver}
`;

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-config-'));
  path = join(dir, 'mcp-pra.yaml');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const context = { platform: 'linux' as const, env: { XDG_STATE_HOME: '/state' }, home: '/home/alice' };

const load = (text: string): Config => {
  writeFileSync(path, text, { mode: 0o600 });
  return loadConfig(path, context);
};

/** The problems behind a CONFIG_INVALID, one line each. */
const problemsThrownBy = (work: () => unknown): string[] => {
  try {
    work();
  } catch (error) {
    return problemsOf(error).map(problemLine);
  }
  return ['the file was accepted'];
};

const problemsIn = (text: string): string[] => problemsThrownBy(() => load(text));

test.each([1, 60, 300])('an approval may be given %d s to be executed', (seconds) => {
  const config = load(`${GOOD}approvals: {execute_seconds: ${String(seconds)}}\n`);
  expect(config.approvals.executeSeconds).toBe(seconds);
});

test.each(['0', '301', '-1', '1.5', '"60"'])('an approval is not given %s s: downwards only', (seconds) => {
  const [problem, ...more] = problemsIn(`${GOOD}approvals: {execute_seconds: ${seconds}}\n`);
  expect(problem).toContain('approvals.execute_seconds');
  expect(more).toEqual([]);
});

describe('a good file', () => {
  test('has every default filled in and every path absolute', () => {
    const config = load(GOOD);
    expect(config.hosts).toEqual([
      {
        name: 'web1',
        address: '192.0.2.10',
        port: 22,
        tags: ['web'],
        jump: 'door',
        transport: 'ssh2',
        certificate: false,
        groups: ['web'],
      },
      {
        name: 'web2',
        address: 'web2.example.net',
        port: 2222,
        tags: [],
        jump: undefined,
        transport: 'ssh2',
        certificate: false,
        groups: ['web'],
      },
    ]);
    expect(config.keys.reader).toEqual({
      path: join(dir, 'keys/reader'),
      user: 'mcp-reader',
      passphrase: undefined,
    });
    expect(config.keys.runner).toEqual({
      path: '/home/alice/keys/runner',
      user: 'pra',
      passphrase: { env: 'RUNNER_PASS' },
    });
    expect(config.jumps[0]).toMatchObject({ name: 'door', user: 'hop', path: join(dir, 'keys/hop') });
    expect(config.knownHosts).toBe(join(dir, 'known_hosts'));
    expect(config.principal).toBe('alice');
    expect(config.limits).toEqual({ callsPerMinute: 60, hostsPerCall: 20, resultTokens: 2_000 });
    expect(config.approvals).toEqual({ executeSeconds: 300 });
    expect(config.policy).toEqual({ autoApprove: true, denyActions: [], raise: {}, rules: [] });
    expect(config.stateDir).toBe('/state/mcp-pra');
  });
});

test.each([
  [499, false],
  [500, true],
  [8_000, true],
  [8_001, false],
])('a result may have %i tokens: %s', (tokens, isAccepted) => {
  const problems = problemsIn(`${GOOD}limits: {result_tokens: ${String(tokens)}}\n`);
  expect(problems[0] === 'the file was accepted').toBe(isAccepted);
});

test('certificates have an issuer, and a record beside the database', () => {
  const local = load(
    `${GOOD}certificates: {issuer: {ca_key: keys/ca, passphrase: {env: CA}}, lifetime_seconds: 900}\n`,
  );
  expect(local.certificates).toEqual({
    issuer: { kind: 'ca', keyPath: join(dir, 'keys/ca'), passphrase: { env: 'CA' } },
    lifetimeSeconds: 900,
    sourceAddress: [],
    record: '/state/mcp-pra/certificates.jsonl',
  });
  const outside = load(
    `${GOOD}certificates: {issuer: {command: [/usr/bin/x, "-n={principal}"], environment: [TOKEN]}, source_address: [192.0.2.0/24]}\n`,
  );
  expect(outside.certificates).toMatchObject({
    issuer: { kind: 'command', argv: ['/usr/bin/x', '-n={principal}'], environment: ['TOKEN'] },
    lifetimeSeconds: 600,
    sourceAddress: ['192.0.2.0/24'],
  });
});

describe('a file with errors', () => {
  test('says all of them at once, each with its place and a fix', () => {
    const lines = problemsIn(`version: 2
hosts:
  Web1: {address: 192.0.2.10}
  web2: {adress: 192.0.2.11, port: 99999}
groups:
  web: [web3]
keys:
  reader: {pat: keys/reader}
polcy: {}
`);
    expect(lines).toEqual([
      "mcp-pra.yaml:1:10: version: it must be 1. Fix: correct 'version'.",
      "mcp-pra.yaml:3:3: hosts: 'Web1' is not a name that is allowed here. Fix: use small letters, digits, . and -, at most 63 characters.",
      "mcp-pra.yaml:4:3: hosts.web2.address: it is missing. Fix: add 'address'.",
      "mcp-pra.yaml:4:10: hosts.web2: 'adress' is not a key here. Fix: write 'address'.",
      "mcp-pra.yaml:4:36: hosts.web2.port: it must be at most 65535. Fix: correct 'port'.",
      "mcp-pra.yaml:6:9: groups.web.0: 'web3' is not in hosts. Fix: write 'Web1'.",
      "mcp-pra.yaml:7:1: keys.runner: it is missing. Fix: add 'runner'.",
      "mcp-pra.yaml:8:3: keys.reader.path: it is missing. Fix: add 'path'.",
      "mcp-pra.yaml:8:12: keys.reader: 'pat' is not a key here. Fix: write 'path'.",
      "mcp-pra.yaml:9:1: 'polcy' is not a key here. Fix: write 'policy'.",
    ]);
  });

  test.each([
    ['an alias', `${GOOD}promote: &p [uptime]\ncatalog: *p\n`, 'YAML aliases are not used here'],
    ['a key that is there twice', `${GOOD}version: 1\n`, 'this key is there twice'],
    ['a tag', `${GOOD}promote: !x [uptime]\n`, 'YAML tags are not used here'],
    ['a second document', `${GOOD}---\nversion: 1\n`, 'more than one YAML document'],
    ['broken YAML', `${GOOD}promote: [a\n`, 'Fix: correct the YAML at this place'],
    ['no content', '', 'it must be a group of keys'],
    ['a misspelt restriction', `${GOOD}policy: {deny_action: [restart_service]}\n`, "write 'deny_actions'"],
    [
      'a restriction that is not a boolean',
      `${GOOD}policy: {auto_approve: no}\n`,
      'it must be true or false',
    ],
    [
      'two passphrase sources',
      GOOD.replace('{env: RUNNER_PASS}', '{env: A, fd: 3}'),
      'exactly one source is needed',
    ],
    [
      'a credential with a path in it',
      GOOD.replace('{env: RUNNER_PASS}', '{credential: ../runner}'),
      'must be the name of a credential',
    ],
    [
      'a credential beside another source',
      GOOD.replace('{env: RUNNER_PASS}', '{credential: runner, agent: true}'),
      'exactly one source is needed',
    ],
    ['no passphrase source', GOOD.replace('{env: RUNNER_PASS}', '{}'), 'exactly one source is needed'],
    ['agent: false', GOOD.replace('{env: RUNNER_PASS}', '{agent: false}'), 'it must be true'],
    ['an unknown jump', GOOD.replace('jump: door', 'jump: dor'), "Fix: write 'door'"],
    ['a group named like a host', GOOD.replace('web: [', 'web1: ['), "'web1' is a host already"],
    [
      'the approver key as a transport key',
      GOOD.replace('keys/approver', 'keys/reader'),
      'cannot serve as reader too',
    ],
    [
      'an address with a port',
      GOOD.replace('192.0.2.10', 'web1:22/x'),
      'must be an IP address or a DNS name',
    ],
    ["somebody else's home", GOOD.replace('~/keys/runner', '~bob/keys'), 'this path is not understood'],
    ['a log that is not absolute', `${GOOD}names: {logs: {app: var/log}}\n`, 'must be an absolute path'],
    ['a log with ..', `${GOOD}names: {logs: {app: /var/../etc}}\n`, 'must be an absolute path'],
    [
      'a port out of range in a URL',
      `${GOOD}names: {endpoints: {web: "https://web:70000/x"}}\n`,
      'a port is at most 65535',
    ],
    [
      'a URL with a user',
      `${GOOD}names: {endpoints: {web: "https://me:secret@web/"}}\n`,
      'must be host:port, or an http or https URL',
    ],
    ['a port out of range', `${GOOD}names: {endpoints: {db: "db:70000"}}\n`, 'a port is at most 65535'],
    [
      'certificates without an issuer of theirs',
      `${GOOD}certificates: {issuer: {}}\n`,
      "write one of 'ca_key' and 'command'",
    ],
    [
      'two issuers',
      `${GOOD}certificates: {issuer: {ca_key: ca, command: [/bin/x]}}\n`,
      "write one of 'ca_key' and 'command'",
    ],
    [
      'an issuer that is looked for',
      `${GOOD}certificates: {issuer: {command: [issue]}}\n`,
      'a program is named by its whole path',
    ],
    [
      'a lifetime of more than 15 minutes',
      `${GOOD}certificates: {issuer: {ca_key: ca}, lifetime_seconds: 901}\n`,
      'it must be at most 900',
    ],
    [
      'a lifetime of less than a minute',
      `${GOOD}certificates: {issuer: {ca_key: ca}, lifetime_seconds: 59}\n`,
      'it must be at least 60',
    ],
    [
      'the key of the approver as a CA',
      `${GOOD}certificates: {issuer: {ca_key: keys/approver}}\n`,
      'cannot serve as ca too',
    ],
    [
      'certificates on ssh2',
      GOOD.replace('tags: [web]', 'certificate: true'),
      "add 'transport: openssh' to this host",
    ],
    [
      'certificates that nobody issues',
      GOOD.replace('tags: [web]', 'certificate: true, transport: openssh'),
      'nobody issues certificates',
    ],
    ['checking switched off', GOOD.replace('tags: [web]', 'strict: false'), "'strict' is not a key here"],
  ])('%s is refused', (_, text, expected) => {
    expect(problemsIn(text).join('\n')).toContain(expected);
  });

  test('an alias bomb is refused before it grows', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefghij'
        .split('')
        .map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(',')}]`),
    ];
    expect(problemsIn(bomb.join('\n'))[0]).toContain('YAML aliases are not used here');
  });

  test('the error itself names the first problem and nothing that cannot be shown', () => {
    writeFileSync(path, `${GOOD}"\u202e<b>": 1\n`, { mode: 0o600 });
    expect(() => loadConfig(path, context)).toThrow(/1 error\(s\); first: \(not shown\)/u);
  });

  test('a missing file says how to make one', () => {
    expect(() => loadConfig(join(dir, 'none.yaml'), context)).toThrow(/There is no configuration at/u);
  });
});

describe('who may write the file', () => {
  test.each([0o620, 0o602])('mode %o is refused', (mode) => {
    load(GOOD);
    chmodSync(path, mode);
    expect(() => loadConfig(path, context)).toThrow(/others can change this file/u);
  });

  test('a directory in which others can replace it is refused', () => {
    load(GOOD);
    chmodSync(dir, 0o777);
    expect(() => loadConfig(path, context)).toThrow(/others can replace files in this directory/u);
  });

  test('others may read it', () => {
    load(GOOD);
    chmodSync(path, 0o644);
    expect(loadConfig(path, context).hosts).toHaveLength(2);
  });
});

describe('names of the catalog', () => {
  const catalog = {
    actions: new Map([['restart_service', 1]]),
    diagnostics: new Map([
      ['uptime', { tier: 1 }],
      ['recorded', { tier: 3 }],
    ]),
  };

  test('a misspelt restriction does not leave the action allowed', () => {
    const config = load(
      `${GOOD}policy: {deny_actions: [restart_servce], raise: {vacuum: HIGH}}\npromote: [uptim]\n`,
    );
    const problems = problemsThrownBy(() => requireKnownNames(config, catalog));
    expect(problems).toEqual([
      "mcp-pra.yaml:13:25: policy.deny_actions.0: the catalog has no action 'restart_servce'. Fix: write 'restart_service'.",
      "mcp-pra.yaml:13:58: policy.raise.vacuum: the catalog has no action 'vacuum'. Fix: write 'restart_service'.",
      "mcp-pra.yaml:14:11: promote.0: the catalog has no diagnostic 'uptim'. Fix: write 'uptime'.",
    ]);
  });

  test('known ones pass', () => {
    expect(() => requireKnownNames(load(`${GOOD}promote: [uptime]\n`), catalog)).not.toThrow();
    expect(() => requireKnownNames(load(`${GOOD}demote: [uptime, recorded]\n`), catalog)).not.toThrow();
  });

  test('tools are given to what exists and was tried on an instance; none is given and taken at once', () => {
    const problems = (yaml: string): readonly string[] =>
      problemsThrownBy(() => requireKnownNames(load(`${GOOD}${yaml}`), catalog));
    expect(problems('demote: [uptim]\n')).toEqual([
      "mcp-pra.yaml:13:10: demote.0: the catalog has no diagnostic 'uptim'. Fix: write 'uptime'.",
    ]);
    expect(problems('promote: [recorded]\n')).toEqual([
      "mcp-pra.yaml:13:11: promote.0: 'recorded' was tried on recordings only (tier 3) and is no tool of its own. Fix: take it out; run_diagnostic reaches it.",
    ]);
    expect(problemsThrownBy(() => load(`${GOOD}promote: [uptime]\ndemote: [uptime]\n`))).toEqual([
      "mcp-pra.yaml:14:10: demote.0: 'uptime' is in promote too. Fix: take it out of one of them.",
    ]);
  });
});

describe('where the files are', () => {
  const home = '/home/alice';
  test('Linux follows XDG and ignores a relative value', () => {
    expect(configDir({ platform: 'linux', env: {}, home })).toBe('/home/alice/.config/mcp-pra');
    expect(configDir({ platform: 'linux', env: { XDG_CONFIG_HOME: '/c' }, home })).toBe('/c/mcp-pra');
    expect(configDir({ platform: 'linux', env: { XDG_CONFIG_HOME: 'c' }, home })).toBe(
      '/home/alice/.config/mcp-pra',
    );
    expect(stateDir({ platform: 'linux', env: {}, home })).toBe('/home/alice/.local/state/mcp-pra');
  });

  test('macOS and Windows have their own', () => {
    expect(configDir({ platform: 'darwin', env: {}, home })).toBe(
      '/home/alice/Library/Application Support/mcp-pra',
    );
    expect(stateDir({ platform: 'win32', env: { LOCALAPPDATA: '/l' }, home })).toBe('/l/mcp-pra');
    expect(configDir({ platform: 'win32', env: { APPDATA: '/r' }, home })).toBe('/r/mcp-pra');
  });

  test('--config wins over MCP_PRA_CONFIG, which wins over the default', () => {
    const env = { MCP_PRA_CONFIG: '/env.yaml' };
    expect(configPath({ platform: 'linux', env, home }, '/flag.yaml')).toBe('/flag.yaml');
    expect(configPath({ platform: 'linux', env, home })).toBe('/env.yaml');
    expect(configPath({ platform: 'linux', env: {}, home })).toBe('/home/alice/.config/mcp-pra/mcp-pra.yaml');
  });
});

test('the published schema is strict at every level', () => {
  const open: string[] = [];
  const walk = (node: unknown, at: string): void => {
    if (typeof node !== 'object' || node === null) return;
    const schema = node as { properties?: unknown; additionalProperties?: unknown };
    if (schema.properties !== undefined && schema.additionalProperties !== false) open.push(at);
    for (const [key, child] of Object.entries(node)) walk(child, `${at}/${key}`);
  };
  walk(configJsonSchema, '');
  expect(open).toEqual([]);
  expect(configJsonSchema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
});

test.each([
  ['adress', 'address'],
  ['deny-actions', 'deny_actions'],
  ['prot', 'port'],
  ['zzz', undefined],
])('%s most likely means %s', (typed, meant) => {
  expect(nearest(typed, ['address', 'deny_actions', 'port', 'tags'])).toBe(meant);
});
