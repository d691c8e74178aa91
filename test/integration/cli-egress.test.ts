import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PROGRAM } from '../support/operator.ts';

let home: string;
beforeEach(() => (home = mkdtempSync(join(tmpdir(), 'mcp-pra-egress-'))));
afterEach(() => rmSync(home, { recursive: true, force: true }));

const egress = (hosts: object, jumps: object = {}, ...flags: string[]) => {
  const dir = join(home, '.config/mcp-pra');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const config = { version: 1, hosts, jumps, keys: { reader: 'r', runner: 'u' } };
  writeFileSync(join(dir, 'mcp-pra.yaml'), JSON.stringify(config), { mode: 0o600 });
  const env = { PATH: process.env['PATH'], HOME: home, NO_COLOR: '1' };
  return spawnSync(process.execPath, [PROGRAM, 'hosts', 'egress', ...flags], { env, encoding: 'utf8' });
};

const DOOR = { address: '192.0.2.1', port: 2222, user: 'hop', key: 'k' };

test('direct hosts and jump hosts are let out to, hosts behind a jump are not', () => {
  const said = egress(
    {
      web1: { address: '192.0.2.10' },
      v6: { address: '2001:db8::1' },
      db1: { address: '192.0.2.20', jump: 'door' },
    },
    { door: DOOR },
  );
  expect(said).toMatchObject({ status: 0, stderr: '' });
  expect(said.stdout).toBe(
    [
      '[Service]',
      '# web1, port 22',
      'IPAddressAllow=192.0.2.10',
      '# v6, port 22',
      'IPAddressAllow=2001:db8::1',
      '# door, port 2222',
      'IPAddressAllow=192.0.2.1\n',
    ].join('\n'),
  );
});

test('a name is said, not resolved, and makes the exit code 1', () => {
  const said = egress({ web1: { address: 'web1.example.net' } });
  expect(said.status).toBe(1);
  expect(said.stdout).toContain('# web1 is web1.example.net, a name');
  expect(said.stdout).not.toContain('\nIPAddressAllow=');
});

test('--json', () => {
  const said = egress({ web1: { address: '192.0.2.10' } }, {}, '--json');
  expect(JSON.parse(said.stdout)).toEqual([{ name: 'web1', address: '192.0.2.10', port: 22, literal: true }]);
});
