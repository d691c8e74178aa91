import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

// What stage preflight says of a host's programs, on both sides of each limit.

const SOURCE = resolve(import.meta.dirname, '../../target-scripts');
const judge = (python: readonly [number, number], ssh: string) => {
  const program = [
    'import sys',
    `sys.path.insert(0, ${JSON.stringify(SOURCE)})`,
    'from installer.preflight import require_versions',
    'from installer.refusal import Refusal',
    'try:',
    `    require_versions((${python.join(', ')}), ${JSON.stringify(ssh)})`,
    '    print("good")',
    'except Refusal as refusal:',
    '    print(refusal)',
  ];
  return spawnSync('python3', ['-IB', '-c', program.join('\n')], { encoding: 'utf8' }).stdout.trim();
};

test.each<[python: [number, number], ssh: string, isGood: boolean]>([
  [[3, 9], 'OpenSSH_8.4p1 Debian-5+deb11u3, OpenSSL 1.1.1w', true],
  [[3, 9], 'OpenSSH_10.0p2, OpenSSL 3.5.1', true],
  [[3, 9], 'OpenSSH_8.3p1, OpenSSL 1.1.1', false],
  [[3, 8], 'OpenSSH_8.4p1', false],
  [[4, 0], 'OpenSSH_8.4p1', true],
  [[3, 9], 'another ssh', false],
])('Python %j with %s', (python, ssh, isGood) => {
  const said = judge(python, ssh);
  const refused = 'a target needs Python 3.9 and OpenSSH 8.4; this host has';
  expect(said.slice(0, refused.length)).toBe(isGood ? 'good' : refused);
});
