import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprint } from '../../src/request/sshsig.ts';
import { RenderedTarget } from '../support/rendered-target.ts';
import { makeKey } from '../support/ssh-keys.ts';

// What revoke-keys does to the files of a host: every file whole, every list readable, the switch lifted only at the end. Its
// connections need a real sshd: test/lab/revocation.test.ts.

let target: RenderedTarget;
let keys: Record<'reader' | 'spare' | 'runner' | 'anna' | 'bert' | 'auto' | 'ca', Key>;

interface Key {
  readonly path: string;
  readonly line: string;
  readonly name: string;
}

const etc = (...parts: string[]): string => target.path('etc', ...parts);
const text = (...parts: string[]): string => readFileSync(etc(...parts), 'utf8');

const makeKeyOf = (name: string): Key => {
  const { path } = makeKey(target.path(), name);
  const [type = '', base64 = ''] = readFileSync(`${path}.pub`, 'utf8').split(' ');
  return { path, line: `${type} ${base64.trim()}`, name: fingerprint(Buffer.from(base64, 'base64')) };
};

interface Ended {
  readonly exit: number | null;
  readonly lines: readonly string[];
  readonly stderr: string;
}

const revoke = (...argv: string[]): Ended => {
  const { status, stdout, stderr } = spawnSync(target.path('lib/revoke-keys'), argv, { encoding: 'utf8' });
  return { exit: status, lines: stdout.split('\n').filter((line) => line !== ''), stderr };
};

/** What the list says of a key, by ssh-keygen itself. */
const isOn = (list: string, key: Key): boolean =>
  spawnSync('ssh-keygen', ['-Q', '-f', etc(list), `${key.path}.pub`], { encoding: 'utf8' }).stdout.includes(
    'REVOKED',
  );

/** Another word in a module of the programs of this prefix. */
const alter = (module: string, from: string, to: string): void => {
  const path = target.path(`lib/access/${module}.py`);
  const program = readFileSync(path, 'utf8');
  expect(program).toContain(from);
  writeFileSync(path, program.replace(from, to));
};

/** Holds a lock as another process until it is released. */
const hold = async (path: string, kind: '-s' | '-x'): Promise<() => Promise<void>> => {
  if (!existsSync(path)) writeFileSync(path, '', { mode: 0o600 });
  const holder = spawn('flock', ['--no-fork', kind, path, 'sh', '-c', 'echo held; exec cat']);
  await once(holder.stdout, 'data');
  return async () => {
    holder.stdin.end();
    await once(holder, 'close');
  };
};

beforeEach(() => {
  target = new RenderedTarget();
  keys = Object.fromEntries(
    ['reader', 'spare', 'runner', 'anna', 'bert', 'auto', 'ca'].map((name) => [name, makeKeyOf(name)]),
  ) as typeof keys;
  mkdirSync(etc('authorized_keys'));
  const options = 'restrict,command="/usr/local/bin/mcp-wrapper",from="192.0.2.0/24"';
  const write = (name: string, lines: readonly string[]): void =>
    writeFileSync(etc(name), lines.map((line) => `${line}\n`).join(''));
  write('authorized_keys/mcp-reader', [
    `${options} ${keys.reader.line} old`,
    `${options} ${keys.spare.line} new`,
  ]);
  write('authorized_keys/pra-runner', [`${options} ${keys.runner.line}`]);
  write('user_ca_keys', [keys.ca.line]);
  write('allowed_signers', [
    `anna namespaces="mcp-pra-low,mcp-pra-high" ${keys.anna.line}`,
    `bert namespaces="mcp-pra-low" ${keys.bert.line}`,
    `auto namespaces="mcp-pra-auto" ${keys.auto.line}`,
  ]);
  write('key-expiry', [`reader ${keys.reader.name} 2027-01-01T00:00:00Z`, `reader ${keys.spare.name} -`]);
  for (const list of ['revoked_keys', 'revoked_signers'])
    execFileSync('ssh-keygen', ['-q', '-k', '-f', etc(list)]);
});
afterEach(() => target.remove());

describe('a transport key', () => {
  it('leaves every file it is in and comes on both lists; the others stay, and so do the modes', () => {
    chmodSync(etc('authorized_keys/mcp-reader'), 0o640);
    const { exit, lines } = revoke('--key', keys.reader.name);
    expect(exit).toBe(0);
    expect(text('authorized_keys/mcp-reader')).toBe(
      `restrict,command="/usr/local/bin/mcp-wrapper",from="192.0.2.0/24" ${keys.spare.line} new\n`,
    );
    expect(statSync(etc('authorized_keys/mcp-reader')).mode & 0o777).toBe(0o640);
    expect(text('key-expiry')).toBe(`reader ${keys.spare.name} -\n`);
    expect([isOn('revoked_keys', keys.reader), isOn('revoked_signers', keys.reader)]).toEqual([true, true]);
    expect([isOn('revoked_keys', keys.spare), isOn('revoked_keys', keys.runner)]).toEqual([false, false]);
    expect(existsSync(etc('disabled'))).toBe(false);
    expect(lines).toEqual(
      expect.arrayContaining([
        'changed disabled thrown',
        'changed authorized_keys/mcp-reader 1 line(s) taken out',
        'left mcp-reader 1',
        'left pra-runner 1',
        `proved key ${keys.reader.name} is in no file of this host and on both lists`,
        'changed disabled lifted',
      ]),
    );
  });

  it('that is listed nowhere is on the lists all the same', () => {
    const { exit } = revoke('--key', makeKeyOf('found').name);
    expect(exit).toBe(0);
    expect(text('authorized_keys/mcp-reader').trim().split('\n')).toHaveLength(2);
  });

  it('the second time changes nothing', () => {
    revoke('--key', keys.reader.name);
    const before = statSync(etc('revoked_keys')).ino;
    const { exit, lines } = revoke('--key', keys.reader.name);
    expect(exit).toBe(0);
    expect(lines.filter((line) => line.startsWith('changed'))).toEqual([]);
    expect(statSync(etc('revoked_keys')).ino).toBe(before);
  });

  it('is found however its line is spelt', () => {
    writeFileSync(
      etc('authorized_keys/mcp-reader'),
      `restrict,environment="X=a \\"b\\"",command="x"\t${keys.reader.line.replace(' ', '  ')}=\n  ${keys.reader.line}\n${keys.spare.line}\n`,
    );
    expect(revoke('--key', keys.reader.name).exit).toBe(0);
    expect(text('authorized_keys/mcp-reader')).toBe(`${keys.spare.line}\n`);
  });

  it('several at once, and what earlier calls revoked stays revoked', () => {
    execFileSync('ssh-keygen', ['-q', '-k', '-u', '-f', etc('revoked_keys'), `${keys.spare.path}.pub`]);
    revoke('--key', keys.bert.name);
    expect(revoke('--key', keys.reader.name, '--key', keys.runner.name).exit).toBe(0);
    for (const key of [keys.spare, keys.bert, keys.reader, keys.runner])
      expect(isOn('revoked_keys', key), key.name).toBe(true);
    expect(isOn('revoked_keys', keys.anna)).toBe(false);
  });

  it('--check says it and changes nothing', () => {
    const { exit, lines } = revoke('--check', '--key', keys.reader.name);
    expect(exit).toBe(0);
    expect(lines).toEqual(
      expect.arrayContaining([
        'changed revoked_keys 1 added',
        'changed authorized_keys/mcp-reader 1 line(s) taken out',
      ]),
    );
    // `done` would be taken for a revocation.
    expect(lines.at(-1)).toMatch(/^checked \d+ ms$/u);
    expect(isOn('revoked_keys', keys.reader)).toBe(false);
    expect(text('authorized_keys/mcp-reader')).toContain(keys.reader.line);
    expect(existsSync(etc('disabled'))).toBe(false);
  });
});

describe('an approver', () => {
  it('leaves allowed_signers, and their key comes on both lists', () => {
    const { exit, lines } = revoke('--approver', 'anna');
    expect(exit).toBe(0);
    expect(
      text('allowed_signers')
        .split('\n')
        .map((line) => line.split(' ')[0]),
    ).toEqual(['bert', 'auto', '']);
    expect([isOn('revoked_signers', keys.anna), isOn('revoked_keys', keys.anna)]).toEqual([true, true]);
    expect(isOn('revoked_signers', keys.bert)).toBe(false);
    expect(lines).toEqual(
      expect.arrayContaining(['proved approver anna is not listed', 'left allowed_signers 2']),
    );
  });

  it.each(['ann', 'annas', 'Anna'])('is exactly that one: %s is nobody, and that is said', (name) => {
    const { exit, lines } = revoke('--approver', name);
    expect(exit).toBe(0);
    expect(lines.join('\n')).not.toContain('taken out');
    expect(text('allowed_signers')).toContain('anna ');
    expect(isOn('revoked_signers', keys.anna)).toBe(false);
  });

  it('by the key is the same', () => {
    expect(revoke('--key', keys.anna.name).exit).toBe(0);
    expect(text('allowed_signers')).not.toContain('anna');
  });
});

describe('--keep-quorum', () => {
  const policy = (quorum: Record<string, number>, signer: Record<string, string> = {}): void =>
    writeFileSync(
      etc('policy.json'),
      JSON.stringify({
        v: 1,
        host: 'web1',
        quorum: { MEDIUM: 1, HIGH: 1, ...quorum },
        signer: { MEDIUM: 'software-key', HIGH: 'software-key', ...signer },
      }),
      { mode: 0o644 },
    );

  it('refuses when fewer would be left than the policy asks for, with nothing touched', () => {
    policy({ HIGH: 1 });
    const { exit, stderr } = revoke('--approver', 'anna', '--keep-quorum');
    expect(exit).toBe(2);
    expect(stderr).toContain('HIGH needs 1 approver(s) on this host (software-key), and 0 would be left');
    expect(text('allowed_signers')).toContain('anna ');
    expect(existsSync(etc('disabled'))).toBe(false);
  });

  it('counts for each impact, and a key that is revoked already does not count', () => {
    const second = makeKeyOf('second');
    writeFileSync(
      etc('allowed_signers'),
      `${text('allowed_signers')}carol namespaces="mcp-pra-high" ${second.line}\n`,
    );
    policy({ HIGH: 2 });
    expect(revoke('--approver', 'carol', '--keep-quorum').exit).toBe(2);
    policy({ HIGH: 1 });
    execFileSync('ssh-keygen', ['-q', '-k', '-u', '-f', etc('revoked_signers'), `${second.path}.pub`]);
    expect(revoke('--approver', 'anna', '--keep-quorum').exit).toBe(2);
    expect(revoke('--approver', 'bert', '--keep-quorum').exit).toBe(0);
  });

  it('counts people: a second key of the same approver is no second approver', () => {
    const second = makeKeyOf('second');
    const third = makeKeyOf('third');
    const both = [
      `anna namespaces="mcp-pra-low,mcp-pra-high" ${second.line}`,
      `carol namespaces="mcp-pra-high" ${third.line}`,
    ];
    writeFileSync(etc('allowed_signers'), `${text('allowed_signers')}${both.join('\n')}\n`);
    policy({ HIGH: 2 });
    expect(revoke('--approver', 'carol', '--keep-quorum').exit).toBe(2);
    expect(revoke('--key', second.name, '--keep-quorum').exit).toBe(0);
  });

  it('lets exactly as many be left as are needed, and does not ask for more than there were', () => {
    policy({ MEDIUM: 3 });
    expect(revoke('--approver', 'bert', '--keep-quorum').exit).toBe(0);
  });

  it('counts as pra-run does: where HIGH asks for security keys nobody with another one is missed', () => {
    policy({}, { HIGH: 'sk' });
    expect(revoke('--approver', 'anna', '--keep-quorum').exit).toBe(0);
  });

  it('does not guess where pra-run would refuse the file', () => {
    policy({});
    writeFileSync(etc('allowed_signers'), `${text('allowed_signers')}anna ${keys.spare.line}\n`);
    const { exit, stderr } = revoke('--approver', 'bert', '--keep-quorum');
    expect(exit).toBe(2);
    expect(stderr).toContain('pra-run would refuse');
    expect(existsSync(etc('disabled'))).toBe(false);
  });

  it('is not lost to a host that is broken: that fails, and is tried again, and nobody is told to leave the option out', () => {
    policy({});
    chmodSync(etc('allowed_signers'), 0o666);
    const { exit, stderr } = revoke('--approver', 'bert', '--keep-quorum');
    expect(exit).toBe(1);
    expect(stderr).toContain('is not a file that only root can write');
    expect(stderr).not.toContain('leave out');
    expect(isOn('revoked_signers', keys.bert)).toBe(false);
  });

  it('does not guess: without a policy it refuses; without the option whoever has to go goes', () => {
    rmSync(etc('policy.json'), { force: true });
    expect(revoke('--key', keys.anna.name, '--keep-quorum').exit).toBe(2);
    expect(revoke('--key', keys.anna.name).exit).toBe(0);
  });
});

describe('a certificate', () => {
  it('by its serial number: only of that CA, and only that one', () => {
    expect(revoke('--serial', '7', '--ca', keys.ca.name).exit).toBe(0);
    const listed = execFileSync('ssh-keygen', ['-Q', '-l', '-f', etc('revoked_keys')], { encoding: 'utf8' });
    expect(listed).toContain(`# CA key ssh-ed25519 ${keys.ca.name}\nserial: 7\n`);
    expect(revoke('--serial', '9', '--ca', keys.ca.name).exit).toBe(0);
    const both = execFileSync('ssh-keygen', ['-Q', '-l', '-f', etc('revoked_keys')], { encoding: 'utf8' });
    expect(both).toMatch(/^serial: 7$/mu);
    expect(both).toMatch(/^serial: 9$/mu);
    expect(text('user_ca_keys')).toContain(keys.ca.line);
  });

  it('of a CA that this host does not know is refused, and the host stays closed until somebody looks', () => {
    const { exit, stderr } = revoke('--serial', '7', '--ca', keys.anna.name);
    expect(exit).toBe(1);
    expect(stderr).toContain('is not in');
    expect(existsSync(etc('disabled'))).toBe(true);
  });

  it('all of a CA: its key goes, and so does its trust', () => {
    expect(revoke('--key', keys.ca.name).exit).toBe(0);
    expect(text('user_ca_keys')).toBe('');
    expect(isOn('revoked_keys', keys.ca)).toBe(true);
  });
});

describe('the kill switch', () => {
  it('that a person threw stays', () => {
    writeFileSync(etc('disabled'), '');
    const { exit, lines } = revoke('--key', keys.reader.name);
    expect(exit).toBe(0);
    expect(text('disabled')).toBe('');
    expect(lines).toContain('left disabled thrown by somebody else');
  });

  it('that is a link to anywhere is a person’s, and the link is not followed', () => {
    symlinkSync(etc('allowed_signers'), etc('disabled'));
    expect(revoke('--key', keys.reader.name).exit).toBe(0);
    expect(lstatSync(etc('disabled')).isSymbolicLink()).toBe(true);
  });

  it('stays thrown on request, and the next call does not lift it', () => {
    expect(revoke('--key', keys.reader.name, '--switch', 'keep').exit).toBe(0);
    expect(revoke('--key', keys.spare.name).exit).toBe(0);
    expect(existsSync(etc('disabled'))).toBe(true);
  });

  it('is never thrown for a rotation', () => {
    const { exit, lines } = revoke('--key', keys.reader.name, '--switch', 'none', '--sessions', 'none');
    expect(exit).toBe(0);
    expect(lines.join('\n')).not.toContain('disabled');
    expect(isOn('revoked_keys', keys.reader)).toBe(true);
  });
});

describe('the lock', () => {
  beforeEach(() => alter('lock', 'SECONDS = 20', 'SECONDS = 1'));
  const theirs = (): string => target.path('run-revoke.lock');

  it('is a file that only root can open: who holds a folder that everybody can read holds up nothing', async () => {
    const release = await hold(etc(), '-s');
    try {
      expect(revoke('--key', keys.reader.name)).toMatchObject({ exit: 0, stderr: '' });
    } finally {
      await release();
    }
    expect(statSync(theirs()).mode & 0o777).toBe(0o600);
    chmodSync(theirs(), 0o644);
    expect(revoke('--key', keys.spare.name).stderr).toContain('can be opened by others than root');
    rmSync(theirs());
    symlinkSync(etc('allowed_signers'), theirs());
    expect(revoke('--key', keys.spare.name).exit).toBe(1);
  });

  it('that cannot be had: the host is closed all the same, and the next call finishes what this one was for', async () => {
    const release = await hold(theirs(), '-x');
    let ended: Ended;
    try {
      ended = revoke('--key', keys.reader.name);
    } finally {
      await release();
    }
    expect(ended).toMatchObject({ exit: 1, lines: ['changed disabled thrown'] });
    expect(ended.stderr).toContain('another revocation or rotation holds this host');
    expect(ended.stderr).toContain('the kill switch stays thrown');
    expect(revoke('--key', keys.runner.name).exit).toBe(0);
    expect([isOn('revoked_keys', keys.reader), isOn('revoked_keys', keys.runner)]).toEqual([true, true]);
    expect(existsSync(etc('disabled'))).toBe(false);
  });

  it.each([['--check'], ['--switch=none'], ['--keep-quorum']])(
    'that cannot be had with %s: nothing is touched',
    async (option) => {
      const release = await hold(theirs(), '-x');
      try {
        expect(revoke('--key', keys.reader.name, option).exit).toBe(1);
      } finally {
        await release();
      }
      expect(existsSync(etc('disabled'))).toBe(false);
    },
  );

  it('an order that another call leaves in the switch meanwhile is not lifted with the first one', () => {
    const busy = target.script(
      'busy-ssh-keygen',
      `#!/bin/sh\nprintf 'key ${keys.runner.name}\\n' >>${etc('disabled')}\nexec /usr/bin/ssh-keygen "$@"\n`,
    );
    alter('ssh_keygen', "SSH_KEYGEN = '/usr/bin/ssh-keygen'", `SSH_KEYGEN = '${busy}'`);
    const { exit, stderr } = revoke('--key', keys.reader.name);
    expect(exit).toBe(1);
    expect(stderr).toContain('wrote into the kill switch meanwhile; the kill switch stays thrown');
    expect(isOn('revoked_keys', keys.reader)).toBe(true);

    alter('ssh_keygen', `SSH_KEYGEN = '${busy}'`, "SSH_KEYGEN = '/usr/bin/ssh-keygen'");
    expect(revoke('--key', keys.reader.name).exit).toBe(0);
    expect(isOn('revoked_keys', keys.runner)).toBe(true);
    expect(existsSync(etc('disabled'))).toBe(false);
    expect(existsSync(etc('disabled.lifted'))).toBe(false);
  });
});

describe('when something fails', () => {
  it.each([
    ['damaged', () => writeFileSync(etc('revoked_keys'), 'garbage\n'), 'cannot be read'],
    ['missing', () => rmSync(etc('revoked_keys')), 'is missing'],
    ['writable by others', () => chmodSync(etc('authorized_keys/mcp-reader'), 0o666), 'only root can write'],
    [
      'a link',
      () => {
        rmSync(etc('allowed_signers'));
        symlinkSync('/etc/hostname', etc('allowed_signers'));
      },
      'allowed_signers',
    ],
  ])('a file is %s: the rest is done, the host stays closed, and the next call goes on', (_, spoil, says) => {
    spoil();
    const { exit, stderr } = revoke('--key', keys.runner.name);
    expect(exit).toBe(1);
    expect(stderr).toContain(says);
    expect(stderr).toContain('the kill switch stays thrown');
    expect(text('authorized_keys/pra-runner')).not.toContain(keys.runner.line);
    expect(isOn('revoked_signers', keys.runner)).toBe(true);
    expect(existsSync(etc('disabled'))).toBe(true);

    for (const file of ['revoked_keys', 'allowed_signers']) rmSync(etc(file), { force: true });
    execFileSync('ssh-keygen', ['-q', '-k', '-f', etc('revoked_keys')]);
    writeFileSync(etc('allowed_signers'), `anna namespaces="mcp-pra-low" ${keys.anna.line}\n`);
    chmodSync(etc('authorized_keys/mcp-reader'), 0o644);
    // Another key: what was begun for the first is finished with it.
    expect(revoke('--key', keys.spare.name).exit).toBe(0);
    expect([isOn('revoked_keys', keys.runner), isOn('revoked_keys', keys.spare)]).toEqual([true, true]);
    expect(existsSync(etc('disabled'))).toBe(false);
  });

  it('an approver whose line went but whose key did not get on the list is finished by the next call', () => {
    chmodSync(etc('revoked_signers'), 0o666);
    writeFileSync(etc('revoked_signers'), 'garbage');
    expect(revoke('--approver', 'anna').exit).toBe(1);
    expect(text('allowed_signers')).not.toContain('anna');
    execFileSync('ssh-keygen', ['-q', '-k', '-f', etc('revoked_signers')]);
    expect(revoke('--approver', 'anna').exit).toBe(0);
    expect(isOn('revoked_signers', keys.anna)).toBe(true);
    expect(existsSync(etc('disabled'))).toBe(false);
  });

  it('an approver whose key an earlier call could not learn is revoked with the next order, not only taken out', () => {
    chmodSync(etc('allowed_signers'), 0o666);
    expect(revoke('--approver', 'anna')).toMatchObject({ exit: 1 });
    expect(text('disabled')).toContain('approver anna');
    chmodSync(etc('allowed_signers'), 0o644);
    expect(revoke('--approver', 'bert').exit).toBe(0);
    expect(text('allowed_signers')).not.toContain('anna');
    expect([isOn('revoked_signers', keys.anna), isOn('revoked_keys', keys.anna)]).toEqual([true, true]);
  });

  it('nobody reads along: it is finished all the same', () => {
    const { status } = spawnSync(
      'sh',
      ['-c', '"$0" --key "$1" >/dev/full 2>&1', target.path('lib/revoke-keys'), keys.reader.name],
      { encoding: 'utf8' },
    );
    expect(status).toBe(0);
    expect(isOn('revoked_keys', keys.reader)).toBe(true);
    expect(existsSync(etc('disabled'))).toBe(false);
  });

  it.each<[string, string, string, number]>([
    ['never answers about a list', '*" -l "*', 'exec sleep 60', 1],
    ['answers nonsense', '*" -l "*', "echo '# CA key CAKEY'; echo 'serial: some'; exit 0", 1],
    ['is asked nothing that it cannot answer', '*.pub*', 'exec sleep 60', 0],
  ])('ssh-keygen %s: the other steps are done', (_, when, does, exit) => {
    const keygen = target.script(
      'odd-ssh-keygen',
      `#!/bin/sh\ncase " $* " in ${when}) ${does.replace('CAKEY', keys.ca.name)} ;; esac\nexec /usr/bin/ssh-keygen "$@"\n`,
    );
    makeKeyOf('host');
    alter('places', '/etc/ssh/ssh_host_ed25519_key', target.path('host'));
    alter('ssh_keygen', "SSH_KEYGEN = '/usr/bin/ssh-keygen'", `SSH_KEYGEN = '${keygen}'`);
    alter('ssh_keygen', 'SECONDS = 20', 'SECONDS = 1');
    expect(revoke('--key', keys.reader.name).exit).toBe(exit);
    expect(text('authorized_keys/mcp-reader')).not.toContain(keys.reader.line);
    expect(text('key-expiry')).not.toContain(keys.reader.name);
    expect(existsSync(etc('disabled'))).toBe(exit !== 0);
  });

  it('nothing half-written is left behind', () => {
    writeFileSync(etc('revoked_keys.new'), 'left by a call that was killed');
    expect(revoke('--key', keys.reader.name).exit).toBe(0);
    expect(existsSync(etc('revoked_keys.new'))).toBe(false);
  });
});

describe('the public file of this host’s own key holds up no revocation', () => {
  it.each<[string, (path: string) => void]>([
    ['a link', (path) => symlinkSync(makeKey(target.path(), 'elsewhere').path + '.pub', path)],
    [
      'writable by its group',
      (path) => {
        writeFileSync(path, `${makeKeyOf('own').line}\n`);
        chmodSync(path, 0o664);
      },
    ],
    ['no key', (path) => writeFileSync(path, 'nothing\n')],
    ['a folder', (path) => mkdirSync(path)],
    ['a pipe', (path) => execFileSync('mkfifo', [path])],
    ['missing', () => undefined],
  ])('%s', (_, make) => {
    alter('places', '/etc/ssh/ssh_host_ed25519_key', target.path('host'));
    make(target.path('host.pub'));
    expect(revoke('--key', keys.reader.name)).toMatchObject({ exit: 0, stderr: '' });
    expect(isOn('revoked_keys', keys.reader)).toBe(true);
  });

  it('and it is known through a link, and when its group can write it', () => {
    const own = makeKeyOf('own');
    alter('places', '/etc/ssh/ssh_host_ed25519_key', target.path('host'));
    chmodSync(`${own.path}.pub`, 0o664);
    symlinkSync(`${own.path}.pub`, target.path('host.pub'));
    expect(revoke('--key', own.name)).toMatchObject({ exit: 2, lines: [] });
  });
});

describe('an order that makes no sense is refused with nothing touched', () => {
  it.each([
    ['nothing', []],
    ['a fingerprint that is too short', ['--key', `SHA256:${'a'.repeat(42)}`]],
    ['one that is too long', ['--key', `SHA256:${'a'.repeat(44)}`]],
    ['a key', ['--key', 'ssh-ed25519 AAAA']],
    ['a path', ['--key', '/etc/passwd']],
    ['two lines', ['--key', `SHA256:${'a'.repeat(43)}\n`]],
    ['a principal with a space', ['--approver', 'anna bert']],
    ['a principal with 65 characters', ['--approver', 'a'.repeat(65)]],
    ['an empty principal', ['--approver', '']],
    ['a wildcard', ['--approver', '*']],
    ['a serial without its CA', ['--serial', '7']],
    ['a CA without a serial', ['--ca', `SHA256:${'a'.repeat(43)}`, '--approver', 'anna']],
    ['the serial 0', ['--serial', '0', '--ca', `SHA256:${'a'.repeat(43)}`]],
    ['a serial of 2^63', ['--serial', '9223372036854775808', '--ca', `SHA256:${'a'.repeat(43)}`]],
    ['an abbreviated option', ['--app', 'anna']],
    ['an unknown switch', ['--approver', 'anna', '--switch', 'off']],
  ])('%s', (_, argv) => {
    const before = text('allowed_signers');
    expect(revoke(...argv).exit).toBe(2);
    expect(text('allowed_signers')).toBe(before);
    expect(existsSync(etc('disabled'))).toBe(false);
  });

  it('64 characters of a principal and the serial 2^63-1 are not too many', () => {
    expect(revoke('--approver', 'a'.repeat(64)).exit).toBe(0);
    expect(revoke('--serial', '9223372036854775807', '--ca', keys.ca.name).exit).toBe(0);
  });

  it('a host key of this very host', () => {
    const own = '/etc/ssh/ssh_host_ed25519_key.pub';
    const path = join(target.path(), 'host');
    const hostKey = makeKeyOf('host');
    alter('places', own.replace('.pub', ''), path);
    const { exit, stderr } = revoke('--key', hostKey.name);
    expect(exit).toBe(2);
    expect(stderr).toContain('is a host key of this very host');
    expect(existsSync(etc('disabled'))).toBe(false);
  });
});

it.each(['revoke-keys', 'rotate-keys', 'rotate-approver', 'rotate-host-key'])(
  '%s as it lies in a pack runs nothing, least of all from the folder of whoever typed sudo',
  (program) => {
    mkdirSync(target.path('@LIB@/access'), { recursive: true });
    writeFileSync(target.path('@LIB@/access/__init__.py'), 'print("planted")\n');
    const path = resolve(import.meta.dirname, '../../target-scripts', program);
    const done = spawnSync('python3', ['-IB', path], { encoding: 'utf8', cwd: target.path('.') });
    expect(done).toMatchObject({
      status: 1,
      stdout: '',
      stderr: `${program}: not installed; setup-target does that\n`,
    });
  },
);
