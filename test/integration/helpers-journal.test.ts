import { afterAll, describe, expect, test } from 'vitest';
import { ChangedHelpers, python } from '../support/changed-helper.ts';

// journalctl is a program of the test's own here: what it is asked for, and what is made of what it says. Real journals are in test/lab.

const changed = new ChangedHelpers();
afterAll(() => changed.remove());

const FIRST = ['--lines=100', '--since=-1h'];

/** A helper where journalctl says this. */
const hearing = (helper: string, said: string, args: readonly string[], constants = {}) => {
  const journalctl = changed.program(`exec cat ${changed.file(said)}`);
  return changed.run(helper, { JOURNALCTL: python(journalctl), ...constants }, args);
};
/** A helper where journalctl runs these lines of a shell. */
const running = (helper: string, lines: string, args: readonly string[], constants = {}) =>
  changed.run(helper, { JOURNALCTL: python(changed.program(lines)), ...constants }, args);

describe('journal-tail', () => {
  const tail = (said: string, output = 'short-iso', constants = {}): string =>
    hearing('journal-tail', said, [...FIRST, `--output=${output}`], constants).stdout;

  test('asks backwards, with nothing but what is of its form', () => {
    const more = [
      '--unit=a.service',
      '--priority=err',
      '--until=-5m',
      '--output-fields=MESSAGE,UNIT',
      '--grep=^(Memory cgroup out of memory|Out of memory): Killed',
      '_UID=0',
      `--container=${Buffer.from('web-1').toString('hex')}`,
    ];
    const args = [...FIRST, '--output=json', ...more];
    const asked = running('journal-tail', 'printf "%s\\n" "$*"', args).stdout;
    expect(asked).toBe(
      `--no-pager --quiet --no-hostname --reverse ${args.slice(0, -2).join(' ')} -- _UID=0 CONTAINER_NAME=web-1\n`,
    );
  });

  test.each([
    [],
    ['--lines=100'],
    ['--lines=0', '--since=-1h', '--output=json'],
    ['--lines=1000', '--since=-1h', '--output=json'],
    ['--lines=1', '--since=-10000h', '--output=json'],
    ['--lines=1', '--since=2026-01-01', '--output=json'],
    ['--lines=1', '--since=-1h', '--output=export'],
    ['--lines=1', '--since=-1h', '--output=cat'],
    [...FIRST, '--output=json', '--file=/etc/shadow'],
    [...FIRST, '--output=json', '--directory=/'],
    [...FIRST, '--output=json', '--unit=-x.service'],
    [...FIRST, '--output=json', `--unit=${'a'.repeat(97)}`],
    [...FIRST, '--output=json', '--grep=.*'],
    [...FIRST, '--output=json', '/usr/bin/sh'],
    [...FIRST, '--output=json', '_UID=0\n'],
    [...FIRST, '--output=json', '--container=6G'],
    [...FIRST, '--output=json', `--container=${'61'.repeat(65)}`],
  ])('%j is refused', (...args) => {
    expect(running('journal-tail', 'echo ran', args)).toEqual({ status: 64, stdout: '' });
  });

  test('a name that no container has is the name of none', () => {
    const asked = (name: string) =>
      running('journal-tail', 'echo ran', [
        ...FIRST,
        '--output=short-iso',
        `--container=${Buffer.from(name).toString('hex')}`,
      ]);
    expect(asked('a'.repeat(64))).toEqual({ status: 0, stdout: 'ran\n' });
    for (const name of ['-web', 'web 1', 'wéb']) expect(asked(name)).toEqual({ status: 0, stdout: '' });
  });

  test('the oldest comes first, and each message stays whole', () => {
    const said = 'T3 c: newest\n     more of it\n\n     and more\nT2 b: x\rT0 y\nT1 a: oldest\n';
    expect(tail(said)).toBe('T1 a: oldest\nT2 b: x\rT0 y\nT3 c: newest\n     more of it\n\n     and more\n');
    expect(tail('')).toBe('');
  });

  test.each([
    ['short-iso', 120 * 1024],
    ['with-unit', 120 * 1024],
    ['json', 240 * 1024],
  ])('of %s %d bytes are turned around; of more the newest', (output, most) => {
    const half = `${'n'.repeat(most / 2 - 1)}\n`;
    expect(tail(`${half}${half}`, output)).toBe(`${half}${half}`);
    expect(tail(`${half}${half}o\n`, output)).toBe(`[older messages are left out]\n${half}`);
    // A single one is shown as far as it goes.
    expect(tail('n'.repeat(most + 1), output)).toBe(`[older messages are left out]\n${'n'.repeat(most)}\n`);
  });

  test('a journalctl that does not end is stopped, and what it has said stands', () => {
    const slow = 'printf "T2 new\\nT1 old\\n"; exec sleep infinity';
    expect(running('journal-tail', slow, [...FIRST, '--output=short-iso'], { SECONDS: '1' })).toEqual({
      status: 0,
      stdout: '[older messages are left out]\nT2 new\n',
    });
  });

  test('it ends as journalctl does, and says when there is none', () => {
    expect(running('journal-tail', 'exit 1', [...FIRST, '--output=json']).status).toBe(1);
    const none = { JOURNALCTL: python('/nonexistent/journalctl') };
    expect(changed.run('journal-tail', none, [...FIRST, '--output=json']).status).toBe(127);
  });
});

describe('journal-search', () => {
  const words = ['a.service', Buffer.from('needle').toString('hex'), '1h'];
  const search = (said: string, lines = '50') => hearing('journal-search', said, [...words, lines]).stdout;

  test('shows so many of the last lines, and counts all', () => {
    const said = [1, 2, 3].map((at) => `${String(at)} needle\n`).join('');
    expect(search(said, '3')).toBe(`searched=3 matches=3 complete=yes\n${said}`);
    expect(search(said, '2')).toBe('searched=3 matches=3 complete=yes\n2 needle\n3 needle\n');
  });

  test('shows 4,096 bytes of a line', () => {
    const line = (bytes: number): string => `needle${'x'.repeat(bytes - 6)}`;
    expect(search(`${line(4_096)}\n`).split('\n')[1]).toBe(line(4_096));
    expect(search(`${line(4_097)}\n`).split('\n')[1]).toBe(line(4_096));
  });

  test('searches 256 MiB, and not one byte more', () => {
    const most = 256 * 1024 * 1024;
    const lines = (bytes: number): string =>
      `yes "$(printf '%04095d' 0)" | head -c ${String(bytes - 7)}; echo needle`;
    const found = (bytes: number) => running('journal-search', lines(bytes), [...words, '50']).stdout;
    expect(found(most)).toMatch(/^searched=[0-9]+ matches=1 complete=yes\n/u);
    expect(found(most + 1)).toMatch(/^searched=[0-9]+ matches=[01] complete=no\n/u);
  });

  test('says less than all when its time is over', () => {
    const endless = 'while :; do echo needle; done';
    expect(running('journal-search', endless, [...words, '1'], { SECONDS: '0.1' }).stdout).toMatch(
      /^searched=[0-9]+ matches=[0-9]+ complete=no\nneedle\n$/u,
    );
  });
});

describe('journal-volume', () => {
  const entry = (unit: string, message: string): string => `_SYSTEMD_UNIT=${unit}\nMESSAGE=${message}\n\n`;
  const volume = (said: string, constants = {}) =>
    hearing('journal-volume', said, ['1h'], constants).stdout.split('\n');

  test('40 units are told of, the total is of all', () => {
    const units = (count: number): string =>
      Array.from({ length: count }, (_, at) => entry(`u${String(at)}.service`, 'four')).join('');
    expect(volume(units(40))).toHaveLength(42);
    const more = volume(units(41));
    expect(more).toHaveLength(42);
    expect(more[40]).toBe('total\t41\t164');
  });

  test('a name of 200 characters is one, a longer one is "other"', () => {
    const name = 'u'.repeat(200);
    expect(volume(entry(name, 'x'))[0]).toBe(`${name}\t1\t1`);
    expect(volume(entry(`${name}u`, 'x'))[0]).toBe('other\t1\t1');
  });

  test('what was counted when its time is over is a part', () => {
    const said = entry('a.service', 'x') + entry('a.service', 'x');
    expect(volume(said)).toContain('total\t2\t2');
    expect(volume(said, { SECONDS: '-1' })).toContain('cut\t1\t1');
  });
});

describe('auth-failures', () => {
  const entry = (user: string, more = {}): string =>
    `${JSON.stringify({ MESSAGE: `Failed password for invalid user ${user} from 192.0.2.1 port 4711 ssh2`, SYSLOG_IDENTIFIER: 'sshd-session', _UID: '0', _PID: '7', __REALTIME_TIMESTAMP: '1795346400000000', ...more })}\n`;
  const counted = (said: string, constants = {}) =>
    JSON.parse(hearing('auth-failures', said, ['1d'], constants).stdout) as Record<string, unknown>;

  test('a name that is no account is shown from the third time on', () => {
    expect(counted(entry('mallory').repeat(2))).toMatchObject({
      failures: 2,
      unnamed_failures: 2,
      users: [],
    });
    expect(counted(entry('mallory').repeat(3))).toMatchObject({
      unnamed_failures: 0,
      users: [{ user: 'mallory', account: false, failures: 3 }],
    });
  });

  test('20 users are shown', () => {
    const users = (count: number): string =>
      Array.from({ length: count }, (_, at) => entry(`mallory${String(at)}`).repeat(3)).join('');
    expect(counted(users(20))['users']).toHaveLength(20);
    expect(counted(users(21))).toMatchObject({ failures: 63, users: { length: 20 } });
  });

  test('as many messages as it reads are all, one more is not', () => {
    expect(counted(entry('mallory').repeat(5), { ENTRIES: '5' })).toMatchObject({
      failures: 5,
      complete: true,
    });
    expect(counted(entry('mallory').repeat(6), { ENTRIES: '5' })).toMatchObject({
      failures: 5,
      complete: false,
    });
  });

  test('a message is read as far as 1,024 characters', () => {
    const rest = 'Failed password for invalid user  from 192.0.2.1 port 4711 ssh2'.length;
    const named = (length: number) => counted(entry('m'.repeat(length - rest)).repeat(3));
    expect(named(1_024)).toMatchObject({ failures: 3, ssh_failures: 3 });
    // What is left says no method, and no port.
    expect(named(1_024 + ' port 4711 ssh2'.length)).toMatchObject({ failures: 0 });
  });

  test('only what sshd said as root counts', () => {
    expect(counted(entry('mallory', { _UID: '1000' }).repeat(3))).toMatchObject({ failures: 0 });
  });
});
