import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { DatagramSocket } from '../support/datagram-socket.ts';
import { isRunning, RenderedTarget, sectionsOf, verbText } from '../support/rendered-target.ts';

const SOURCE = resolve(import.meta.dirname, '../../target-scripts/mcp-wrapper');
const target = new RenderedTarget();
afterAll(() => target.remove());
beforeEach(() => rmSync(target.path('run/reader/rate'), { force: true }));

const refused = (exit: number, code: string) => ({ exit, stdout: '', stderr: `refused wrapper ${code}\n` });
const shell = (script: string) => ['out', '/bin/sh', '-c', script] as const;

/** Waits for something that another process does; the test's own limit ends it. */
const until = async (isSo: () => boolean) => {
  while (!isSo()) await sleep(20);
};

/** Puts a name table for `main` into place. */
const nameLog = (text: string) => {
  rmSync(target.path('etc/names/log/main'), { force: true, recursive: true });
  writeFileSync(target.path('etc/names/log/main'), text);
};

const showName = () =>
  target.verb('v', {
    params: [{ name: 'a', type: 'log', bounds: '-' }],
    run: [['out', '/usr/bin/printf', '%s', '--file={a}']],
  });

/** The numbers of open descriptors, from `ls -l /proc/self/fd`. */
const descriptorsIn = (listing = '') => listing.match(/ \d+ -> /gu)?.sort();

/** A process that was killed takes a moment to be gone; these would otherwise live for a quarter of an hour. */
const ended = (pids: number[]) => until(() => !pids.some(isRunning));

/** Calls, and waits until the program and its child have each left their process id. */
const start = async (child: string) => {
  const folder = target.path('run/started');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder); // directories in it are the ids: a program may write no file
  const script = `mkdir ${folder}/$$; sh -c '${child} mkdir ${folder}/$$; sleep 1000; :' & wait`;
  target.verb('v', { seconds: 600, run: [shell(script), ['next', '/usr/bin/true']] });
  const wrapper = target.spawn('mcp-wrapper', { line: 'v' });
  wrapper.stdout.resume();
  wrapper.stdin.write('hold\n');
  await until(() => readdirSync(folder).length === 2);
  return { wrapper, pids: readdirSync(folder).map(Number) };
};

const uptime = () => Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);

/** The minute since boot; never in its last seconds, so that it is still the same when the wrapper looks. */
const minute = async (): Promise<number> => {
  while (uptime() % 60 > 55) await sleep(500);
  return Math.floor(uptime() / 60);
};

const from = (address: string) => ({ env: { SSH_CONNECTION: `${address} 50000 192.0.2.8 22` } });

describe('login', () => {
  target.verb('ping', { run: [['out', '/usr/bin/true']] });

  test.each<[string, string[], string | undefined]>([
    ['no argument', [], 'ping'],
    ['no request line', ['-c', target.path('bin/mcp-wrapper')], undefined],
    ['an interactive login shell', ['-l'], 'ping'],
    ['-c alone', ['-c'], 'ping'],
    ['another command', ['-c', '/bin/sh'], 'ping'],
    ['the call that sshd makes for ~/.ssh/rc', ['-c', '/bin/sh .ssh/rc'], 'ping'],
    ['itself and an argument', ['-c', target.path('bin/mcp-wrapper'), 'x'], 'ping'],
    ['itself and an argument in one', ['-c', `${target.path('bin/mcp-wrapper')} x`], 'ping'],
    ['another option', ['-x', target.path('bin/mcp-wrapper')], 'ping'],
    ['itself under another name', ['-c', `${target.prefix}/bin/../bin/mcp-wrapper`], 'ping'],
  ])('is refused with %s', async (_, argv, line) => {
    expect(await target.look(line, { argv })).toEqual(refused(126, 'LOGIN'));
  });

  test('as it stands in the repository the script refuses', () => {
    const { status, stderr, stdout } = spawnSync(SOURCE, ['-c', '@BIN@/mcp-wrapper'], {
      env: { SSH_ORIGINAL_COMMAND: 'ping' },
      encoding: 'utf8',
    });
    expect({ status, stderr, stdout }).toEqual({
      status: 126,
      stderr: 'refused wrapper LOGIN\n',
      stdout: '',
    });
  });
});

describe('the switch', () => {
  test('a file `disabled` refuses before anything is looked at', async () => {
    target.verb('ping', { run: [['out', '/usr/bin/true']] });
    writeFileSync(target.path('etc/disabled'), '');
    expect(await target.look('ping')).toEqual(refused(75, 'DISABLED'));
    expect(await target.look('no such;line ')).toEqual(refused(75, 'DISABLED'));
    rmSync(target.path('etc/disabled'));
    expect(await target.look('ping')).toMatchObject({ exit: 0 });
  });

  test('a link that leads nowhere is a switch, too', async () => {
    symlinkSync('/nowhere', target.path('etc/disabled'));
    expect(await target.look('ping')).toEqual(refused(75, 'DISABLED'));
    rmSync(target.path('etc/disabled'));
  });

  test('where no switch can be looked for, it counts as thrown', async () => {
    renameSync(target.path('etc'), target.path('etc-away'));
    const answer = await target.look('ping');
    renameSync(target.path('etc-away'), target.path('etc'));
    expect(answer).toEqual(refused(75, 'DISABLED'));
  });
});

describe('verb files', () => {
  const good = verbText({
    params: [{ name: 'a', type: 'port', bounds: '-' }],
    run: [['out', '/usr/bin/printf', '{a}']],
  });
  const [head = '', param = '', limit = '', run = ''] = good.split(/(?<=\n)/u);

  test('the good one, of which the others are spoilt', async () => {
    target.verb('v', good);
    expect(await target.look('v 1')).toMatchObject({ exit: 0, stderr: '' });
  });

  test.each<[string, string]>([
    ['empty', ''],
    ['without its last LF', good.slice(0, -1)],
    ['with an empty line', `${head}\n${param}${limit}${run}`],
    ['with an empty line at the end', `${good}\n`],
    ['without a head', param + limit + run],
    ['with two heads', head + head + param + limit + run],
    ['of version 2', good.replace('v1', 'v2')],
    ['with a short digest', good.replace(/[0-9a-f]{64}/u, 'ab')],
    ['with an upper-case digest', good.replace(/[0-9a-f]{64}/u, 'A'.repeat(64))],
    ['without a limit', head + param + run],
    ['with two limits', head + param + limit + limit + run],
    ['with a limit of no seconds', good.replace('limit\t10', 'limit\t0')],
    ['with a limit that is no number', good.replace('limit\t10', 'limit\tten')],
    ['with a limit of no bytes', good.replace('65536', '0')],
    ['with a limit of three', good.replace('65536', '65536\t1')],
    ['without a run line', head + param + limit],
    ['with a run line before the limit', head + param + run + limit],
    ['with a param after the limit', head + limit + param + run],
    ['with a param after a run line', head + limit + run + param],
    ['with an unknown keyword', `${good}exec\tout\t/bin/sh\n`],
    ['with a keyword in upper case', good.replace('limit', 'LIMIT')],
    ['with the same parameter twice', head + param + param + limit + run],
    ['with a bad parameter name', good.replace('param\ta', 'param\tA').replace('{a}', 'a')],
    ['with a parameter of five fields', good.replace('port\t-', 'port\t-\t-')],
    ['with a parameter of three fields', good.replace('port\t-', 'port')],
    ['with an unknown type', good.replace('port\t-', 'path\t-')],
    ['with a section of bad name', good.replace('run\tout', 'run\tOut')],
    ['with the same section twice', good + run],
    ['with a section and no program', good.replace(/run\tout.*/u, 'run\tout')],
    ['with a relative program', good.replace('/usr/bin/printf', 'printf')],
    ['with a placeholder for a program', good.replace('/usr/bin/printf', '{a}')],
    ['with a placeholder that is no parameter', good.replace('{a}', '{b}')],
    ['with an option whose placeholder is no parameter', good.replace('{a}', '--x={b}')],
    ['with an option whose minus placeholder is no parameter', good.replace('{a}', '--x=-{b}')],
    ['with two tabs', good.replace('run\tout', 'run\t\tout')],
    ['with a tab at the start of a line', head + param + limit + '\t' + run],
    ['with a tab at the end of a line', good.replace(/\n$/u, '\t\n')],
    ['with a carriage return', good.replaceAll('\n', '\r\n')],
    ['with a control character', good.replace('/usr/bin/printf', '/usr/bin/printf\u0007')],
  ])('one %s is refused before anything runs', async (_, text) => {
    target.verb('v', text);
    expect(await target.look('v 1')).toEqual(refused(70, 'TABLE_BAD'));
  });

  test('a broken table wins over a wrong number of values', async () => {
    target.verb('v', good.replace('{a}', '{b}'));
    expect(await target.look('v')).toEqual(refused(70, 'TABLE_BAD'));
  });

  test('a link is refused', async () => {
    target.verb('real', good);
    symlinkSync('real', target.path('lib/verbs/linked'));
    expect(await target.look('linked 1')).toEqual(refused(70, 'TABLE_BAD'));
  });

  test('a directory is no verb', async () => {
    mkdirSync(target.path('lib/verbs/folder'));
    expect(await target.look('folder 1')).toEqual(refused(126, 'VERB_UNLISTED'));
  });

  test('rendered for a real host, tables that the caller owns are refused', async () => {
    const host = new RenderedTarget({ launcher: 'sudo' });
    host.verb('v', good);
    const answer = await host.look('v 1');
    host.remove();
    expect(answer).toEqual(refused(70, 'TABLE_BAD'));
  });

  test('placeholders: a whole token, after = and after =-; nothing else is special', async () => {
    const tokens = [
      '%s\\n',
      '{a}',
      '--x={a}',
      '--x=-{a}',
      '{a}={a}',
      'x{a}',
      '{a}x',
      '{',
      '{}',
      '={}',
      '$HOME',
      '*',
      'a b',
      '`id`',
      '{A}',
    ];
    target.verb('v', {
      params: [{ name: 'a', type: 'port', bounds: '-' }],
      run: [['out', '/usr/bin/printf', ...tokens]],
    });
    const { stdout } = await target.look('v 22');
    expect(sectionsOf(stdout)['out']?.output.split('\n')).toEqual([
      '22',
      '--x=22',
      '--x=-22',
      '{a}=22',
      'x{a}',
      '{a}x',
      '{',
      '{}',
      '={}',
      '$HOME',
      '*',
      'a b',
      '`id`',
      '{A}',
      '',
    ]);
  });
});

describe('names', () => {
  test('stand for the one line of their table', async () => {
    showName();
    nameLog('/var/log/with space {a}.log\n');
    const { stdout } = await target.look('v main');
    expect(sectionsOf(stdout)['out']?.output).toBe('--file=/var/log/with space {a}.log');
  });

  test.each([
    ['empty', ''],
    ['of an empty line', '\n'],
    ['without LF', '/var/log/syslog'],
    ['of two lines', '/var/log/syslog\n/etc/shadow\n'],
    ['with bytes after its line', '/var/log/syslog\nx'],
    ['with an option', '--file=/etc/shadow\n'],
    ['with a tab', '/var/log/a\tb\n'],
    ['with an escape', '/var/log/\u001b[2J\n'],
  ])('a table %s stands for nothing', async (_, text) => {
    showName();
    nameLog(text);
    expect(await target.look('v main')).toEqual(refused(64, 'NAME_UNKNOWN'));
  });

  test('a link or a directory stands for nothing', async () => {
    showName();
    symlinkSync('/etc/hostname', target.path('etc/names/log/linked'));
    mkdirSync(target.path('etc/names/log/folder'));
    expect(await target.look('v linked')).toEqual(refused(64, 'NAME_UNKNOWN'));
    expect(await target.look('v folder')).toEqual(refused(64, 'NAME_UNKNOWN'));
  });
});

describe('a program', () => {
  test('has the constant environment, no more descriptors, no new privileges and limits', async () => {
    target.verb('v', {
      run: [
        ['env', '/usr/bin/env'],
        ['fds', '/bin/ls', '-l', '/proc/self/fd'],
        ['status', '/bin/cat', '/proc/self/status'],
        ['limits', '/bin/cat', '/proc/self/limits'],
        ['cwd', '/bin/readlink', '/proc/self/cwd'],
        ['input', '/bin/cat'],
        ['stat', '/bin/cat', '/proc/self/stat'],
      ],
    });
    const { stdout, stderr } = await target.look('v', {
      input: 'this is not for the program\n',
      env: {
        PATH: '/evil',
        LANG: 'de_DE.UTF-8',
        LC_ALL: 'tr_TR.UTF-8',
        IFS: 'xyz',
        ENV: '/evil/env',
        BASH_ENV: '/evil/bash',
        SSH_CONNECTION: '192.0.2.7 1 192.0.2.8 22',
        SECRET: 'hunter2',
      },
    });
    expect(stderr).toBe('');
    const sections = sectionsOf(stdout);
    expect(sections['env']?.output.split('\n').filter((line) => line !== 'PWD=/')).toEqual([
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
      'LC_ALL=C.UTF-8',
      'TZ=UTC',
      'HOME=/',
      'TERM=dumb',
      'SYSTEMD_COLORS=0',
      'SYSTEMD_PAGER=',
      'PAGER=cat',
      '',
    ]);
    // a program started without the wrapper shows what the machine itself hands down
    expect(descriptorsIn(sections['fds']?.output)).toEqual(
      descriptorsIn(execFileSync('/bin/ls', ['-l', '/proc/self/fd'], { encoding: 'utf8' })),
    );
    expect(sections['fds']?.output).toMatch(/ 0 -> \/dev\/null\n.* 1 -> pipe:(?:.|\n)* 2 -> \/dev\/null\n/u);
    expect(sections['status']?.output).toMatch(/^NoNewPrivs:\t1$/mu);
    expect(sections['limits']?.output).toMatch(/^Max core file size +0 +0 /mu);
    expect(sections['limits']?.output).toMatch(/^Max file size +0 +0 /mu);
    expect(sections['cwd']?.output).toBe('/\n');
    expect(sections['input']?.output).toBe('');
    // its process group is led by timeout, its parent: fields 4 and 5 of proc(5) stat
    const [, , , parent, group] = sections['stat']?.output.split(' ') ?? [];
    expect(group).toBe(parent);
  });

  test.each<[string, string, number]>([
    ['0', 'exit 0', 0],
    ['3', 'exit 3', 3],
    ['255', 'exit 255', 255],
    ['a signal', 'kill -9 $$', 137],
    ['124 of its own, which is no timeout', 'exit 124', 124],
    ['137 of its own', 'exit 137', 137],
  ])('keeps its exit code: %s', async (_, script, rc) => {
    target.verb('v', { run: [shell(`echo out; echo err >&2; ${script}`), ['next', '/usr/bin/true']] });
    const { exit, stdout, stderr } = await target.look('v');
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    expect(sectionsOf(stdout)).toMatchObject({ out: { output: 'out\n', rc, cut: 0 }, next: { rc: 0 } });
  });

  test('that is not there has rc 127', async () => {
    target.verb('v', { run: [['out', '/nowhere/program']] });
    expect(sectionsOf((await target.look('v')).stdout)).toMatchObject({ out: { output: '', rc: 127 } });
  });

  test('sections come in order, with output that nobody changed', async () => {
    target.verb('v', {
      run: [
        ['second', '/usr/bin/printf', '\\n\\n--x\\n'],
        ['first', '/usr/bin/printf', 'a\\0b\\377'],
        ['none', '/usr/bin/true'],
      ],
    });
    const sections = sectionsOf((await target.look('v')).stdout);
    expect(Object.keys(sections)).toEqual(['second', 'first', 'none']);
    expect(sections['second']?.output).toBe('\n\n--x\n');
    expect(sections['first']?.output).toBe('a\u0000b\u00ff');
    expect(sections['none']?.output).toBe('');
  });

  test('cannot learn the boundary from an environment or an argv', async () => {
    target.verb('v', { run: [shell('cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; :')], bytes: 9_999_999 });
    const first = (await target.look('v')).stdout;
    const [, boundary = 'none'] = /^mcp-pra 1 \S+ (\S+)\n/u.exec(first) ?? [];
    expect(sectionsOf(first)['out']?.output).toContain('mcp-wrapper');
    expect(sectionsOf(first)['out']?.output).not.toContain(boundary);
    expect((await target.look('v')).stdout).not.toContain(boundary);
  });

  test('leaves nothing behind in its process group', async () => {
    target.verb('v', { run: [shell('sleep 1000 & echo $!')] });
    const pid = Number(sectionsOf((await target.look('v')).stdout)['out']?.output);
    expect(pid).toBeGreaterThan(1);
    await ended([pid]);
  });
});

describe('the output stop', () => {
  test.each([
    [999, 999, 0],
    [1000, 1000, 1],
    [1001, 1000, 1],
    [300_000, 1000, 1],
  ])('of 1000 bytes: %i bytes become %i, cut=%i', async (written, sent, cut) => {
    target.verb('v', {
      bytes: 1000,
      run: [
        ['out', '/usr/bin/head', '-c', String(written), '/dev/zero'],
        ['next', '/usr/bin/true'],
      ],
    });
    const { exit, stdout } = await target.look('v');
    const sections = sectionsOf(stdout);
    expect([exit, sections['out']?.output.length, sections['out']?.cut]).toEqual([0, sent, cut]);
    expect(sections['next']).toMatchObject({ rc: 0, cut: 0 });
  });

  test('of more than one block of copying', async () => {
    target.verb('v', { bytes: 200_000, run: [['out', '/usr/bin/head', '-c', '200001', '/dev/zero']] });
    expect(sectionsOf((await target.look('v')).stdout)['out']).toMatchObject({
      cut: 1,
      output: '\0'.repeat(200_000),
    });
  });

  test('ends a program without end, whose rc says so', async () => {
    target.verb('v', { bytes: 1000, run: [['out', '/usr/bin/yes']] });
    const { exit, stdout } = await target.look('v');
    expect(exit).toBe(0);
    expect(sectionsOf(stdout)['out']).toMatchObject({ rc: 141, cut: 1, output: 'y\n'.repeat(500) });
  });

  test('keeps the exit code of a program that minds no lack of a reader', async () => {
    target.verb('v', { bytes: 10, run: [shell("trap '' PIPE; head -c 99999 /dev/zero; exit 7")] });
    expect(sectionsOf((await target.look('v')).stdout)['out']).toMatchObject({ rc: 7, cut: 1 });
  });
});

describe('the time limit', () => {
  test('stops the program and everything after it, and what came before stands', async () => {
    target.verb('v', {
      seconds: 1,
      run: [['before', '/bin/echo', 'before'], shell('echo $$; sleep 1000'), ['after', '/bin/echo', 'after']],
    });
    const { exit, stdout, stderr } = await target.look('v');
    const sections = sectionsOf(stdout);
    expect({ exit, stderr, names: Object.keys(sections) }).toEqual({
      exit: 124,
      stderr: '',
      names: ['before', 'out'],
    });
    expect(sections['out']?.rc).toBe(124);
    await ended([Number(sections['out']?.output)]);
  });

  test('stops programs that ignore TERM, and their children', async () => {
    target.verb('v', {
      seconds: 1,
      run: [shell('trap "" TERM; echo $$; sh -c \'trap "" TERM; echo $$; while :; do sleep 1000; done\'; :')],
    });
    const { exit, stdout } = await target.look('v');
    const out = sectionsOf(stdout)['out'];
    expect({ exit, rc: out?.rc }).toEqual({ exit: 124, rc: 124 });
    const pids = out?.output.trim().split('\n').map(Number) ?? [];
    expect(pids).toHaveLength(2);
    await ended(pids);
  });
});

describe('a caller who is gone', () => {
  test('after hold: the end of input stops the program and its children', async () => {
    const { wrapper, pids } = await start('trap "" TERM;');
    expect(pids.map(isRunning)).toEqual([true, true]);
    wrapper.stdin.end();
    const exit = await new Promise((done) => wrapper.on('close', done));
    expect(exit).toBe(143);
    await ended(pids);
  });

  test('the wrapper killed outright: the program gets TERM all the same', async () => {
    const { wrapper, pids } = await start('');
    wrapper.kill('SIGKILL');
    await ended(pids);
    expect(pids).toHaveLength(2);
  });

  test.each([
    ['no input at all', ''],
    ['another line', 'hold on\n'],
    ['hold without its LF', 'hold'],
    ['a line before it', '\nhold\n'],
  ])('without hold the end of input means nothing: %s', async (_, input) => {
    target.verb('v', { run: [shell('sleep 0.2; echo done')] });
    const { exit, stdout } = await target.look('v', { input });
    expect(exit).toBe(0);
    expect(sectionsOf(stdout)['out']?.output).toBe('done\n');
  });

  test('who holds on gets a whole answer, and the watcher ends with it', async () => {
    target.verb('v', { run: [['out', '/bin/echo', 'done']] });
    const child = target.spawn('mcp-wrapper', { line: 'v' });
    child.stdin.write('hold\n');
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const exit = await new Promise((done) => child.on('close', done));
    expect(exit).toBe(0);
    expect(sectionsOf(Buffer.concat(chunks).toString('latin1'))['out']?.output).toBe('done\n');
    await until(() => !processesNaming(target.path('bin/mcp-wrapper')));
    child.stdin.destroy();
  });
});

const processesNaming = (text: string): boolean =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/u.test(entry) && isRunning(Number(entry)))
    .some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text);
      } catch {
        return false;
      }
    });

describe('the rate', () => {
  const RATE = target.path('run/reader/rate');
  const WARNING = 'warning wrapper RATE_UNAVAILABLE\n';

  const look = (line: string) => target.look(line, from('192.0.2.7'));
  const setUp = () => target.verb('v', { run: [['out', '/usr/bin/true']] });

  test('counts each call that runs, and none that is refused', async () => {
    setUp();
    const now = await minute();
    await look('v');
    await look('unlisted');
    await look('v');
    expect(readFileSync(RATE, 'latin1')).toBe(`${now}\n..`);
  });

  test('lets 240 calls a minute through and refuses the next', async () => {
    setUp();
    const now = await minute();
    writeFileSync(RATE, `${now}\n${'.'.repeat(239)}`);
    expect(await look('v')).toMatchObject({ exit: 0, stderr: '' });
    expect(await look('v')).toEqual(refused(75, 'RATE_LIMITED'));
    expect(await look('v')).toEqual(refused(75, 'RATE_LIMITED'));
    expect(await look('v 1')).toEqual(refused(64, 'VALUE_COUNT'));
  });

  test('begins anew with the next minute, and after a reboot', async () => {
    setUp();
    const now = await minute();
    for (const then of [now - 1, now + 5, 999_999]) {
      writeFileSync(RATE, `${then}\n${'.'.repeat(240)}`);
      expect(await look('v')).toMatchObject({ exit: 0, stderr: '' });
      expect(readFileSync(RATE, 'latin1')).toBe(`${now}\n.`);
    }
  });

  test('calls at the same time are all counted', async () => {
    setUp();
    const now = await minute();
    writeFileSync(RATE, `${now}\n`);
    await Promise.all(Array.from({ length: 20 }, () => look('v')));
    expect(readFileSync(RATE, 'latin1')).toBe(`${now}\n${'.'.repeat(20)}`);
  });

  test('garbage in its file is begun anew', async () => {
    setUp();
    const now = await minute();
    writeFileSync(RATE, 'a[$(id)]\n');
    expect(await look('v')).toMatchObject({ exit: 0, stderr: '' });
    expect(readFileSync(RATE, 'latin1')).toBe(`${now}\n.`);
  });

  test.each<[string, () => void]>([
    ['no directory', () => rmSync(target.path('run/reader'), { recursive: true })],
    ['a link for its file', () => symlinkSync(target.path('run/victim'), RATE)],
    ['a directory for its file', () => mkdirSync(RATE)],
    [
      'a link for its directory',
      () => {
        rmSync(target.path('run/reader'), { recursive: true });
        mkdirSync(target.path('run/elsewhere'), { recursive: true });
        symlinkSync('elsewhere', target.path('run/reader'));
      },
    ],
  ])('with %s the call runs and says so', async (_, spoil) => {
    setUp();
    spoil();
    const answer = await look('v');
    expect(answer).toMatchObject({ exit: 0, stderr: WARNING });
    expect(existsSync(target.path('run/victim'))).toBe(false);
    expect(existsSync(target.path('run/elsewhere/rate'))).toBe(false);
    rmSync(target.path('run/reader'), { recursive: true, force: true });
    mkdirSync(target.path('run/reader'), { mode: 0o700 });
  });

  test('does not hold up the host itself, which has no connection', async () => {
    setUp();
    writeFileSync(RATE, `${await minute()}\n${'.'.repeat(240)}`);
    expect(await look('v')).toEqual(refused(75, 'RATE_LIMITED'));
    expect(await target.look('v')).toMatchObject({ exit: 0, stderr: '' });
  });
});

describe('the audit record', () => {
  test('is one datagram a request, in words of our own', async () => {
    target.verb('v', {
      seconds: 1,
      params: [{ name: 'a', type: 'port', bounds: '-' }],
      run: [['out', '/bin/sleep', '{a}']],
    });
    target.verb('quick', { run: [['out', '/usr/bin/true']] });
    const socket = await DatagramSocket.open(target.logSocket, 'read');
    const record = async (line: string, calling = {}) => {
      await target.look(line, calling);
      const [, priority, text] = /^<(\d+)>\w+ +\d+ [\d:]+ (.*)$/u.exec(await socket.next()) ?? [];
      return [priority, text?.replace(/ ms=\d+$/u, ' ms=N')];
    };
    // 86: authpriv (10) times 8, info (6)
    expect(await record('quick', from('192.0.2.7'))).toEqual([
      '86',
      'mcp-wrapper: v=1 verdict=ok code=- verb=quick from=192.0.2.7 ms=N',
    ]);
    expect(await record('v 9', from('2001:db8::7'))).toEqual([
      '86',
      'mcp-wrapper: v=1 verdict=timeout code=- verb=v from=2001:db8::7 ms=N',
    ]);
    expect(await record('v 0')).toEqual([
      '86',
      'mcp-wrapper: v=1 verdict=refused code=VALUE_BAD verb=v from=- ms=N',
    ]);
    expect(await record('-f /etc/shadow')).toEqual([
      '86',
      'mcp-wrapper: v=1 verdict=refused code=LINE_FORM verb=- from=- ms=N',
    ]);
    expect(await record('evil', from('evil=1'))).toEqual([
      '86',
      'mcp-wrapper: v=1 verdict=refused code=VERB_UNLISTED verb=- from=- ms=N',
    ]);
    expect(await record('quick', from('1'.repeat(46)))).toEqual([
      '86',
      'mcp-wrapper: v=1 verdict=ok code=- verb=quick from=- ms=N',
    ]);
    await socket.close();
    rmSync(target.logSocket);
  });

  test('nobody waits for it: a full socket that nobody reads costs nothing and leaves nothing', async () => {
    target.verb('quick', { run: [['out', '/usr/bin/true']] });
    const socket = await DatagramSocket.open(target.logSocket, 'full');
    const answer = await target.look('quick');
    expect(answer).toMatchObject({ exit: 0, stderr: '' });
    // the answer is whole while the sender still hangs, and the sender gives up by itself
    expect(processesNaming(`-u\0${target.logSocket}`)).toBe(true);
    await until(() => !processesNaming(`-u\0${target.logSocket}`));
    await socket.close();
    rmSync(target.logSocket);
  });

  test('without a socket there is no record and no complaint', async () => {
    target.verb('quick', { run: [['out', '/usr/bin/true']] });
    expect(await target.look('quick')).toMatchObject({ exit: 0, stderr: '' });
  });
});

describe('what it costs', () => {
  const hasStrace = spawnSync('strace', ['-f', '-o', '/dev/null', '/usr/bin/true']).status === 0;

  test.skipIf(!hasStrace)(
    'at most six processes over the bare command, the audit record among them',
    async () => {
      target.verb('quick', { run: [['out', '/usr/bin/true']] });
      const socket = await DatagramSocket.open(target.logSocket, 'read');
      const self = target.path('bin/mcp-wrapper');
      const trace = target.path('run/trace');
      execFileSync('strace', ['-f', '-o', trace, '-e', 'trace=clone,clone3,fork,vfork', self, '-c', self], {
        env: { PATH: process.env['PATH'], SSH_ORIGINAL_COMMAND: 'quick' },
        input: '',
      });
      await socket.next();
      await socket.close();
      rmSync(target.logSocket);
      const forks = readFileSync(trace, 'latin1').match(/(?:clone3?|v?fork)\(.*= \d+$/gmu)?.length ?? 0;
      // the wrapper and what it forked, less the bare command itself
      expect(1 + forks - 1).toBeLessThanOrEqual(6);
      expect(forks).toBeGreaterThan(2);
    },
  );
});
