import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LabHost } from '../lab.ts';
import { collect } from './collect.ts';
import { lookingLab, textOf, type LookingLab } from './looking.ts';
import { genuine } from './proof.ts';
import { until } from './until.ts';

// RabbitMQ, Pacemaker and Galera on both hosts; the second is the one that goes away.
let on: LookingLab;
let other: LabHost;

beforeAll(async () => {
  on = await lookingLab({
    hosts: 2,
    software: 'instances',
    names: { endpoint: { patroni: '127.0.0.1:8008' } },
  });
  [, other] = on.hosts as [LabHost, LabHost];
});

afterAll(async () => {
  await on?.lab.down();
});

test(
  genuine('rabbitmq_status', 'a queue that nobody empties, an alarm of memory, a node that is down'),
  async () => {
    await collect(on.host, 'rabbitmq');
    expect((await on.look('rabbitmq_status')).facts).toMatchObject({ answers: false });

    await on.host.sh('systemctl start rabbitmq-server');
    const cookie = await on.host.sh('base64 -w0 /var/lib/rabbitmq/.erlang.cookie');
    await other.sh(
      'systemctl start rabbitmq-server; systemctl stop rabbitmq-server; base64 -d >/var/lib/rabbitmq/.erlang.cookie; systemctl start rabbitmq-server',
      { input: cookie },
    );
    await other.sh(
      `rabbitmqctl stop_app; rabbitmqctl join_cluster rabbit@${on.host.name}; rabbitmqctl start_app`,
    );
    await collect(on.host, 'rabbitmq');
    const well = await on.capture('rabbitmq_status', 'well', 'two nodes, no queue');
    expect(well.facts).toMatchObject({
      answers: true,
      version: expect.stringMatching(/^3\./u),
      alarms: 0,
      nodes: 2,
      nodes_down: 0,
      queues: 0,
      virtual_hosts_read: 1,
    });
    expect(well.facts['listeners']).toContainEqual({ protocol: 'amqp', interface: '[::]', port: 5672 });

    const name = (kind: string, called: string): string => `rabbit_misc:r(<<"/">>, ${kind}, <<"${called}">>)`;
    await on.host.run([
      'rabbitmqctl',
      'eval',
      `rabbit_amqqueue:declare(${name('queue', 'orders')}, true, false, [], none, <<"lab">>),
       [rabbit_basic:publish(${name('exchange', '')}, <<"orders">>, [], <<"hunter2">>) || _ <- lists:seq(1, 3)].`,
    ]);
    await on.host.sh('rabbitmqctl set_vm_memory_high_watermark absolute 1048576');
    await other.sh('systemctl stop rabbitmq-server');
    await collect(on.host, 'rabbitmq');
    const { facts, answer } = await on.capture(
      'rabbitmq_status',
      'alarm',
      'an alarm of memory, three messages that nobody takes, the other node stopped',
    );
    expect(facts).toMatchObject({
      alarms: 1,
      alarm_rows: [{ type: 'resource_limit', resource: 'memory', node: `rabbit@${on.host.name}` }],
      memory_limit_bytes: 1_048_576,
      nodes: 2,
      nodes_down: 1,
      down: `rabbit@${other.name}`,
      queues_nobody_empties: 1,
      messages: 3,
    });
    expect(facts['memory_percent']).toBeGreaterThan(100);
    expect(facts['rows']).toMatchObject([{ name: 'orders', messages: 3, consumers: 0, state: 'running' }]);
    expect(textOf({ answer })).not.toContain('hunter2');
    expect(textOf({ answer })).not.toContain(Buffer.from(cookie, 'base64').toString().trim());
    await on.host.sh('systemctl stop rabbitmq-server');
  },
  300_000,
);

const COROSYNC = (hosts: readonly LabHost[]): string =>
  `totem {\n version: 2\n cluster_name: lab\n transport: knet\n crypto_cipher: none\n crypto_hash: none\n}
nodelist {\n${hosts.map((host, index) => ` node {\n name: ${host.name}\n nodeid: ${String(index + 1)}\n ring0_addr: ${host.address}\n }\n`).join('')}}
quorum {\n provider: corosync_votequorum\n}\n`;

const SHOP = `<primitive id="shop" class="ocf" provider="pacemaker" type="Dummy">
<instance_attributes id="shop-values"><nvpair id="shop-fake" name="fake" value="hunter2"/></instance_attributes>
<operations><op id="shop-monitor" name="monitor" interval="1s" on-fail="block"/></operations></primitive>`;

test(
  genuine('pacemaker_status', 'a resource that failed, then a node that went and took the quorum along'),
  async () => {
    await collect(on.host, 'pacemaker');
    expect((await on.look('pacemaker_status')).facts).toMatchObject({
      answers: false,
      corosync_answers: false,
    });
    for (const host of on.hosts) {
      await host.writeFile('/etc/corosync/corosync.conf', COROSYNC(on.hosts));
      await host.sh('systemctl start corosync pacemaker');
    }
    const says = async (pattern: RegExp): Promise<boolean> =>
      pattern.test((await on.host.run(['crm_mon', '--one-shot', '--inactive'])).stdout);
    await until(async () => await says(/Online: \[ \S+ \S+ \]/u));
    await on.host.sh('crm_attribute --name stonith-enabled --update false');
    await on.host.sh('cibadmin --create --scope resources --xml-pipe', { input: SHOP });
    await until(async () => await says(/shop.*Started/u));
    await collect(on.host, 'pacemaker');
    const well = await on.capture('pacemaker_status', 'well', 'two nodes, a resource that runs');
    expect(well.facts).toMatchObject({
      answers: true,
      quorate: true,
      pacemaker_quorum: true,
      expected_votes: 2,
      total_votes: 2,
      fencing_enabled: false,
      fencing_devices: 0,
      nodes: 2,
      nodes_offline: 0,
      resources: 1,
      resources_failed: 0,
      failed_operations: 0,
      rows: [{ resource: 'shop', agent: 'ocf:pacemaker:Dummy', role: 'Started' }],
    });
    expect(textOf(well)).not.toContain('hunter2');

    for (const host of on.hosts) await host.sh('rm -f /run/Dummy-shop.state');
    await until(async () => await says(/FAILED/u));
    await collect(on.host, 'pacemaker');
    const failed = await on.capture('pacemaker_status', 'failed', 'the resource failed and is blocked');
    expect(failed.facts).toMatchObject({
      resources_failed: 1,
      resources_blocked: 1,
      failed_operations: 1,
      failures: [{ operation: 'shop_monitor_1000', said: 'not running', code: 7 }],
    });

    // Pacemaker does not stop while a resource is blocked.
    await on.host.sh('crm_resource --cleanup --resource shop');
    await until(async () => !(await says(/FAILED/u)));
    await other.sh('systemctl stop pacemaker corosync');
    await until(async () => await says(/WITHOUT quorum/u));
    await collect(on.host, 'pacemaker');
    const alone = await on.capture('pacemaker_status', 'no-quorum', 'the other node went');
    expect(alone.facts).toMatchObject({
      quorate: false,
      pacemaker_quorum: false,
      total_votes: 1,
      needed_votes: 2,
      nodes_offline: 1,
    });
    await on.host.sh('systemctl stop pacemaker corosync');
  },
  300_000,
);

const GALERA = (self: LabHost, peers: string): string => `[galera]
wsrep_on = ON
wsrep_provider = /usr/lib/galera/libgalera_smm.so
wsrep_cluster_name = lab
wsrep_cluster_address = gcomm://${peers}
wsrep_node_address = ${self.address}
wsrep_sst_method = rsync
wsrep_sst_auth = lab:hunter2
binlog_format = row
innodb_autoinc_lock_mode = 2
bind-address = 0.0.0.0
`;

test(
  genuine('galera_status', 'two nodes in step, then one that is alone and has lost the quorum'),
  async () => {
    const account = `CREATE USER 'mcp-reader'@'localhost' IDENTIFIED VIA unix_socket`;
    expect((await on.look('galera_status')).facts).toEqual({ state: 'no answer' });
    await on.host.sh('systemctl start mariadb');
    expect((await on.look('galera_status')).facts).toEqual({ state: 'not permitted' });
    await on.host.sh(`mariadb -e "${account}"`);
    expect((await on.look('galera_status')).facts).toMatchObject({ state: 'up', galera: false });

    const peers = on.hosts.map(({ address }) => address).join(',');
    for (const host of on.hosts) {
      const file = '/etc/mysql/mariadb.conf.d/60-galera.cnf';
      await host.writeFile(file, GALERA(host, host === on.host ? '' : peers));
      await host.sh('systemctl restart mariadb');
      // Only the start of the first begins a cluster.
      await host.writeFile(file, GALERA(host, peers));
    }
    const says = async (host: LabHost, name: string): Promise<string> =>
      (await host.run(['mariadb', '-Nse', `SHOW GLOBAL STATUS LIKE '${name}'`])).stdout
        .split('\t')[1]
        ?.trim() ?? '';
    await until(async () => (await says(other, 'wsrep_local_state_comment')) === 'Synced');
    await until(async () => (await says(on.host, 'wsrep_local_state_comment')) === 'Synced');
    const synced = await on.capture('galera_status', 'synced', 'two nodes in step', {}, other);
    expect(synced.facts).toMatchObject({
      state: 'up',
      galera: true,
      primary: true,
      ready: true,
      node_state: 'Synced',
      cluster_size: 2,
      configured_nodes: 2,
      cluster_name: 'lab',
      node_name: other.name,
      delayed: 'none',
      transfer_method: 'rsync',
    });
    expect(synced.facts['members']).toMatch(/^[^,]+,[^,]+$/u);

    // A node that says goodbye leaves the quorum behind; one that falls silent takes it along.
    await other.sh('systemctl kill --signal=STOP mariadb');
    await until(async () => (await says(on.host, 'wsrep_cluster_status')) === 'non-Primary');
    const alone = await on.capture('galera_status', 'non-primary', 'the other node fell silent');
    expect(alone.facts).toMatchObject({
      state: 'up',
      primary: false,
      cluster_status: 'non-Primary',
      ready: false,
      cluster_size: 1,
      node_state: 'Initialized',
    });
    expect(textOf(alone)).not.toContain('hunter2');
    await other.sh('systemctl kill --signal=KILL mariadb');
  },
  240_000,
);

/** A member of a cluster that keeps its state in etcd; its REST API listens at 8008 and up, its server at 5442 and up. */
const PATRONI = (name: string, index: number): string => {
  const [rest, server] = [`127.0.0.1:${String(8008 + index)}`, `127.0.0.1:${String(5442 + index)}`];
  return JSON.stringify({
    scope: 'lab',
    name,
    restapi: { listen: rest, connect_address: rest },
    etcd3: { host: '127.0.0.1:2379' },
    bootstrap: {
      dcs: { ttl: 30, loop_wait: 1, retry_timeout: 10 },
      initdb: [{ auth: 'trust' }, { encoding: 'UTF8' }],
      pg_hba: [
        'local all all trust',
        'host all all 127.0.0.1/32 trust',
        'host replication all 127.0.0.1/32 trust',
      ],
    },
    postgresql: {
      listen: server,
      connect_address: server,
      data_dir: `/var/lib/postgresql/lab-${name}`,
      bin_dir: '/usr/lib/postgresql/15/bin',
      authentication: { superuser: { username: 'postgres' }, replication: { username: 'postgres' } },
      parameters: { unix_socket_directories: '/tmp' },
    },
  });
};

test(
  genuine('patroni_cluster', 'a leader and a replica, then failover is paused and the replica is stopped'),
  async () => {
    const look = async () => (await on.look('patroni_cluster', { endpoint: 'patroni' })).facts;
    expect(await look()).toEqual({ outcome: 'refused' });
    await on.host.sh('systemd-run --quiet --collect --unit=lab-etcd etcd --data-dir /var/lib/lab-etcd');
    for (const [index, name] of ['alpha', 'beta'].entries()) {
      await on.host.writeFile(`/etc/lab-${name}.yml`, PATRONI(name, index));
      await on.host.sh(
        `systemd-run --quiet --collect --unit=lab-${name} --uid=postgres patroni /etc/lab-${name}.yml`,
      );
      await until(async () => (await look())['members'] === index + 1 && (await look())['not_running'] === 0);
    }
    const well = await on.capture('patroni_cluster', 'well', 'a leader and a replica', {
      endpoint: 'patroni',
    });
    expect(well.facts).toMatchObject({
      outcome: 'read',
      members: 2,
      leaders: 1,
      leader: 'alpha',
      not_running: 0,
      timelines: 1,
      paused: false,
    });
    expect(well.facts['rows']).toMatchObject([
      { member: 'alpha', role: 'leader', state: 'running', port: 5442 },
      { member: 'beta', role: 'replica', port: 5443 },
    ]);
    await on.host.sh(
      `curl -sS -X PATCH -d '{"pause":true}' http://127.0.0.1:8008/config >/dev/null
      until curl -sS http://127.0.0.1:8009/patroni | grep -q '"pause": true'; do :; done
      runuser -u postgres -- /usr/lib/postgresql/15/bin/pg_ctl -D /var/lib/postgresql/lab-beta -m fast stop`,
    );
    await until(async () => (await look())['paused'] === true && (await look())['not_running'] === 1);
    const { facts } = await on.capture(
      'patroni_cluster',
      'paused',
      'failover is paused, the replica stopped',
      {
        endpoint: 'patroni',
      },
    );
    expect(facts).toMatchObject({ members: 2, leaders: 1, not_running: 1, paused: true });
    await on.host.sh('systemctl stop lab-beta lab-alpha lab-etcd');
  },
  300_000,
);

test('what is not installed is not present', async () => {
  await on.host.sh('mv /usr/sbin/crm_mon /usr/sbin/crm_mon.away');
  await collect(on.host, 'pacemaker');
  expect((await on.look('pacemaker_status')).status).toBe('not_present');
  await on.host.sh('mv /usr/lib/rabbitmq/bin/rabbitmq-diagnostics /usr/lib/rabbitmq/bin/away');
  await collect(on.host, 'rabbitmq');
  expect((await on.look('rabbitmq_status')).status).toBe('not_present');
  await on.host.sh('mv /usr/bin/mariadb /usr/bin/mariadb.away');
  expect((await on.look('galera_status')).status).toBe('not_present');
}, 180_000);
