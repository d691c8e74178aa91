import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { fingerprint } from '../../src/request/sshsig.ts';
import { startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { makeOperator, PROGRAM, type Operator } from '../support/operator.ts';
import { makeKey } from '../support/ssh-keys.ts';

// This machine's side of a rotation, step by step, as rotate-keys.yml calls it.

// A dozen programs, one after the other, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

let target: EmbeddedTarget;
let operator: Operator;
let key: string;

const line = (path: string): string => readFileSync(`${path}.pub`, 'utf8').trim();
const name = (path: string): string => fingerprint(Buffer.from(line(path).split(' ')[1] ?? '', 'base64'));
const listed = (): readonly unknown[] =>
  (
    parse(readFileSync(join(dirname(operator.config), 'transport-keys.yml'), 'utf8')) as {
      mcp_pra_reader_keys: readonly (string | { key: string })[];
    }
  ).mcp_pra_reader_keys.map((element) => (typeof element === 'string' ? element : element.key));

const rotation = async (...argv: string[]) => {
  const { code, stdout, stderr } = await operator.cli('rotation', ...argv, '--json');
  return { code, said: JSON.parse(stdout === '' ? '{}' : stdout) as Record<string, unknown>, stderr };
};
const begin = () => rotation('begin', 'reader', '--host', target.name);
const prove = (which: string, ...more: string[]) => rotation('prove', 'reader', '--which', which, ...more);
const accept = (...paths: readonly string[]): void =>
  writeFileSync(target.authorizedKeys.reader, paths.map((path) => `${line(path)}\n`).join(''));

interface Over {
  readonly passphrase?: { env: string } | { agent: true };
  /** The server logs in with a certificate. */
  readonly certificate?: boolean;
}

const start = ({ passphrase, certificate = false }: Over = {}): void => {
  const reader = passphrase === undefined ? target.readerKey : { path: target.readerKey, passphrase };
  const address = { address: target.address, port: target.port };
  operator = makeOperator({
    home: join(target.operatorDir, 'home'),
    hosts: {
      [target.name]: certificate ? { ...address, transport: 'openssh', certificate } : address,
    },
    keys: { reader: reader as string, runner: target.runnerKey, auto: target.autoKey.path },
    approver: { principal: target.approver.principal, key: target.approver.path },
    knownHosts: target.knownHostsPath,
    // This target knows no authority: it lets in nobody for a certificate.
    more: certificate ? { certificates: { issuer: { ca_key: makeKey(target.operatorDir, 'ca').path } } } : {},
  });
  const other =
    'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHXZjk4eU9v7FQ1o5DkPLlEy3PJmcGlj4nFTbLqZyQ0b other machine';
  writeFileSync(
    join(dirname(operator.config), 'transport-keys.yml'),
    JSON.stringify({
      mcp_pra_reader_keys: [{ key: line(key), from: ['192.0.2.0/24'] }, other],
      mcp_pra_runner_keys: [line(target.runnerKey)],
      mcp_pra_auto_keys: [line(target.autoKey.path)],
    }),
  );
};

beforeEach(async () => {
  target = await startEmbeddedTarget();
  key = target.readerKey;
  start();
});
afterEach(() => target.stop());

test('from one key to the other: both in between, the old one gone at the end, other keys untouched', async () => {
  const [old] = [name(key)];
  const [first, other] = listed();
  expect((await rotation('status')).code).toBe(0);
  const begun = await begin();
  expect(begun, begun.stderr).toMatchObject({ code: 0, said: { phase: 'staged', old } });
  expect(statSync(`${key}.next`).mode & 0o777).toBe(0o600);
  expect(begun.said['new_line']).toBe(line(`${key}.next`));
  expect(line(`${key}.next`).split(' ').slice(2)).toEqual(line(key).split(' ').slice(2));
  expect(listed()).toEqual([first, line(`${key}.next`), other]);

  expect(await prove('old')).toMatchObject({ code: 0, said: { proved: true } });
  expect(await prove('new')).toMatchObject({
    code: 1,
    said: { proved: false, proofs: [{ host: target.name, accepted: false, code: 'AUTH_REFUSED' }] },
  });
  accept(key, `${key}.next`);
  expect(await prove('new')).toMatchObject({ code: 0 });
  expect(await prove('old', '--refused')).toMatchObject({ code: 1 });

  const fresh = line(`${key}.next`);
  expect(await rotation('switch', 'reader')).toMatchObject({ code: 0, said: { phase: 'switched', old } });
  expect([line(key), existsSync(`${key}.next`), name(`${key}.previous`)]).toEqual([fresh, false, old]);
  expect(statSync(`${key}.previous`).mode & 0o777).toBe(0o600);
  accept(key);
  expect(await prove('old', '--refused')).toMatchObject({ code: 0 });
  expect(await prove('new')).toMatchObject({ code: 0 });
  expect(await rotation('finish', 'reader')).toMatchObject({ code: 0, said: { phase: 'idle' } });
  expect(listed()).toEqual([fresh, other]);
  expect([existsSync(`${key}.previous`), existsSync(`${key}.previous.pub`)]).toEqual([false, false]);
  const whole = readFileSync(join(dirname(operator.config), 'transport-keys.yml'), 'utf8');
  // The new key comes from where the old one may, and ends some day.
  expect(parse(whole)).toMatchObject({
    mcp_pra_reader_keys: [
      { key: fresh, from: ['192.0.2.0/24'], expires: expect.stringMatching(/^\d{4}-\d\d-\d\dT00:00:00Z$/u) },
      other,
    ],
  });
  // What an auditor asks: which key was good from when to when. A step that was repeated is one row.
  await rotation('finish', 'reader');
  const both = { key: 'reader', old, new: name(key) };
  expect((await operator.ledger('KEY_ROTATION')).map(({ detail }) => detail)).toEqual(
    ['begin', 'switch', 'finish'].map((step) => ({ ...both, step })),
  );
});

test('a ledger that cannot be written stops no rotation, and is said', async () => {
  mkdirSync(dirname(operator.stateDir), { recursive: true });
  writeFileSync(operator.stateDir, 'no folder');
  const begun = await begin();
  expect(begun).toMatchObject({ code: 0, said: { phase: 'staged' } });
  expect(begun.stderr).toContain('The ledger could not be written');
});

describe('a rotation that was interrupted', () => {
  test('after begin goes on with the same new key, and can be abandoned', async () => {
    const before = listed();
    await begin();
    const fresh = name(`${key}.next`);
    expect((await begin()).said['new']).toBe(fresh);
    expect(listed()).toHaveLength(3);
    expect(await rotation('finish', 'reader')).toMatchObject({ code: 3 });
    expect(await rotation('abandon', 'reader')).toMatchObject({ code: 0, said: { phase: 'idle' } });
    expect(listed()).toEqual(before);
    expect([existsSync(`${key}.next`), existsSync(`${key}.next.pub`)]).toEqual([false, false]);
    const rows = await operator.ledger('KEY_ROTATION');
    expect(rows.map(({ detail }) => [detail['step'], detail['new']])).toEqual([
      ['begin', fresh],
      ['abandon', fresh],
    ]);
  });

  test('in the middle of the switch is finished by switching again', async () => {
    await begin();
    const [old, fresh] = [name(key), name(`${key}.next`)];
    accept(key, `${key}.next`);
    await rotation('switch', 'reader');
    // As after the second of the two renames of public halves had not come to pass.
    renameSync(`${key}.pub`, `${key}.next.pub`);
    execFileSync('cp', [`${key}.previous.pub`, `${key}.pub`]);
    expect(await rotation('switch', 'reader')).toMatchObject({ code: 0, said: { old, new: fresh } });
    expect(name(key)).toBe(fresh);
  });

  test('after the switch is not abandoned, and begin says that it is past that', async () => {
    await begin();
    accept(key, `${key}.next`);
    await rotation('switch', 'reader');
    const abandoned = await rotation('abandon', 'reader');
    expect(abandoned.code).toBe(3);
    expect(abandoned.said).toMatchObject({ error: { code: 'ROTATION_REFUSED' } });
    const again = await begin();
    expect(again, JSON.stringify(again.said)).toMatchObject({ code: 0, said: { phase: 'switched' } });
    expect(listed()).toHaveLength(3);
  });
});

describe('a key is given up only for one that works', () => {
  const refusal = () => ({
    code: 3,
    said: { error: { message: expect.stringContaining(`${target.name} (AUTH_REFUSED)`) } },
  });

  test('switching, where the new one is refused', async () => {
    const before = name(key);
    await begin();
    expect(await rotation('switch', 'reader')).toMatchObject(refusal());
    expect([name(key), existsSync(`${key}.next`), existsSync(`${key}.previous`)]).toEqual([
      before,
      true,
      false,
    ]);
    expect(await rotation('switch', 'reader', '--skip', 'web9')).toMatchObject({ code: 3 });
    accept(key, `${key}.next`);
    expect(await rotation('switch', 'reader')).toMatchObject({ code: 0, said: { phase: 'switched' } });
  });

  test('finishing, where the host has forgotten the new one', async () => {
    await begin();
    accept(key, `${key}.next`);
    await rotation('switch', 'reader');
    const both = listed();
    accept(`${key}.previous`);
    expect(await rotation('finish', 'reader')).toMatchObject(refusal());
    expect(existsSync(`${key}.previous`)).toBe(true);
    expect(listed()).toEqual(both);
    accept(key);
    expect(await rotation('finish', 'reader')).toMatchObject({ code: 0, said: { phase: 'idle' } });
  });

  test('unless the host is left out by name', async () => {
    await begin();
    expect(await rotation('switch', 'reader', '--skip', target.name)).toMatchObject({ code: 0 });
    expect(await rotation('finish', 'reader')).toMatchObject(refusal());
    expect(await rotation('finish', 'reader', '--skip', target.name)).toMatchObject({ code: 0 });
  });
});

describe('a host that the server reaches with a certificate', () => {
  beforeEach(() => start({ certificate: true }));

  test('is proven with the key alone, which it may still list', async () => {
    expect(await prove('old', '--host', target.name)).toMatchObject({ code: 0, said: { proved: true } });
    await begin();
    expect(await prove('new', '--refused', '--host', target.name)).toMatchObject({ code: 0 });
  });

  test('needs no key of an account, but the auto key like any other', async () => {
    expect(await rotation('begin', 'reader')).toMatchObject({ code: 0 });
    expect(await rotation('switch', 'reader')).toMatchObject({ code: 0 });
    expect(await rotation('begin', 'auto')).toMatchObject({
      code: 3,
      said: { error: { message: expect.stringContaining(target.name) } },
    });
  });
});

describe('what is refused before anything is made', () => {
  test('a host of the configuration that the run would not reach, unless it is named', async () => {
    const uncovered = await rotation('begin', 'reader');
    expect(uncovered).toMatchObject({
      code: 3,
      said: { error: { message: expect.stringContaining(target.name) } },
    });
    expect(await rotation('begin', 'reader', '--host', 'web9')).toMatchObject({ code: 3 });
    expect(existsSync(`${key}.next`)).toBe(false);
    expect(await rotation('begin', 'reader', '--skip', target.name)).toMatchObject({ code: 0 });
  });

  test.each([
    ['no transport-keys.yml', () => rmSync(join(dirname(operator.config), 'transport-keys.yml'))],
    [
      'one that lists another key',
      () => writeFileSync(join(dirname(operator.config), 'transport-keys.yml'), 'mcp_pra_reader_keys: []\n'),
    ],
    [
      'one with something else in it',
      () => writeFileSync(join(dirname(operator.config), 'transport-keys.yml'), 'mcp_pra_reader_key: []\n'),
    ],
    ['a key without its public half', () => rmSync(`${key}.pub`)],
    ['a key in an agent', () => start({ passphrase: { agent: true } })],
  ])('%s', async (_, spoil) => {
    spoil();
    expect(await begin()).toMatchObject({ code: 3, said: { error: { code: 'ROTATION_REFUSED' } } });
    expect(existsSync(`${key}.next`)).toBe(false);
  });

  test('switching and finishing what has not begun; proving the auto key, which logs in nowhere', async () => {
    expect(await rotation('switch', 'reader')).toMatchObject({ code: 3 });
    expect(await rotation('finish', 'reader')).toMatchObject({ code: 0, said: { phase: 'idle' } });
    expect(await rotation('prove', 'auto', '--which', 'old')).toMatchObject({ code: 3 });
  });
});

test('an encrypted key is followed by one with the same passphrase, which is in no argv', async () => {
  execFileSync('ssh-keygen', ['-q', '-p', '-a', '4', '-P', '', '-N', 'some words', '-f', key]);
  start({ passphrase: { env: 'READER_PASSPHRASE' } });
  const run = (env: Record<string, string>) =>
    spawnSync(process.execPath, [PROGRAM, 'rotation', 'begin', 'reader', '--host', target.name, '--json'], {
      env: { ...operator.env, ...env },
      encoding: 'utf8',
    });
  const without = run({});
  expect(without).toMatchObject({ status: 2, stdout: expect.stringContaining('KEY_PASSPHRASE') });
  expect(existsSync(`${key}.next`)).toBe(false);
  const done = run({ READER_PASSPHRASE: 'some words' });
  expect(done.status, done.stdout).toBe(0);
  expect(spawnSync('ssh-keygen', ['-y', '-P', '', '-f', `${key}.next`]).status).not.toBe(0);
  expect(spawnSync('ssh-keygen', ['-y', '-P', 'some words', '-f', `${key}.next`]).status).toBe(0);
});
