import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const HELPERS = join(import.meta.dirname, '../../../target-scripts/helpers');
const run = (helper: string, args: readonly string[]) =>
  spawnSync(join(HELPERS, helper), args, { encoding: 'utf8', timeout: 20_000 });

// The wrapper has judged them already; a helper judges them again before it starts or opens anything.
test.each([
  ['proc-table', []],
  ['proc-table', ['all']],
  ['proc-table', ['cpu', 'cpu']],
  ['process-detail', ['0']],
  ['process-detail', ['01']],
  ['process-detail', ['12345678']],
  ['process-detail', ['1/../2']],
  ['process-detail', ['1\n']],
  ['remote-mounts', ['/']],
  ['kernel-counters', ['/sys']],
  ['auth-failures', []],
  ['auth-failures', ['0d']],
  ['auth-failures', ['12345s']],
  ['auth-failures', ['1d --file=x']],
  ['journal-search', ['a.service', '61', '1d']],
  ['journal-search', ['-a.service', '61', '1d', '5']],
  ['journal-search', ['a.service', '6', '1d', '5']],
  ['journal-search', ['a.service', '', '1d', '5']],
  ['journal-search', ['a.service', '61'.repeat(97), '1d', '5']],
  ['journal-search', ['a.service', '6G', '1d', '5']],
  ['journal-search', ['a.service', '61', '1w', '5']],
  ['journal-search', ['a.service', '61', '1d', '1000']],
  ['journal-search', [`${'a'.repeat(89)}.service`, '61', '1d', '5']],
  ['mariadb-status', ['status']],
  ['mariadb-status', ['galera', 'galera']],
] as const)('%s refuses %j and says nothing', (helper, args) => {
  expect(run(helper, args)).toMatchObject({ status: 64, stdout: '', stderr: '' });
});

test('proc-table and process-detail tell of the machine they run on', () => {
  const table = run('proc-table', ['threads']);
  expect(table.status).toBe(0);
  expect(JSON.parse(table.stdout)).toMatchObject({
    restricted: expect.any(Boolean),
    processes: expect.any(Array),
  });
  const own = run('process-detail', [String(process.pid)]);
  expect(JSON.parse(own.stdout)).toMatchObject({ exists: true, pid: process.pid });
});
