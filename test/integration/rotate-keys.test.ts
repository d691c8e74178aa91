import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprint } from '../../src/request/sshsig.ts';
import { RenderedTarget } from '../support/rendered-target.ts';
import { makeKey } from '../support/ssh-keys.ts';

// What rotate-keys does to the files of a host. What sshd makes of them, and the connections, are shown in test/lab/rotation.test.ts.

let target: RenderedTarget;
let keys: Record<'reader' | 'spare' | 'runner' | 'anna' | 'auto' | 'next', Key>;

interface Key {
  readonly line: string;
  readonly name: string;
}

const OPTIONS = 'restrict,command="/usr/local/bin/mcp-wrapper",from="192.0.2.0/24"';
const etc = (name: string): string => target.path('etc', name);
const text = (name: string): string => readFileSync(etc(name), 'utf8');

const keyOf = (name: string): Key => {
  const { line, blob } = makeKey(target.path(), name);
  return { line, name: fingerprint(blob) };
};

const rotate = (
  ...argv: string[]
): { readonly exit: number | null; readonly out: string; readonly err: string } => {
  const done = spawnSync(target.path('lib/rotate-keys'), argv, { encoding: 'utf8' });
  return { exit: done.status, out: done.stdout, err: done.stderr };
};
const ends = (code: number, err: string) => ({ exit: code, err: expect.stringContaining(err) });
const files = (): string[] =>
  ['authorized_keys/mcp-reader', 'authorized_keys/pra-runner', 'allowed_signers', 'key-expiry'].map(text);
const lists = (): string[] =>
  ['revoked_keys', 'revoked_signers'].map((name) => readFileSync(etc(name), 'base64'));
const addToList = (file: string): void => {
  execFileSync('ssh-keygen', ['-q', '-k', '-u', '-f', etc('revoked_keys'), target.path(file)]);
};
const isRevoked = (list: string, { line }: Key): boolean => {
  writeFileSync(target.path('asked.pub'), `${line}\n`);
  const said = spawnSync('ssh-keygen', ['-Q', '-f', etc(list), target.path('asked.pub')], {
    encoding: 'utf8',
  });
  return said.stdout.includes('REVOKED');
};

beforeEach(() => {
  target = new RenderedTarget();
  keys = Object.fromEntries(
    ['reader', 'spare', 'runner', 'anna', 'auto', 'next'].map((name) => [name, keyOf(name)]),
  ) as typeof keys;
  mkdirSync(etc('authorized_keys'));
  mkdirSync(target.path('run'), { recursive: true });
  const write = (name: string, ...lines: readonly string[]): void =>
    writeFileSync(etc(name), lines.map((line) => `${line}\n`).join(''));
  write(
    'authorized_keys/mcp-reader',
    `${OPTIONS},expiry-time="20270101000000Z" ${keys.reader.line} old one`,
    `${OPTIONS} ${keys.spare.line}`,
  );
  write('authorized_keys/pra-runner', `restrict,command="/usr/local/bin/pra-exec" ${keys.runner.line}`);
  write(
    'allowed_signers',
    `anna namespaces="mcp-pra-low,mcp-pra-high" ${keys.anna.line}`,
    `auto namespaces="mcp-pra-auto" ${keys.auto.line}`,
  );
  write('key-expiry', `reader ${keys.reader.name} 2027-01-01T00:00:00Z`, `reader ${keys.spare.name} -`);
  for (const list of ['revoked_keys', 'revoked_signers'])
    execFileSync('ssh-keygen', ['-q', '-k', '-f', etc(list)]);
});
afterEach(() => target.remove());

const pair = (old: Key): string[] => ['--old', old.name, '--new', keys.next.name];
const staged = (channel = 'reader', old = keys.reader, ...more: string[]) =>
  rotate('stage', channel, '--old', old.name, '--new', `${keys.next.line} new one`, ...more);

describe('stage', () => {
  it('gives the new key the options of the old one, its own comment and time, and changes nothing else', () => {
    const before = text('authorized_keys/pra-runner');
    expect(staged('reader', keys.reader, '--expires', '2028-02-03T04:05:06Z')).toMatchObject({
      exit: 0,
      err: '',
    });
    expect(text('authorized_keys/mcp-reader').split('\n')).toEqual([
      `${OPTIONS},expiry-time="20270101000000Z" ${keys.reader.line} old one`,
      `${OPTIONS},expiry-time="20280203040506Z" ${keys.next.line} new one`,
      `${OPTIONS} ${keys.spare.line}`,
      '',
    ]);
    expect(text('key-expiry').split('\n')[1]).toBe(`reader ${keys.next.name} 2028-02-03T04:05:06Z`);
    expect(text('authorized_keys/pra-runner')).toBe(before);
    const said = rotate('state').out.split('\n');
    expect(said.filter((line) => line.startsWith('key reader'))).toEqual(
      [keys.reader, keys.next, keys.spare].map(({ name }) => `key reader ${name}`),
    );
  });

  it('changes nothing the second time, and takes another time', () => {
    staged();
    const after = files();
    expect(staged().out).not.toContain('changed');
    expect(files()).toEqual(after);
    staged('reader', keys.reader, '--expires', '2028-02-03T04:05:06Z');
    expect(text('authorized_keys/mcp-reader').match(/new one/gu)).toHaveLength(1);
    expect(text('authorized_keys/mcp-reader')).toContain('20280203040506Z');
  });

  it.each([
    ['a key that is no key', ['--new', 'ssh-ed25519 AAAA']],
    ['options before the key', ['--new', 'restrict ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI']],
    ['a second line', ['--new', 'KEY\nssh-ed25519 AAAAC3']],
    ['a quote in the comment', ['--new', 'KEY "x"']],
    ['another form of time', ['--new', 'KEY', '--expires', '2028-02-03']],
  ])('refuses %s', (_, argv) => {
    const before = files();
    const words = argv.map((word) => word.replace('KEY', keys.next.line));
    expect(rotate('stage', 'reader', '--old', keys.reader.name, ...words)).toMatchObject({ exit: 2 });
    expect(files()).toEqual(before);
  });

  it('refuses when the old key is not listed, when the new one has another use, and when it was revoked', () => {
    const before = files();
    expect(staged('runner', keys.reader)).toMatchObject(ends(1, 'is not listed'));
    const other = rotate('stage', 'runner', '--old', keys.runner.name, '--new', keys.spare.line);
    expect(other).toMatchObject(ends(1, 'listed for reader already'));
    expect(files()).toEqual(before);
    execFileSync('ssh-keygen', ['-q', '-k', '-u', '-f', etc('revoked_keys'), target.path('next.pub')]);
    expect(staged()).toMatchObject(ends(1, 'a key that was revoked does not come back'));
  });
});

describe('unstage', () => {
  it('takes the new key away and leaves everything as it was', () => {
    const before = files();
    staged('reader', keys.reader, '--expires', '2028-02-03T04:05:06Z');
    expect(rotate('unstage', 'reader', ...pair(keys.reader))).toMatchObject({ exit: 0, err: '' });
    expect(files()).toEqual(before);
    expect(rotate('unstage', 'reader', ...pair(keys.reader)).out).not.toContain('changed');
  });

  it('is refused when only the new key is left', () => {
    staged();
    rotate('commit', 'reader', ...pair(keys.reader));
    expect(rotate('unstage', 'reader', ...pair(keys.reader))).toMatchObject(ends(1, 'without a key'));
    expect(text('authorized_keys/mcp-reader')).toContain(keys.next.line);
  });
});

describe('commit', () => {
  it('takes the old key away, revokes it, keeps the others and the kill switch as they are', () => {
    staged();
    expect(rotate('commit', 'reader', ...pair(keys.reader))).toMatchObject({ exit: 0, err: '' });
    expect(text('authorized_keys/mcp-reader')).toBe(
      `${OPTIONS} ${keys.next.line} new one\n${OPTIONS} ${keys.spare.line}\n`,
    );
    expect([isRevoked('revoked_keys', keys.reader), isRevoked('revoked_keys', keys.next)]).toEqual([
      true,
      false,
    ]);
    expect(existsSync(etc('disabled'))).toBe(false);
    const after = files();
    expect(rotate('commit', 'reader', ...pair(keys.reader))).toMatchObject({ exit: 0 });
    expect(files()).toEqual(after);
  });

  it('is refused before the new key is there: a host is never left without one', () => {
    const before = files();
    expect(rotate('commit', 'reader', ...pair(keys.reader))).toMatchObject(ends(1, 'without a key'));
    expect(files()).toEqual(before);
    expect(isRevoked('revoked_keys', keys.reader)).toBe(false);
  });

  it('can be taken back as long as nothing else has changed', () => {
    staged();
    const both = files();
    rotate('commit', 'reader', ...pair(keys.reader));
    expect(rotate('restore', 'reader', ...pair(keys.reader))).toMatchObject({ exit: 0, err: '' });
    expect(files()).toEqual(both);
    expect(isRevoked('revoked_keys', keys.reader)).toBe(false);
    expect(statSync(etc('revoked_keys')).mode & 0o777).toBe(0o644);
  });

  const serial = (path: string, spec: string): void => {
    writeFileSync(target.path('spec'), `${spec}\n`);
    const ca = target.path('runner.pub');
    execFileSync('ssh-keygen', ['-q', '-k', '-u', '-f', path, '-s', ca, target.path('spec')]);
  };
  it.each<[string, () => void]>([
    ['a key on a list', () => addToList('spare.pub')],
    ['a serial number on a list', () => serial(etc('revoked_keys'), 'serial: 4711')],
    ['an identity on a list', () => serial(etc('revoked_keys'), 'id: anna')],
    ['a line of the key file', () => writeFileSync(etc('authorized_keys/mcp-reader'), `${keys.next.line}\n`)],
  ])('is not taken back once something else has changed: %s', (_, change) => {
    staged();
    rotate('commit', 'reader', ...pair(keys.reader));
    change();
    const after = [...files(), ...lists()];
    expect(rotate('restore', 'reader', ...pair(keys.reader))).toMatchObject(ends(1, 'since the commit'));
    expect([...files(), ...lists()]).toEqual(after);
    expect(isRevoked('revoked_keys', keys.reader)).toBe(true);
  });

  it('is not taken back by copies that are older than the last commit', () => {
    staged();
    rotate('commit', 'reader', ...pair(keys.reader));
    serial(etc('revoked_keys'), 'serial: 4711');
    expect(rotate('commit', 'reader', ...pair(keys.reader)).exit).toBe(0);
    const after = [...files(), ...lists()];
    expect(rotate('restore', 'reader', ...pair(keys.reader))).toMatchObject(ends(1, 'does not come back'));
    expect([...files(), ...lists()]).toEqual(after);
  });

  it('is not taken back when somebody revoked that very key meanwhile, although that changed nothing', () => {
    staged();
    rotate('commit', 'reader', ...pair(keys.reader));
    const after = [...files(), ...lists()];
    expect(spawnSync(target.path('lib/revoke-keys'), ['--key', keys.reader.name]).status).toBe(0);
    expect(rotate('restore', 'reader', ...pair(keys.reader))).toMatchObject(ends(1, 'does not come back'));
    expect([...files(), ...lists()]).toEqual(after);
  });

  it.each([
    ['a key', () => `key ${keys.runner.name}`],
    ['a serial number', () => `serial ${keys.runner.name} 4711`],
  ])('that finished an earlier revocation of %s too is not taken back', (_, order) => {
    staged();
    writeFileSync(etc('user_ca_keys'), `${keys.runner.line}\n`);
    const mark = 'mcp-pra revoke-keys: lifted when all of these are revoked';
    writeFileSync(etc('disabled'), `${mark}\n${order()}\n`);
    expect(rotate('commit', 'reader', ...pair(keys.reader))).toMatchObject({ exit: 0, err: '' });
    const after = [...files(), ...lists()];
    expect(rotate('restore', 'reader', ...pair(keys.reader))).toMatchObject(
      ends(1, 'also finished a revocation'),
    );
    expect([...files(), ...lists()]).toEqual(after);
  });

  it('that failed half way can be taken back', () => {
    staged();
    const both = files();
    chmodSync(etc('allowed_signers'), 0o666); // the last file of a revocation but one
    expect(rotate('commit', 'reader', ...pair(keys.reader))).toMatchObject(ends(1, 'only root can write'));
    expect(isRevoked('revoked_keys', keys.reader)).toBe(true);
    expect(rotate('restore', 'reader', ...pair(keys.reader))).toMatchObject({ exit: 0, err: '' });
    expect(files()).toEqual(both);
    expect(isRevoked('revoked_keys', keys.reader)).toBe(false);
  });

  it('leaves copies until they are forgotten; then nothing is taken back any more', () => {
    staged();
    rotate('commit', 'reader', ...pair(keys.reader));
    const copies = (): string[] =>
      readdirSync(target.path('run')).filter((name) => name.startsWith('rotation-'));
    expect(copies()).toHaveLength(1);
    expect(rotate('forget', 'reader', ...pair(keys.reader))).toMatchObject({
      exit: 0,
      out: 'changed copies thrown away\n',
    });
    expect(copies()).toEqual([]);
    expect(rotate('forget', 'reader', ...pair(keys.reader))).toMatchObject({
      exit: 0,
      out: 'same no copies\n',
    });
    expect(rotate('restore', 'reader', ...pair(keys.reader))).toMatchObject(ends(1, 'does not come back'));
  });
});

describe('while a change of sshd waits for its confirmation', () => {
  it.each(['armed', 'restoring'])('(%s) no step but drain and forget is done', (marker) => {
    staged();
    mkdirSync(etc('rollback'));
    writeFileSync(etc(`rollback/${marker}`), '');
    const before = [...files(), ...lists()];
    const refused = ends(1, 'waits for its confirmation');
    expect(staged('reader', keys.reader, '--expires', '2028-02-03T04:05:06Z')).toMatchObject(refused);
    for (const step of ['unstage', 'commit', 'restore'])
      expect(rotate(step, 'reader', ...pair(keys.reader)), step).toMatchObject(refused);
    expect(rotate('state')).toMatchObject(refused);
    expect([...files(), ...lists()]).toEqual(before);
    expect(rotate('forget', 'reader', ...pair(keys.reader))).toMatchObject({ exit: 0 });
    rmSync(etc(`rollback/${marker}`));
    expect(rotate('commit', 'reader', ...pair(keys.reader))).toMatchObject({ exit: 0, err: '' });
  });
});

describe('the auto key', () => {
  it('has both keys valid in between, numbered as provisioning does it, and the old one revoked after', () => {
    expect(staged('auto', keys.auto)).toMatchObject({ exit: 0, err: '' });
    const anna = `anna namespaces="mcp-pra-low,mcp-pra-high" ${keys.anna.line}`;
    expect(text('allowed_signers')).toBe(
      `${anna}\nauto namespaces="mcp-pra-auto" ${keys.auto.line}\nauto-2 namespaces="mcp-pra-auto" ${keys.next.line}\n`,
    );
    expect(rotate('commit', 'auto', ...pair(keys.auto))).toMatchObject({ exit: 0, err: '' });
    expect(text('allowed_signers')).toBe(`${anna}\nauto namespaces="mcp-pra-auto" ${keys.next.line}\n`);
    expect(isRevoked('revoked_signers', keys.auto)).toBe(true);
  });

  it('is not taken for a person, nor a person for it', () => {
    expect(staged('auto', keys.anna)).toMatchObject(ends(1, 'is not listed'));
    expect(rotate('state').out).not.toContain(keys.anna.name);
    expect(rotate('drain', 'auto', '--new', keys.next.name)).toMatchObject({ exit: 2 });
  });
});
