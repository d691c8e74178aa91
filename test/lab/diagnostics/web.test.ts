import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LabHost } from '../lab.ts';
import { collect } from './collect.ts';
import { lookingLab, textOf, type LookingLab } from './looking.ts';
import { genuine } from './proof.ts';
import { until } from './until.ts';

// Web servers, mail, name servers and containers on the first host; keepalived on both.
let on: LookingLab;
let other: LabHost;

beforeAll(async () => {
  on = await lookingLab({ hosts: 2, software: 'instances' });
  [, other] = on.hosts as [LabHost, LabHost];
});

afterAll(async () => {
  await on?.lab.down();
});

test(
  genuine('nginx_status', 'two virtual hosts, then a mistake in one'),
  async () => {
    const site = (more: string): string =>
      `server { listen 8081; server_name shop.example.org www.shop.example.org; ${more} }\nserver { listen 127.0.0.1:8082; }\n`;
    await on.host.writeFile('/etc/nginx/conf.d/lab.conf', site('set $token "hunter2-Secret";'));
    await collect(on.host, 'servers');
    const good = await on.capture('nginx_status', 'good', 'the configuration holds');
    expect(good.facts).toMatchObject({ config_ok: true, stale: false, virtual_hosts: 3 });
    expect(good.facts['hosts']).toContainEqual({
      names: 'shop.example.org www.shop.example.org',
      listens: '8081',
    });
    expect(textOf(good)).not.toContain('hunter2');

    await on.host.writeFile('/etc/nginx/conf.d/lab.conf', site('listen "hunter2-Secret";'));
    await collect(on.host, 'servers');
    const bad = await on.capture('nginx_status', 'bad', 'a mistake in the configuration');
    expect(bad.facts).toMatchObject({ config_ok: false, virtual_hosts: 0 });
    expect(JSON.stringify(bad.facts['messages'])).toContain('/etc/nginx/conf.d/lab.conf:1');
    expect(textOf(bad)).not.toContain('hunter2');
    await on.host.sh('rm /etc/nginx/conf.d/lab.conf');
  },
  180_000,
);

test(
  genuine('apache_status', 'a virtual host by name, then a mistake'),
  async () => {
    await on.host.writeFile(
      '/etc/apache2/sites-enabled/lab.conf',
      '<VirtualHost *:80>\nServerName shop.example.org\n</VirtualHost>\n',
    );
    await collect(on.host, 'servers');
    const good = await on.capture('apache_status', 'good', 'the configuration holds');
    expect(good.facts).toMatchObject({ config_ok: true, virtual_hosts: 2 });
    expect(good.facts['hosts']).toContainEqual({ names: 'shop.example.org', listens: '80' });
    await on.host.sh("echo 'NoSuchDirective hunter2-Secret' >>/etc/apache2/sites-enabled/lab.conf");
    await collect(on.host, 'servers');
    const bad = await on.capture('apache_status', 'bad', 'a mistake in the configuration');
    expect(bad.facts).toMatchObject({ config_ok: false, virtual_hosts: 0 });
    expect(JSON.stringify(bad.facts['messages'])).toContain('/etc/apache2/sites-enabled/lab.conf');
    expect(textOf(bad)).not.toContain('hunter2');
  },
  180_000,
);

test(
  genuine('caddy_status', 'three sites, then a mistake'),
  async () => {
    const site = (more: string): string => `{
  admin off
}
shop.example.org, www.shop.example.org {
  log {
    output file /var/log/caddy/access.log
  }
  respond "hunter2-Secret"
}
:8085 {
  file_server
}
http://plain.example.org:8086 {
  reverse_proxy 127.0.0.1:9000 {
    header_up X-Token hunter2-Secret
  }
  ${more}
}
`;
    await on.host.writeFile('/etc/caddy/Caddyfile', site(''));
    await collect(on.host, 'servers');
    const good = await on.capture('caddy_status', 'good', 'the configuration holds');
    expect(good.facts).toMatchObject({ version: '2.6.2', config_ok: true, virtual_hosts: 3, stale: false });
    expect(good.facts['hosts']).toEqual([
      { names: 'shop.example.org www.shop.example.org', listens: ':443' },
      { names: '', listens: ':8085' },
      { names: 'plain.example.org', listens: ':8086' },
    ]);
    expect(textOf(good)).not.toContain('hunter2');
    // A log file of root's would keep Caddy from starting.
    expect(await on.host.sh('ls -A /var/log/caddy')).toBe('');

    await on.host.writeFile('/etc/caddy/Caddyfile', site('hunter2-Secret'));
    await collect(on.host, 'servers');
    const bad = await on.capture('caddy_status', 'bad', 'a word that Caddy does not know');
    expect(bad.facts).toMatchObject({ config_ok: false, virtual_hosts: 0 });
    expect(JSON.stringify(bad.facts['messages'])).toContain('/etc/caddy/Caddyfile:17');
    expect(textOf(bad)).not.toContain('hunter2');
    await on.host.sh('rm /etc/caddy/Caddyfile');
    await collect(on.host, 'servers');
    const none = await on.look('caddy_status');
    expect(none.facts).toMatchObject({ virtual_hosts: 0 });
    expect(none.facts).not.toHaveProperty('config_ok');
  },
  180_000,
);

test(
  genuine('haproxy_status', 'a backend with one server down'),
  async () => {
    await on.host.sh('systemctl start nginx');
    await on.host.sh(`cat >>/etc/haproxy/haproxy.cfg <<'END'
frontend front
  bind 127.0.0.1:8090
  default_backend back
backend back
  server one 127.0.0.1:80 check inter 200ms fall 1
  server two 127.0.0.1:9 check inter 200ms fall 1
END
systemctl start haproxy`);
    const stat = `python3 -c "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/haproxy/admin.sock'); s.sendall(b'show stat\\n'); print(s.makefile().read())"`;
    await until(async () => /back,two,.*,DOWN,/u.test(await on.host.sh(stat)));
    await collect(on.host, 'servers');
    const { facts } = await on.capture('haproxy_status', 'one-down', 'one of two servers is down');
    expect(facts).toMatchObject({
      config_ok: true,
      answers: true,
      backends: 1,
      backends_down: 0,
      servers: 2,
      servers_down: 1,
    });
    expect((facts['rows'] as readonly unknown[])[0]).toMatchObject({
      backend: 'back',
      server: 'two',
      status: 'DOWN',
    });
    await on.host.sh('systemctl stop haproxy');
    await collect(on.host, 'servers');
    expect((await on.look('haproxy_status')).facts).toMatchObject({ config_ok: true, answers: false });
  },
  180_000,
);

test(
  genuine('mail_queue', 'a mail to a host that refuses it'),
  async () => {
    await on.host.sh(`postconf -e 'inet_protocols = ipv4' 'mydestination =' 'relayhost = [127.0.0.1]:9'
    systemctl start postfix@-.service postfix.service`);
    await until(async () => (await on.host.run(['postqueue', '-j'])).code === 0);
    await on.host.sh("printf 'Subject: private\\n\\nhello\\n' | sendmail someone@example.org");
    await until(async () => (await on.host.sh('postqueue -j')).includes('Connection refused'));
    await collect(on.host, 'servers');
    const { facts, answer } = await on.capture('mail_queue', 'deferred', 'a mail whose delivery was refused');
    expect(facts).toMatchObject({
      answers: true,
      count: 1,
      deferred: 1,
      reasons: [{ reason: 'refused', mails: 1 }],
    });
    expect(facts['oldest_seconds']).toBeGreaterThanOrEqual(0);
    expect(textOf({ answer })).not.toMatch(/example\.org|private/u);
  },
  180_000,
);

test(
  genuine('name_server_status', 'unbound, then BIND'),
  async () => {
    await on.host.sh('systemctl start unbound');
    await until(async () => (await on.host.run(['unbound-control', 'status'])).code === 0);
    await collect(on.host, 'servers');
    const unbound = await on.capture('name_server_status', 'unbound', 'unbound that was just started');
    expect(unbound.facts).toMatchObject({ software: 'unbound', config_ok: true, answers: true });
    expect(unbound.facts['queries']).toBeGreaterThanOrEqual(0);
    await on.host.sh('systemctl stop unbound; systemctl start named');
    await until(async () => (await on.host.run(['rndc', 'status'])).code === 0);
    await collect(on.host, 'servers');
    const bind = await on.capture('name_server_status', 'bind', 'BIND that was just started');
    expect(bind.facts).toMatchObject({ software: 'bind', config_ok: true, answers: true });
    expect(bind.facts['zones']).toBeGreaterThan(0);
  },
  180_000,
);

test(
  genuine('php_fpm_status', 'before it was started, and with idle workers'),
  async () => {
    await on.host.sh('systemctl start php8.2-fpm');
    const status = 'systemctl show --property=StatusText php8.2-fpm';
    await until(async () => (await on.host.sh(status)).includes('Processes active'));
    const { facts } = await on.capture('php_fpm_status', 'idle', 'one pool with idle workers');
    expect(facts).toMatchObject({
      services: 1,
      running: 1,
      active_workers: 0,
      idle_workers: 2,
      slow_requests: 0,
    });
    expect((await on.look('php_fpm_status', {}, other)).facts).toMatchObject({ services: 0 });
  },
  180_000,
);

test(
  genuine('containers', 'one that runs, one that ended badly'),
  async () => {
    // The lab's disk is an overlay, and its kernel lets nobody set limits: no images, no cgroups, this host's own programs.
    await on.host.writeFile(
      '/etc/containers/storage.conf',
      '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/lab"\n',
    );
    await on.host.writeFile('/etc/containers/containers.conf', '[engine]\ncgroup_manager = "cgroupfs"\n');
    await on.host
      .sh(`mkdir -p /srv/lab/proc /srv/lab/sys /srv/lab/dev /srv/lab/tmp /srv/lab/etc /srv/lab/run /srv/lab/usr
    cp -a /bin /sbin /lib /lib64 /srv/lab/
    mount --bind -o ro /usr /srv/lab/usr`);
    const podman = async (...words: readonly string[]) =>
      await on.host.run(['podman', 'run', '--cgroups=disabled', '--network=none', ...words]);
    const well = await podman('-d', '--name=well', '--rootfs', '/srv/lab', '/bin/sleep', 'infinity');
    expect(well.code, well.stderr).toBe(0);
    const bad = await podman(
      '--name=bad',
      '--env=PASSWORD=hunter2',
      '--label=note=hunter2',
      '--rootfs',
      '/srv/lab',
      '/bin/sh',
      '-c',
      'echo the last word; exit 3',
    );
    expect(bad.code).toBe(3);
    await collect(on.host, 'containers');
    const { facts, answer } = await on.capture('containers', 'one-ended-badly', 'one runs, one ended with 3');
    expect(facts).toMatchObject({
      engines: 'podman',
      silent_engines: 'none',
      total: 2,
      running: 1,
      exited_with_error: 1,
    });
    expect(facts['containers']).toMatchObject([
      { name: 'bad', state: 'exited', exit_code: 3, oom_killed: false },
      { name: 'well', state: 'running' },
    ]);
    expect(textOf({ answer })).not.toMatch(/hunter2|last word|PASSWORD/u);
  },
  180_000,
);

test(
  genuine('container_logs', 'of the one that ended, of none of that name'),
  async () => {
    const { facts, answer } = await on.capture('container_logs', 'ended', 'a container that said one line', {
      container: 'bad',
    });
    expect(facts).toMatchObject({ lines: 1, entries: 1 });
    expect(textOf({ answer })).toContain('the last word');
    expect((await on.look('container_logs', { container: 'well' })).facts).toMatchObject({ lines: 0 });
    expect((await on.look('container_logs', { container: 'bad _UID=0' })).facts).toMatchObject({ lines: 0 });
  },
  180_000,
);

test(
  genuine('container_stats', 'one near its limit of memory, one that is busy and has none'),
  async () => {
    // Without this the lab's hosts cannot make cgroups, and a container without one has no numbers.
    await on.host
      .sh(`findmnt --noheadings --list --types cgroup,cgroup2 --output TARGET | while read -r at; do
      mount --options remount,bind,rw "$at"
    done`);
    await on.host.writeFile(
      '/etc/containers/containers.conf',
      '[engine]\ncgroup_manager = "cgroupfs"\n[containers]\nkeyring = false\n',
    );
    // Podman answers for none of them while one has no cgroup.
    await on.host.sh('podman rm --all --force --time 0');
    try {
      const podman = async (...words: readonly string[]): Promise<void> => {
        const { code, stderr } = await on.host.run(['podman', 'run', '-d', '--network=none', ...words]);
        expect(code, stderr).toBe(0);
      };
      const fills = 'x = bytearray(50 << 20); open("/tmp/full", "w").close(); import time; time.sleep(9999)';
      const python = ['--rootfs', '/srv/lab', '/usr/bin/python3', '-c'];
      await podman('--name=full', '--memory=64m', '--env=PASSWORD=hunter2', ...python, fills);
      await podman('--name=busy', ...python, 'while True: pass');
      await until(async () => (await on.host.run(['test', '-e', '/srv/lab/tmp/full'])).code === 0);
      await collect(on.host, 'containers');
      const { facts, answer } = await on.capture(
        'container_stats',
        'near-its-limit',
        '50 of 64 MiB taken; one that is busy, without a limit',
      );
      expect(facts).toMatchObject({
        silent_engines: 'none',
        running: 2,
        without_memory_limit: 1,
        busiest: 'busy',
      });
      expect(facts['most_memory_percent']).toBeGreaterThan(75);
      expect(facts['containers']).toMatchObject([
        { engine: 'podman', name: 'full', memory_limit_bytes: 64 << 20, pids: 1 },
        { name: 'busy', pids: 1 },
      ]);
      expect((facts['containers'] as readonly Record<string, unknown>[])[1]).not.toHaveProperty(
        'memory_limit_bytes',
      );
      expect(textOf({ answer })).not.toMatch(/hunter2|PASSWORD/u);
    } finally {
      // Cgroups made by hand would stay on the machine of the lab; who watches a container is in one a little longer than it.
      await on.host.sh('podman rm --all --force --time 0');
      await until(async () => (await on.host.run(['pgrep', '-x', 'conmon'])).code === 1);
      await on.host.sh(
        `for at in $(find /sys/fs/cgroup -type d -name libpod_parent); do find "$at" -depth -type d -exec rmdir {} ';'; done`,
      );
    }
    await collect(on.host, 'containers');
    expect((await on.look('container_stats')).facts).toMatchObject({ running: 0, containers: [] });
    await on.host.sh('mv /usr/bin/podman /usr/bin/podman.away');
    await collect(on.host, 'containers');
    expect((await on.look('container_stats')).status).toBe('not_present');
    expect((await on.look('containers')).status).toBe('not_present');
    await on.host.sh('mv /usr/bin/podman.away /usr/bin/podman');
  },
  180_000,
);

test(
  genuine('keepalived_vrrp', 'a pair whose master stops'),
  async () => {
    const address = `${on.host.address.slice(0, on.host.address.lastIndexOf('.'))}.200`;
    const start = async (host: LabHost, priority: number): Promise<void> => {
      await host.writeFile(
        '/etc/keepalived/keepalived.conf',
        `vrrp_instance lab {\n state BACKUP\n interface host0\n virtual_router_id 51\n priority ${String(priority)}\n advert_int 1\n virtual_ipaddress {\n ${address}/32\n }\n}\n`,
      );
      await host.sh('systemctl start keepalived');
    };
    const holds = async (host: LabHost): Promise<boolean> =>
      (await host.sh('ip -brief addr')).includes(address);
    await start(on.host, 150);
    await start(other, 100);
    await until(async () => await holds(on.host));
    await until(async () => Number((await on.look('keepalived_vrrp')).facts['masters']) === 1);

    const master = await on.capture('keepalived_vrrp', 'master', 'the host that holds the address');
    expect(master.facts).toMatchObject({
      installed: true,
      active_state: 'active',
      instances: 1,
      masters: 1,
      faults: 0,
    });
    expect(master.facts['addresses']).toContain(address);
    const backup = await on.capture('keepalived_vrrp', 'backup', 'the host that waits', {}, other);
    expect(backup.facts).toMatchObject({
      masters: 0,
      rows: [{ instance: 'lab', state: 'BACKUP', changes: 1 }],
    });

    await on.host.sh('systemctl stop keepalived');
    await until(async () => await holds(other));
    await until(async () => Number((await on.look('keepalived_vrrp', {}, other)).facts['masters']) === 1);
    const stopped = await on.look('keepalived_vrrp');
    expect(stopped.facts).toMatchObject({ active_state: 'inactive', instances: 1 });
    expect(stopped.facts).not.toHaveProperty('masters');
  },
  180_000,
);

test('what is not installed is not present', async () => {
  // As on a host without it: the collector takes away what it wrote.
  await on.host.sh('mv /usr/sbin/haproxy /usr/sbin/haproxy.away; mv /usr/bin/caddy /usr/bin/caddy.away');
  await collect(on.host, 'servers');
  expect((await on.look('haproxy_status')).status).toBe('not_present');
  expect((await on.look('caddy_status')).status).toBe('not_present');
  expect((await on.look('nginx_status')).status).toBe('ok');
}, 180_000);
