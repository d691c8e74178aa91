import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';

const SCRIPTS = resolve(import.meta.dirname, '../../target-scripts/scripts');
const root = mkdtempSync(join(tmpdir(), 'mcp-pra-scripts-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const run = (script: string, args: readonly string[]) => {
  const { status, stdout } = spawnSync(join(SCRIPTS, script), args, { encoding: 'utf8', env: {} });
  return { status, stdout };
};

describe('an argument that is none is refused before anything is looked at', () => {
  const days = 'refused: takes one number of days, 7 to 365\n';
  test.each([
    [[]],
    [['']],
    [['6']],
    [['366']],
    [['07']],
    [['7d']],
    [['-7']],
    [['7\n']],
    [['a[0]']],
    [['1e2']],
    [['7', '8']],
    [['0007']],
  ])('vacuum-journal %j', (args) => {
    expect(run('vacuum-journal', args)).toEqual({ status: 3, stdout: days });
  });

  const collectors = 'refused: takes one word: the name of a collector\n';
  test.each([
    [[]],
    [['']],
    [['processes', 'security']],
    [['../x']],
    [['x.service']],
    [['--now']],
    [['-']],
    [['a b']],
    [['processes\n']],
    [['*']],
    [['Processes']],
  ])('refresh-facts %j', (args) => {
    expect(run('refresh-facts', args)).toEqual({ status: 3, stdout: collectors });
  });

  const proxies = 'refused: takes one word: nginx, haproxy, apache2 or caddy\n';
  test.each([
    [[]],
    [['']],
    [['ssh']],
    [['nginx.service']],
    [['nginx', 'caddy']],
    [['NGINX']],
    [['nginx\n']],
    [['--now']],
    [['*']],
  ])('reload-proxy %j', (args) => {
    expect(run('reload-proxy', args)).toEqual({ status: 3, stdout: proxies });
  });
});

// The scripts name their programs and files by the places of a real host. In a mount namespace of our own those places are
// ours: what systemd would be asked is written down. The real thing runs in the lab.
const log = join(root, 'log');
const programs = join(root, 'programs');
const PROGRAMS = ['journalctl', 'systemctl', 'nginx'];

/** Runs a script with /var/log and some programs of /usr/bin and /usr/sbin replaced. */
const within = (script: string, args: readonly string[]) => {
  const mounts = `mount --bind ${log} /var/log && mount -t tmpfs none /usr/sbin && mount -t overlay none /usr/bin -o lowerdir=${programs}:/usr/bin`;
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    [
      '--user',
      '--map-root-user',
      '--mount',
      '/bin/sh',
      '-c',
      `{ ${mounts}; } || exit 99; exec "$@"`,
      'sh',
      join(SCRIPTS, script),
      ...args,
    ],
    { encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } },
  );
  return { status, stdout, stderr };
};
const program = (name: string, text: string) => {
  writeFileSync(join(programs, name), `#!/bin/sh\necho "${name} $*"\n${text}\n`);
  chmodSync(join(programs, name), 0o755);
};

mkdirSync(log);
mkdirSync(programs);
const canStage = within('vacuum-journal', []).status === 3;

const kept = 'Nov 21 04:00:00 web1 mcp-wrapper: v=1 verdict=ok\n';
const write = (name: string, text: string, minutesAgo = 0) => {
  writeFileSync(join(log, name), text);
  const time = Date.now() / 1000 - 60 * minutesAgo;
  utimesSync(join(log, name), time, time);
};

describe.skipIf(!canStage)('on a host made of a mount namespace', () => {
  beforeEach(() => {
    rmSync(log, { recursive: true, force: true });
    mkdirSync(log);
    for (const name of PROGRAMS) program(name, '');
  });

  test.each<[string, () => void]>([
    ['there is no log file', () => undefined],
    ['the log file is empty', () => write('auth.log', '')],
    ['the log file holds no record of ours', () => write('auth.log', 'Nov 21 04:00:00 web1 sshd[1]: x\n')],
    ['nothing was written to the log file lately', () => write('auth.log', kept, 16)],
    ['the log file is a directory', () => mkdirSync(join(log, 'auth.log'))],
  ])('vacuum-journal refuses when %s', (_, prepare) => {
    prepare();
    const { status, stdout } = within('vacuum-journal', ['30']);
    expect(status).toBe(3);
    expect(stdout).toMatch(/^refused: .*\n$/u);
  });

  test.each(['auth.log', 'secure'])(
    'vacuum-journal goes ahead when %s is kept, and says the use before and after',
    (name) => {
      write(name, kept);
      expect(within('vacuum-journal', ['30'])).toEqual({
        status: 0,
        stdout:
          'before: journalctl --disk-usage\njournalctl --vacuum-time=30d\nafter: journalctl --disk-usage\n',
        stderr: '',
      });
    },
  );

  test('vacuum-journal takes a record in the file rotated last', () => {
    write('auth.log', 'Nov 21 04:00:00 web1 sshd[1]: x\n');
    write('auth.log.1', kept, 60);
    expect(within('vacuum-journal', ['7']).status).toBe(0);
  });

  test('reload-proxy tests, then reloads', () => {
    expect(within('reload-proxy', ['nginx'])).toEqual({
      status: 0,
      stdout:
        'systemctl is-active --quiet -- nginx.service\nnginx -t -q\nsystemctl reload -- nginx.service\nreloaded: nginx\n',
      stderr: '',
    });
  });

  test('reload-proxy reloads nothing that is not active', () => {
    program('systemctl', 'exit 3');
    const { status, stdout } = within('reload-proxy', ['nginx']);
    expect([status, stdout]).toEqual([
      3,
      'systemctl is-active --quiet -- nginx.service\nrefused: nginx is not active; reloading would not start it\n',
    ]);
  });

  test('reload-proxy reloads no configuration that fails its test', () => {
    program('nginx', 'exit 1');
    const { status, stdout } = within('reload-proxy', ['nginx']);
    expect(status).toBe(3);
    expect(stdout).not.toContain('systemctl reload');
    expect(stdout).toContain('refused: the configuration test of nginx failed');
  });
});
