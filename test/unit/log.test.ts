import { expect, test } from 'vitest';
import { PraError } from '../../src/errors.ts';
import { levelFrom, openLog, type Log } from '../../src/log.ts';

const capture = (use: (log: Log) => void): Record<string, unknown>[] => {
  const lines: string[] = [];
  use(openLog('info', { write: (line) => void lines.push(line) }));
  return lines.map((line): Record<string, unknown> => JSON.parse(line));
};

test('a record has its event, its fields and no secret', () => {
  const [record] = capture((log) =>
    log.warn('ssh_connect', {
      host: 'web1',
      passphrase: 'hunter2',
      url: 'https://bob:hunter2@x.example/',
      note: 'password=hunter2 x',
    }),
  );
  expect(record).toMatchObject({ msg: 'ssh_connect', host: 'web1', passphrase: '[masked]' });
  expect(JSON.stringify(record)).not.toContain('hunter2');
});

test('an error is written with its causes, without what libraries hang on it', () => {
  const cause = Object.assign(new Error('cannot parse -----BEGIN OPENSSH PRIVATE KEY-----\nhunter2'), {
    key: 'hunter2',
  });
  const [record] = capture((log) => log.error('failed', new PraError('INTERNAL', {}, cause)));
  expect(record).toMatchObject({ errors: [{ name: 'PraError', code: 'INTERNAL' }, { name: 'Error' }] });
  expect(JSON.stringify(record)).not.toContain('hunter2');
});

test('below its level nothing is written', () => {
  expect(capture((log) => log.debug('detail'))).toEqual([]);
});

test('the level comes from MCP_PRA_LOG when that is a level', () => {
  expect(levelFrom({ MCP_PRA_LOG: 'debug' }, 'warn')).toBe('debug');
  expect(levelFrom({ MCP_PRA_LOG: 'loud' }, 'warn')).toBe('warn');
});
