import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rotationStatement } from '../../src/approver/sign.ts';
import { fingerprint } from '../../src/request/sshsig.ts';
import { RenderedTarget } from '../support/rendered-target.ts';
import { makeKey, type SshKeyPair } from '../support/ssh-keys.ts';
import { makeTokenKey } from '../support/token-signature.ts';

// What rotate-approver does to the files of a host. Tickets signed with the old and the new key: test/lab/rotation-approver.test.ts.

let target: RenderedTarget;
let keys: Record<'anna' | 'next' | 'bert' | 'auto' | 'reader', SshKeyPair>;

const etc = (name: string): string => target.path('etc', name);
const text = (name: string): string => readFileSync(etc(name), 'utf8');
const nameOf = (key: SshKeyPair): string => fingerprint(key.blob);
const PEOPLE = 'namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high"';

const signed = (by: SshKeyPair, message: string, namespace = 'mcp-pra-approver'): string =>
  execFileSync('ssh-keygen', ['-Y', 'sign', '-q', '-f', by.path, '-n', namespace], {
    input: message,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
  })
    .split('\n')
    .filter((line) => !line.startsWith('-----'))
    .join('');

const framed = (statement: string, byOld: string, byNew: string): string =>
  `${statement}old-signature ${byOld}\nnew-signature ${byNew}\n`;

interface Given {
  readonly principal?: string;
  readonly old?: SshKeyPair;
  readonly next?: SshKeyPair;
  readonly by?: readonly [SshKeyPair, SshKeyPair];
  readonly namespace?: string;
}
const statementOf = ({
  principal = 'anna',
  old = keys.anna,
  next = keys.next,
  by,
  namespace,
}: Given = {}): string => {
  const statement = rotationStatement(principal, nameOf(old), next.line);
  const [first, second] = by ?? [old, next];
  return framed(statement, signed(first, statement, namespace), signed(second, statement, namespace));
};
const rotate = (step: string, input = statementOf()) => {
  const done = spawnSync(target.path('lib/rotate-approver'), [step], { encoding: 'utf8', input });
  return { exit: done.status, out: done.stdout, err: done.stderr };
};
const refused = (err: string) => ({ exit: 1, err: expect.stringContaining(err) });
const isRevoked = (list: string, key: SshKeyPair): boolean =>
  spawnSync('ssh-keygen', ['-Q', '-f', etc(list), key.pubPath], { encoding: 'utf8' }).stdout.includes(
    'REVOKED',
  );
const write = (name: string, ...lines: readonly string[]): void =>
  writeFileSync(etc(name), lines.map((line) => `${line}\n`).join(''));
const policy = (over: Record<string, unknown> = {}): void =>
  writeFileSync(
    etc('policy.json'),
    JSON.stringify({
      v: 1,
      host: 'web1',
      impact: {},
      deny: [],
      values: {},
      auto: [],
      quorum: { MEDIUM: 1, HIGH: 1 },
      signer: { MEDIUM: 'software-key', HIGH: 'software-key' },
      auto_limits: { pair_per_hour: 3, host_per_day: 20 },
      offer_seconds: 480,
      ...over,
    }),
  );

beforeEach(() => {
  target = new RenderedTarget();
  keys = Object.fromEntries(
    ['anna', 'next', 'bert', 'auto', 'reader'].map((name) => [name, makeKey(target.path(), name)]),
  ) as typeof keys;
  mkdirSync(etc('authorized_keys'));
  write('authorized_keys/mcp-reader', `restrict ${keys.reader.line}`);
  write(
    'allowed_signers',
    '# people',
    `anna ${PEOPLE} ${keys.anna.line} laptop`,
    `bert ${PEOPLE} ${keys.bert.line}`,
    `auto namespaces="mcp-pra-auto" ${keys.auto.line}`,
  );
  for (const list of ['revoked_keys', 'revoked_signers'])
    execFileSync('ssh-keygen', ['-q', '-k', '-f', etc(list)]);
  policy();
});
afterEach(() => target.remove());

it('old and new together, then the new one alone and the old one revoked; each step twice', () => {
  const before = text('allowed_signers');
  expect(rotate('check')).toMatchObject({ exit: 0, err: '' });
  expect(text('allowed_signers')).toBe(before);
  expect(rotate('stage')).toMatchObject({ exit: 0, out: `changed ${etc('allowed_signers')}\n`, err: '' });
  const staged = text('allowed_signers');
  expect(staged.split('\n').slice(1, 3)).toEqual([
    `anna ${PEOPLE} ${keys.anna.line} laptop`,
    `anna ${PEOPLE} ${keys.next.line}`,
  ]);
  expect(rotate('stage')).toMatchObject({ exit: 0, out: `same ${etc('allowed_signers')}\n` });
  expect(rotate('unstage')).toMatchObject({ exit: 0 });
  expect(text('allowed_signers')).toBe(before);
  expect(rotate('commit')).toMatchObject(refused('is not listed'));
  expect(isRevoked('revoked_signers', keys.anna)).toBe(false);

  rotate('stage');
  const done = rotate('commit');
  expect(done, done.err).toMatchObject({ exit: 0 });
  expect(text('allowed_signers')).toBe(staged.replace(`anna ${PEOPLE} ${keys.anna.line} laptop\n`, ''));
  for (const list of ['revoked_signers', 'revoked_keys']) {
    expect([isRevoked(list, keys.anna), isRevoked(list, keys.next)]).toEqual([true, false]);
  }
  for (const step of ['commit', 'check', 'stage']) expect(rotate(step)).toMatchObject({ exit: 0, err: '' });
  expect(rotate('unstage')).toMatchObject(refused('is not listed'));
  expect(text('allowed_signers')).toContain(keys.next.line);
});

describe('nobody gets a key', () => {
  it.each([
    ['on the word of somebody else', () => statementOf({ by: [keys.bert, keys.next] }), 'is not signed by'],
    ['that nobody holds', () => statementOf({ by: [keys.anna, keys.anna] }), 'is not signed by'],
    [
      'by a signature for something else',
      () => statementOf({ namespace: 'mcp-pra-low' }),
      'is not signed by',
    ],
    ['in the name of another person', () => statementOf({ principal: 'bert' }), 'of bert is not listed'],
    ['who is not listed', () => statementOf({ principal: 'carol' }), 'of carol is not listed'],
    ['that another person has', () => statementOf({ next: keys.bert }), 'listed for bert already'],
    ['that signs by itself', () => statementOf({ next: keys.auto }), 'listed for auto already'],
    ['that logs in', () => statementOf({ next: keys.reader }), 'may log in to this host'],
  ])('%s', (_, statement, words) => {
    const before = text('allowed_signers');
    for (const step of ['check', 'stage']) expect(rotate(step, statement())).toMatchObject(refused(words));
    expect(text('allowed_signers')).toBe(before);
  });

  it('that was revoked, nor in place of one that was', () => {
    const revoke = (key: SshKeyPair) =>
      spawnSync(target.path('lib/revoke-keys'), ['--key', nameOf(key), '--sessions', 'none'], {
        encoding: 'utf8',
      });
    expect(revoke(keys.next).status).toBe(0);
    expect(rotate('stage')).toMatchObject(refused('is revoked on this host'));
    const before = text('allowed_signers');
    revoke(keys.anna);
    writeFileSync(etc('allowed_signers'), before);
    expect(rotate('stage')).toMatchObject(refused('or is revoked'));
  });

  it.each([
    ['nothing', () => ''],
    ['no signature', () => rotationStatement('anna', nameOf(keys.anna), keys.next.line)],
    ['a line more', () => `${statementOf()}more\n`],
    ['a carriage return', () => statementOf().replace('\n', '\r\n')],
    ['a text of another form', () => statementOf().replace('approver v1', 'ticket v1')],
    [
      'signatures that are none',
      () => framed(rotationStatement('anna', nameOf(keys.anna), keys.next.line), 'AAAA', 'AAAA'),
    ],
  ])('with %s for a statement', (_, input) => {
    expect(rotate('stage', input())).toMatchObject({
      exit: 2,
      err: expect.stringContaining('not the statement'),
    });
  });
});

describe('the commit', () => {
  const MARK = 'mcp-pra revoke-keys: lifted when all of these are revoked';

  it('finishes an order that an earlier revocation has left in the kill switch, and lifts it', () => {
    rotate('stage');
    write('disabled', MARK, `key ${nameOf(keys.reader)}`);
    expect(rotate('commit')).toMatchObject({ exit: 0, err: '' });
    for (const key of [keys.anna, keys.reader])
      expect([isRevoked('revoked_keys', key), isRevoked('revoked_signers', key)]).toEqual([true, true]);
    expect(existsSync(etc('disabled'))).toBe(false);
  });

  it('that fails half way says what stays closed', () => {
    rotate('stage');
    write('disabled', MARK, `key ${nameOf(keys.reader)}`);
    rmSync(etc('revoked_keys'));
    const { exit, err } = rotate('commit');
    expect(exit).toBe(1);
    expect(err).toMatch(/revoked_keys is missing[^]*the kill switch stays thrown/u);
  });

  it('holds one lock from the first look to the last', () => {
    rotate('stage');
    const path = target.path('lib/access/lock.py');
    writeFileSync(path, readFileSync(path, 'utf8').replace('SECONDS = 20', 'SECONDS = 0'));
    const lock = target.path('run-revoke.lock');
    const revoke = target.path('lib/access/revoke.py');
    // In the middle of the commit nobody else can have the lock.
    writeFileSync(
      revoke,
      `${readFileSync(revoke, 'utf8')}
_prove = prove


def prove(order):
    import subprocess

    if subprocess.run(['flock', '-n', '${lock}', 'true'], check=False).returncode == 0:
        raise Failed('the lock was free')
    _prove(order)
`,
    );
    expect(rotate('commit')).toMatchObject({ exit: 0, err: '' });
  });
});

describe('the quorum of the policy', () => {
  it('stays: both keys are one person in between', () => {
    policy({ quorum: { MEDIUM: 2, HIGH: 2 } });
    expect(rotate('stage')).toMatchObject({ exit: 0 });
    expect(rotate('commit')).toMatchObject({ exit: 0 });
  });

  it('is not lost by somebody who was revoked meanwhile', () => {
    policy({ quorum: { MEDIUM: 2, HIGH: 2 } });
    rotate('stage');
    // The new key is taken back out of band: what would be left is one person.
    write('allowed_signers', `anna ${PEOPLE} ${keys.anna.line}`, `bert ${PEOPLE} ${keys.bert.line}`);
    expect(rotate('commit')).toMatchObject(refused('is not listed'));
    expect(isRevoked('revoked_signers', keys.anna)).toBe(false);
  });

  it('refuses a software key in place of a security key, where the policy asks for those; with a touch only', () => {
    const token = makeTokenKey();
    const statement = rotationStatement('anna', fingerprint(token.blob), keys.next.line);
    const input = (flags: number): string =>
      framed(statement, token.sign(statement, 'mcp-pra-approver', flags), signed(keys.next, statement));
    write('allowed_signers', `anna ${PEOPLE} ${token.line}`, `bert ${PEOPLE} ${keys.bert.line}`);
    expect(rotate('check', input(0x01))).toMatchObject({ exit: 0, err: '' });
    expect(rotate('check', input(0x00))).toMatchObject(refused('is not signed by'));
    policy({ signer: { MEDIUM: 'software-key', HIGH: 'sk' } });
    expect(rotate('check', input(0x01))).toMatchObject(refused('(sk), and 0 would be left'));
    // Where nobody counts for HIGH as it is, nothing is lost.
    write('allowed_signers', `anna ${PEOPLE} ${keys.anna.line}`);
    expect(rotate('check')).toMatchObject({ exit: 0 });
  });
});
