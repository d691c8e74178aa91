import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab.ts';
import { collect } from './collect.ts';
import { lookingLab, textOf, type LookingLab } from './looking.ts';
import { parseReceipt } from '../../../src/request/receipt.ts';
import type { Receipt } from '../../../src/request/types.ts';
import { prepare, signWith, submit, ticketFrom, type Loot } from '../../support/thief.ts';
import { PASSPHRASE } from '../provisioned.ts';
import { absent, genuine, planted } from './proof.ts';

let on: LookingLab;
let host: LabHost;

beforeAll(async () => {
  const refresh = (collector: string): object => ({ action: 'refresh_facts', args: { collector } });
  on = await lookingLab({
    software: 'instances',
    policy: {
      values: { refresh_facts: { collector: ['security', 'processes'] } },
      auto: [refresh('security')],
    },
  });
  ({ host } = on);
});

afterAll(async () => {
  await on?.lab.down();
});

describe('login_users', () => {
  test(absent('login_users', 'root is root alone'), async () => {
    const { facts } = await on.capture('login_users', 'as-installed', 'a host of the lab');
    expect(facts).toMatchObject({ uid_0_accounts: 'root', extra_uid_0: 0, shared_uids: 0 });
    expect(facts['users']).toContainEqual({
      user: 'admin',
      uid: 1000,
      gid: 1000,
      home: '/home/admin',
      shell: '/bin/bash',
      listed: true,
    });
    expect(facts['users']).not.toContainEqual(expect.objectContaining({ user: 'www-data' }));
  });

  test(
    planted('login_users', 'a second account with uid 0, and its name for people is not shown'),
    async () => {
      await host.sh(
        'useradd --non-unique --uid 0 --gid 0 --no-create-home --comment "Room 12, 555-0100" --shell /opt/sh toor',
      );
      const { facts, answer } = await on.capture(
        'login_users',
        'second-root',
        'useradd --non-unique --uid 0',
      );
      expect(facts).toMatchObject({ uid_0_accounts: 'root toor', extra_uid_0: 1, shared_uids: 1 });
      expect(facts['users']).toContainEqual(expect.objectContaining({ user: 'toor', listed: false }));
      expect(textOf({ answer })).not.toContain('Room 12');
      await host.sh("sed -i '/^toor:/d' /etc/passwd /etc/shadow");
    },
  );
});

describe('listening_exposure', () => {
  const redis = async (address: string): Promise<void> => {
    await host.sh(
      `systemctl stop lab-redis.service 2>/dev/null || :
       systemd-run --quiet --unit=lab-redis --collect /usr/bin/redis-server --bind ${address} --port 6379 --save '' --dir /tmp
       timeout 30 /bin/sh -c 'until ss -Hltn sport = :6379 | grep -q .; do sleep 0.1; done'`,
    );
  };

  test(absent('listening_exposure', 'a redis for this host only'), async () => {
    await redis('127.0.0.1');
    const { facts } = await on.capture('listening_exposure', 'loopback', 'redis on 127.0.0.1');
    expect(facts).toMatchObject({ exposed_sensitive: 0, sensitive_ports: 'none' });
    expect(facts['listeners']).toContainEqual({
      protocol: 'tcp',
      port: 6379,
      reach: 'loopback',
      addresses: '127.0.0.1',
      service: 'redis',
      sensitive: true,
    });
    expect(facts['listeners']).toContainEqual(
      expect.objectContaining({ port: 22, reach: 'all', service: 'ssh', sensitive: false }),
    );
  });

  test(planted('listening_exposure', 'a redis for everybody'), async () => {
    await redis('0.0.0.0');
    const { facts } = await on.capture('listening_exposure', 'exposed', 'redis on 0.0.0.0');
    expect(facts).toMatchObject({ exposed_sensitive: 1, sensitive_ports: '6379 redis' });
    expect(facts['exposed_tcp_ports']).toContain('6379');
    await host.sh('systemctl stop lab-redis.service');
  });
});

test('asking a RabbitMQ that does not run opens no port to others', async () => {
  // Erlang's tools start epmd(1), which listens on every address unless it is told otherwise.
  const seen = await host.sh(`unit=mcp-pra-collect-rabbitmq.service
    systemctl start --no-block $unit
    while [ "$(systemctl show --property=ActiveState --value $unit)" = activating ]; do ss -Hltn 'sport = :4369'; done | awk '{print $4}' | sort -u`);
  expect(
    seen.split('\n').filter((address) => address !== '' && !/^(?:127\.0\.0\.1|\[::1\]):4369$/u.test(address)),
  ).toEqual([]);
});

/** What the timer does every five minutes. */
const collectSecurity = (): Promise<void> => collect(host, 'security');

describe('sudo_summary', () => {
  test(absent('sudo_summary', 'only the admin of the lab is root without a password'), async () => {
    await collectSecurity();
    const { facts } = await on.capture('sudo_summary', 'as-installed', 'root, group sudo, admin, pra-runner');
    expect(facts).toMatchObject({ valid: true, stale: false, nopasswd_all: 1 });
    expect(facts['who']).toContainEqual({
      who: 'admin',
      as_user: 'ALL',
      all: true,
      nopasswd: true,
      commands: 1,
    });
    expect(facts['who']).toContainEqual(expect.objectContaining({ who: '%sudo', nopasswd: false }));
  });

  test(
    planted('sudo_summary', 'somebody may do everything without a password; a command is never shown'),
    async () => {
      await host.writeFile(
        '/etc/sudoers.d/lab-eve',
        'eve ALL=(root) NOPASSWD: ALL\nmallory ALL=(root) /usr/bin/mysql -phunter2\n',
        0o440,
      );
      await collectSecurity();
      const { facts, answer } = await on.capture('sudo_summary', 'one-more', 'a rule more in sudoers.d');
      expect(facts).toMatchObject({ valid: true, nopasswd_all: 2 });
      expect(facts['who']).toContainEqual({
        who: 'eve',
        as_user: 'root',
        all: true,
        nopasswd: true,
        commands: 1,
      });
      expect(facts['who']).toContainEqual({
        who: 'mallory',
        as_user: 'root',
        all: false,
        nopasswd: false,
        commands: 1,
      });
      expect(textOf({ answer })).not.toContain('hunter2');
    },
  );

  test('rules that do not parse', async () => {
    await host.writeFile('/etc/sudoers.d/lab-eve', 'eve ALL=(\n', 0o440);
    await collectSecurity();
    expect((await on.look('sudo_summary')).facts).toMatchObject({ valid: false });
    await host.sh('rm /etc/sudoers.d/lab-eve');
  });
});

describe('sshd_settings', () => {
  test(absent('sshd_settings', 'keys alone, and no root'), async () => {
    await collectSecurity();
    const { facts } = await on.capture('sshd_settings', 'keys-alone', 'as the lab sets it');
    expect(facts).toMatchObject({
      valid: true,
      ports: '22',
      permit_root_login: 'no',
      password_authentication: false,
      permit_empty_passwords: false,
    });
  });

  test(planted('sshd_settings', 'root with a password, and a cipher in CBC mode'), async () => {
    await host.writeFile(
      '/etc/ssh/sshd_config.d/01-lab-open.conf',
      'PermitRootLogin yes\nPasswordAuthentication yes\nCiphers aes256-ctr,aes256-cbc\nAllowUsers admin root\n',
    );
    await collectSecurity();
    const { facts } = await on.capture('sshd_settings', 'open', 'a drop-in that opens it');
    expect(facts).toMatchObject({
      permit_root_login: 'yes',
      password_authentication: true,
      allow_users: 2,
      weak: expect.stringContaining('aes256-cbc') as string,
    });
    await host.writeFile('/etc/ssh/sshd_config.d/01-lab-open.conf', 'PermitRootLogin perhaps\n');
    await collectSecurity();
    const broken = await on.capture('sshd_settings', 'broken', 'sshd refuses its files');
    expect(broken.facts).toMatchObject({ valid: false });
    expect(broken.facts).not.toHaveProperty('ports');
    await host.sh('rm /etc/ssh/sshd_config.d/01-lab-open.conf');
  });
});

describe('authorized_keys_changes', () => {
  const fingerprint = (): string => {
    const said = execFileSync('ssh-keygen', ['-lf', `${on.keys.stranger}.pub`], { encoding: 'utf8' });
    return said.split(' ')[1] ?? '';
  };

  test(absent('authorized_keys_changes', 'no key in the home of an application'), async () => {
    await collectSecurity();
    const { facts } = await on.capture('authorized_keys_changes', 'admin-alone', 'the key of the lab');
    expect(facts).toMatchObject({ users: 1, keys: 1, writable_by_others: 0 });
    expect(facts['accounts']).toMatchObject([{ user: 'admin', keys: 1 }]);
  });

  test(
    planted('authorized_keys_changes', 'a key that somebody left, behind options; a link is not followed'),
    async () => {
      const key = readFileSync(`${on.keys.stranger}.pub`, 'utf8').trim();
      await host.writeFile(
        '/var/www/.ssh/authorized_keys',
        `# ssh-ed25519 no key\ncommand="echo ssh-ed25519 ${'A'.repeat(44)}" ${key}\n`,
        0o666,
      );
      await host.sh('mkdir -p /var/backups/.ssh && ln -s /etc/shadow /var/backups/.ssh/authorized_keys');
      await collectSecurity();
      const { facts } = await on.capture('authorized_keys_changes', 'left-behind', 'a key of www-data');
      expect(facts).toMatchObject({ users: 2, keys: 2, writable_by_others: 1 });
      expect(facts['newest_change_age_seconds']).toBeLessThan(120);
      expect(facts['accounts']).toMatchObject([
        { user: 'www-data', keys: 1, writable_by_others: true, fingerprints: fingerprint() },
        { user: 'admin' },
      ]);
      await host.sh('rm -r /var/www/.ssh /var/backups/.ssh');
    },
  );
});

describe('fail2ban_status', () => {
  test(absent('fail2ban_status', 'nobody is banned'), async () => {
    await host.sh(`
      systemctl start fail2ban.service
      timeout 60 /bin/sh -c 'until fail2ban-client status sshd >/dev/null 2>&1; do sleep 0.2; done'`);
    await collectSecurity();
    const { facts } = await on.capture('fail2ban_status', 'quiet', 'its jails as installed');
    expect(facts).toMatchObject({ running: true, banned: 0 });
    expect(facts['jail_rows']).toContainEqual(expect.objectContaining({ jail: 'sshd', banned: 0 }));
  });

  test(planted('fail2ban_status', 'an address is banned, and is not shown'), async () => {
    await host.sh('fail2ban-client set sshd banip 192.0.2.77');
    await collectSecurity();
    const { facts, answer } = await on.capture('fail2ban_status', 'banned', 'one ban');
    expect(facts).toMatchObject({ running: true, banned: 1, banned_total: 1 });
    expect(textOf({ answer })).not.toContain('192.0.2.77');
    await host.sh('systemctl stop fail2ban.service');
    await collectSecurity();
    expect((await on.look('fail2ban_status')).facts).toMatchObject({ running: false });
  });

  test('a host without it', async () => {
    await host.sh('mv /usr/bin/fail2ban-client /usr/bin/fail2ban-client.away');
    await collectSecurity();
    expect((await on.look('fail2ban_status')).status).toBe('not_present');
    expect((await on.look('sshd_settings')).status).toBe('ok');
    await host.sh('mv /usr/bin/fail2ban-client.away /usr/bin/fail2ban-client');
  });
});

test(genuine('mandatory_access', 'a container has neither'), async () => {
  await collectSecurity();
  const { facts } = await on.capture('mandatory_access', 'container', 'a host of the lab');
  expect(facts).toMatchObject({ stale: false });
  expect(['none', 'apparmor']).toContain(facts['system']);
});

describe('refresh_facts', () => {
  const runner = (): Loot => ({
    host: host.name,
    address: host.address,
    port: 22,
    knownHosts: on.lab.knownHosts,
    key: on.keys.runner,
  });

  const refresh = async (collector: string, by: 'person' | 'auto'): Promise<Receipt> => {
    const impact = 'LOW';
    const made = await prepare(runner(), {
      action: 'refresh_facts',
      args: [['collector', collector]],
      impact,
    });
    const ticketText = ticketFrom(made);
    const signature =
      by === 'auto'
        ? signWith(on.keys.auto, 'mcp-pra-auto', ticketText)
        : signWith(on.keys.approver, 'mcp-pra-low', ticketText, PASSPHRASE);
    const said = await submit(runner(), 'refresh_facts', {
      ticketText,
      signatures: [signature],
      offer: made.signed,
    });
    const line = said.stdout.split('\n').findLast((one) => one.includes('"event":"receipt"'));
    if (line === undefined) throw new Error(`no receipt: ${said.stderr}`);
    return parseReceipt((JSON.parse(line) as { receipt: string }).receipt);
  };

  /** The timer is stopped and the file says that it was written an hour ago. */
  const makeStale = (collector: string): Promise<string> =>
    host.sh(`systemctl stop mcp-pra-collect-${collector}.timer
      then=$(date -u -d '1 hour ago' +%Y-%m-%dT%H:%M:%SZ)
      sed -i -E 's/"collected_at":"[^"]*"/"collected_at":"'$then'"/' /run/mcp-pra/facts/${collector}.json`);

  test(planted('facts_age', 'a collector that has stopped'), async () => {
    await collectSecurity();
    await makeStale('security');
    const { facts } = await on.capture('facts_age', 'stopped', 'an hour old', { collector: 'security' });
    expect(facts).toMatchObject({ written: true, stale: true, period_seconds: 300 });
    expect(facts['age_seconds']).toBeGreaterThanOrEqual(3_600);
    expect((await on.look('sshd_settings')).facts).toMatchObject({ stale: true });
  });

  test(
    absent('facts_age', 'facts that refresh_facts had collected, without a person where the policy says so'),
    async () => {
      expect(await refresh('security', 'auto')).toMatchObject({ state: 'SUCCEEDED', rc: 0, verified: true });
      const { facts } = await on.capture('facts_age', 'fresh', 'just collected', { collector: 'security' });
      expect(facts).toMatchObject({ written: true, stale: false });
      expect((await on.look('sshd_settings')).facts).toMatchObject({ stale: false });
    },
  );

  test('a person has the other one refreshed, and what the policy does not list is refused', async () => {
    await makeStale('processes');
    expect(await refresh('processes', 'person')).toMatchObject({ state: 'SUCCEEDED', verified: true });
    await expect(refresh('backups', 'person')).rejects.toThrow('ARG_NOT_ON_HOST');
  });

  test('a run that has begun may have looked too early: it ends, and another one begins', async () => {
    const unit = 'mcp-pra-collect-security.service';
    const gate = `'echo begun >>/run/lab-begun; until test -e /run/lab-open; do sleep 0.05; done'`;
    await host.writeFile(
      `/etc/systemd/system/${unit}.d/lab.conf`,
      `[Service]\nExecStartPre=+/bin/sh -c ${gate}\n`,
    );
    const begun = await host.sh(`systemctl daemon-reload
      systemctl start --no-block ${unit}
      until [ -s /run/lab-begun ]; do :; done
      /usr/local/lib/mcp-pra/scripts/refresh-facts security &
      until pgrep -f 'systemctl start -- ${unit}' >/dev/null; do :; done
      touch /run/lab-open
      wait
      cat /run/lab-begun`);
    await host.sh(
      `rm -r /etc/systemd/system/${unit}.d /run/lab-begun /run/lab-open; systemctl daemon-reload`,
    );
    expect(begun.split('\n')).toEqual(['collected: security', 'begun', 'begun']);
  });
});
