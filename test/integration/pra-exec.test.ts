import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { RESERVED_WORDS } from '../../src/catalog/check-action.ts';
import { DatagramSocket } from '../support/datagram-socket.ts';
import { RenderedTarget } from '../support/rendered-target.ts';

const SOURCE = resolve(import.meta.dirname, '../../target-scripts/pra-exec');
const target = new RenderedTarget();
afterAll(() => target.remove());

writeFileSync(join(target.tables, 'actions/restart_service.json'), '{}');
target.install();
// In place of pra-run: says what reached it.
target.script('bin/pra-run', '#!/bin/sh\nprintf "%s:%s\\n" "$#" "$*"\nenv | sort\ncat\n');

const send = (line: string | undefined, calling = {}) => target.call('pra-exec', { line, ...calling });
const refused = (exit: number, code: string) => ({ exit, stdout: '', stderr: `refused pra-exec ${code}\n` });

describe('pra-exec', () => {
  test.each([...RESERVED_WORDS, 'restart_service'])(
    'hands %s over as the only argument, with input untouched and an environment of its own',
    async (word) => {
      const { exit, stdout } = await send(word, {
        input: 'ticket\0 $(id)\n',
        env: { LANG: 'x', SECRET: 'hunter2', LD_PRELOAD: '' },
      });
      expect({
        exit,
        lines: stdout.split('\n').filter((line) => !line.startsWith('PWD=')),
      }).toEqual({
        exit: 0,
        lines: [
          `1:${word}`,
          'HOME=/',
          'LC_ALL=C.UTF-8',
          'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
          'ticket\0 $(id)',
          '',
        ],
      });
    },
  );

  test.each(['reload_proxy', 'reboot', 'sh', 'restart_servic', 'constructor'])(
    'refuses %s, which is not installed',
    async (word) => {
      expect(await send(word)).toEqual(refused(126, 'WORD_UNLISTED'));
    },
  );

  test.each([
    '',
    ' status',
    'status ',
    'status x',
    'status\n',
    'status\nprepare',
    'status;id',
    '-status',
    '--execute',
    'Status',
    '../actions/restart_service',
    'restart_service.json',
    'restart-service',
    '*',
    '$(id)',
    '1status',
    `a${'x'.repeat(40)}`,
  ])('refuses the line %j', async (line) => {
    expect(await send(line)).toEqual(refused(64, 'LINE_FORM'));
  });

  test('an action of 40 bytes is a word', async () => {
    const word = `a${'x'.repeat(39)}`;
    writeFileSync(target.path(`lib/actions/${word}.json`), '{}');
    expect(await send(word)).toMatchObject({ exit: 0, stdout: expect.stringMatching(`^1:${word}\n`) });
  });

  test.each<[string, string[], string | undefined]>([
    ['no argument', [], 'status'],
    ['no line', ['-c', target.path('bin/pra-exec')], undefined],
    ['the call that sshd makes for ~/.ssh/rc', ['-c', '/bin/sh .ssh/rc'], 'status'],
    ['itself and an argument', ['-c', target.path('bin/pra-exec'), 'x'], 'status'],
    ['a login shell', ['-l'], 'status'],
  ])('refuses a login with %s', async (_, argv, line) => {
    expect(await send(line, { argv })).toEqual(refused(126, 'LOGIN'));
  });

  test('refuses everything while a file `disabled` is there', async () => {
    writeFileSync(target.path('etc/disabled'), '');
    const answers = [await send('status'), await send('no such')];
    rmSync(target.path('etc/disabled'));
    expect(answers).toEqual([refused(75, 'DISABLED'), refused(75, 'DISABLED')]);
  });

  test('as it stands in the repository it refuses', () => {
    const { status, stderr } = spawnSync(SOURCE, ['-c', '@BIN@/pra-exec'], {
      env: { SSH_ORIGINAL_COMMAND: 'status' },
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([126, 'refused pra-exec LOGIN\n']);
  });

  test('leaves one audit datagram a call, in words of our own', async () => {
    const socket = await DatagramSocket.open(target.logSocket, 'read');
    const record = async (line: string) => {
      await send(line, { env: { SSH_CONNECTION: '192.0.2.7 1 192.0.2.8 22' } });
      return (await socket.next()).replace(/^<86>.*? pra-exec: /u, '');
    };
    const records = [await record('status'), await record('-f /etc/shadow'), await record('reboot')];
    await socket.close();
    rmSync(target.logSocket);
    expect(records).toEqual([
      'v=1 verdict=ok code=- verb=status from=192.0.2.7 ms=0',
      'v=1 verdict=refused code=LINE_FORM verb=- from=192.0.2.7 ms=0',
      'v=1 verdict=refused code=WORD_UNLISTED verb=- from=192.0.2.7 ms=0',
    ]);
  });
});
