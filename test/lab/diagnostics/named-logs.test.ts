import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LabHost } from '../lab.ts';
import { sendPack, setUp, siteFor } from '../setup-target.ts';
import { collect } from './collect.ts';
import { lookingLab, type LookingLab } from './looking.ts';
import { absent, planted } from './proof.ts';

// The reader account is in no group that reads logs; the files that have a name are opened to it one by one, also after a rotation.

const NAMES = {
  'nginx-error': '/var/log/nginx/error.log',
  closed: '/var/log/closed/deep/app.log',
};

let on: LookingLab;
let host: LabHost;

beforeAll(async () => {
  on = await lookingLab({ names: { log: NAMES } });
  ({ host } = on);
  await host.sh(`
    install -d -m 0750 -g adm /var/log/closed /var/log/closed/deep
    echo one >/var/log/closed/deep/app.log && chmod 0600 /var/log/closed/deep/app.log
    echo secret >/var/log/closed/deep/other.log && chmod 0640 /var/log/closed/deep/other.log
    echo first >>/var/log/nginx/error.log
    chown www-data:adm /var/log/nginx/*.log && chmod 0640 /var/log/nginx/*.log`);
});

afterAll(async () => {
  await on?.lab.down();
});

const asReader = async (path: string): Promise<number> =>
  (await host.run(['runuser', '-u', 'mcp-reader', '--', 'cat', '--', path])).code;

const untilReadable = (path: string): Promise<string> =>
  host.sh(
    `timeout 90 /bin/sh -c 'until runuser -u mcp-reader -- cat -- ${path} >/dev/null 2>&1; do sleep 0.2; done'`,
  );

test(absent('named_logs', 'every name can be read, by its timer, and nothing beside it'), async () => {
  await untilReadable(NAMES.closed);
  await untilReadable(NAMES['nginx-error']);
  const { facts } = await on.capture('named_logs', 'all', 'two names, both readable');
  expect(facts).toMatchObject({ logs: 2, not_readable: 0, complete: true, stale: false });
  for (const path of ['/var/log/closed/deep/other.log', '/var/log/nginx/access.log', '/var/log/auth.log'])
    expect([path, await asReader(path)]).toEqual([path, 1]);
  // Folders on the way can be passed, not listed.
  expect((await host.run(['runuser', '-u', 'mcp-reader', '--', 'ls', '/var/log/closed'])).code).not.toBe(0);
  expect((await host.sh('id -nG mcp-reader')).split(' ').toSorted()).toEqual([
    'mcp-reader',
    'systemd-journal',
  ]);
});

test('a rotation makes a new file: it is opened, and the old one is closed', async () => {
  await host.sh('logrotate -f /etc/logrotate.d/nginx');
  expect(await host.sh('cat /var/log/nginx/error.log.1')).toContain('first');
  await host.sh('echo second >>/var/log/nginx/error.log');
  await untilReadable(NAMES['nginx-error']);
  expect(await asReader('/var/log/nginx/error.log.1')).toBe(1);
  expect(await asReader('/var/log/nginx/access.log')).toBe(1);
  expect(await host.sh("stat -c '%U:%G %a' /var/log/nginx/error.log")).toBe('www-data:adm 640');
});

test(planted('named_logs', 'names of what is no log file'), async () => {
  await host.sh(`
    cd /etc/mcp-pra/names/log
    echo /etc/shadow >outside
    echo /var/log/link.log >link
    echo /var/log/nothing.log >missing
    ln -s /etc/shadow /var/log/link.log`);
  await collect(host, 'named_logs');
  const { facts } = await on.capture('named_logs', 'refused', 'three that are not opened');
  expect(facts).toMatchObject({ logs: 5, not_readable: 3 });
  expect(facts['files']).toMatchObject([
    { name: 'link', state: 'a link' },
    { name: 'missing', state: 'missing' },
    { name: 'outside', state: 'not a file below /var/log' },
    { name: 'closed', state: 'readable', bytes: 4 },
    { name: 'nginx-error', state: 'readable' },
  ]);
  expect(await asReader('/etc/shadow')).toBe(1);
  expect(await host.sh("stat -c '%U:%G %a' /etc/shadow")).toBe('root:shadow 640');
});

test('a name that goes takes the permission with it, and so does the removal of the product', async () => {
  await host.sh('rm /etc/mcp-pra/names/log/closed');
  await collect(host, 'named_logs');
  expect(await asReader(NAMES.closed)).toBe(1);
  expect(await host.sh("stat -c '%a' /var/log/closed/deep/app.log")).toBe('600');
  await sendPack(host);
  const { code, refusal } = await setUp(host, siteFor(host, on.keys), 'remove');
  expect([code, refusal]).toEqual([0, '']);
  const left = `import os
print([path for top, _, names in os.walk('/var/log') for path in [top, *(os.path.join(top, name) for name in names)]
       if '/journal' not in path and 'system.posix_acl_access' in os.listxattr(path, follow_symlinks=False)])`;
  expect((await host.run(['python3', '-c', left])).stdout.trim()).toBe('[]');
});
