import { afterAll, beforeAll, expect, test } from 'vitest';
import { collect } from './collect.ts';
import { lookingLab, textOf, type LookingLab } from './looking.ts';
import { absent, genuine, planted } from './proof.ts';

const NAMES = {
  endpoint: {
    web: '127.0.0.1:80',
    closed: '127.0.0.1:9',
    silent: '127.0.0.1:81',
    away: '192.0.2.1:80',
    nobody: 'nobody.invalid:80',
    fine: 'fine.example:8444',
    old: 'old.example:8443',
    other: 'other.example:8444',
    site: 'http://127.0.0.1/',
    secure: 'https://fine.example:8444/missing',
    secure_old: 'https://old.example:8443/',
    nonsense: 'no port here',
  },
  certificate: {
    fine: '/srv/certs/fine.pem',
    old: '/srv/certs/old.pem',
    missing: '/srv/certs/missing.pem',
    closed: '/srv/certs/fine.key',
  },
};

/** An authority that the host trusts; what it issued for fine.example; a certificate for old.example that is over. */
const CERTIFICATES = `
umask 022; mkdir -p /srv/certs; cd /srv/certs
key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; chmod 600 "$1.key"; }
key ca; key fine; key old
openssl req -x509 -new -key ca.key -subj '/CN=Authority of the lab' -days 400 -out ca.pem
issue() { printf 'subjectAltName=DNS:%s,DNS:*.sub.example' "$2" >"$1.ext"
  openssl req -new -key "$1.key" -subj "/CN=$2" | openssl x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days "$3" -extfile "$1.ext" -out "$1.only" 2>/dev/null
  cat "$1.only" ca.pem >"$1.pem"; }
issue fine fine.example 30; issue old old.example -1
cp ca.pem /usr/local/share/ca-certificates/lab.crt; update-ca-certificates >/dev/null
printf '127.0.0.1 fine.example old.example other.example\n' >>/etc/hosts
site() { printf 'server { listen %s ssl; ssl_certificate /srv/certs/%s.pem; ssl_certificate_key /srv/certs/%s.key; }\n' "$1" "$2" "$2"; }
{ site 8443 old; site 8444 fine; } >/etc/nginx/conf.d/lab.conf
systemctl restart nginx
`;

/** Thirty clients that hung up on a program which does not, and seven that are still there. */
const LEAK = `
import socket, time
leaky, busy = (socket.create_server(("127.0.0.1", port), backlog=64) for port in (9999, 9998))
gone = [socket.create_connection(("127.0.0.1", 9999)) for _ in range(30)]
kept = [socket.create_connection(("127.0.0.1", 9998)) for _ in range(7)]
accepted = [leaky.accept() for _ in gone] + [busy.accept() for _ in kept]
for one in gone: one.close()
open("/run/leaked", "w").close()
time.sleep(3600)
`;

let on: LookingLab;

beforeAll(async () => {
  on = await lookingLab({ software: 'instances', names: NAMES });
  await on.host.sh(CERTIFICATES);
});

afterAll(async () => {
  await on?.lab.down();
});

test(absent('listening_ports', 'a web server that listens'), async () => {
  const { facts } = await on.capture('listening_ports', 'web-server', 'sshd and a web server');
  expect(facts['tcp_ports']).toBe('22 80 8443 8444');
});

test(planted('listening_ports', 'a port that stopped listening'), async () => {
  await on.host.sh('systemctl stop nginx');
  const { facts } = await on.capture('listening_ports', 'stopped', 'the web server was stopped');
  expect(facts).toMatchObject({ tcp_ports: '22', udp_ports: 'none' });
  await on.host.sh('systemctl start nginx');
});

test(absent('connection_states', 'nothing that waits to be closed'), async () => {
  const { facts } = await on.capture('connection_states', 'quiet', 'only listeners and old connections');
  expect(facts).toMatchObject({ close_wait: 0, syn_recv: 0 });
});

test(planted('connection_states', 'a program that does not hang up'), async () => {
  await on.host.writeFile('/root/leak.py', LEAK);
  await on.host.sh('systemd-run --quiet --collect --unit=leak /usr/bin/python3 /root/leak.py');
  await on.host.sh('until [ -e /run/leaked ]; do sleep 0.1; done');
  const { facts } = await on.capture('connection_states', 'leak', 'a program that does not hang up');
  expect(facts).toMatchObject({ close_wait: 30 });
  expect(facts['services']).toContainEqual({ direction: 'in', port: 9999, connections: 30, close_wait: 30 });
});

test(genuine('established_peers', 'seven connections of one client'), async () => {
  const { facts } = await on.capture('established_peers', 'leak', 'one client with seven connections');
  expect(facts['busiest_peer']).toBe('127.0.0.1');
  expect(facts['local_ports']).toContainEqual({ port: 9998, connections: 7 });
  await on.host.sh('systemctl stop leak');
});

test(absent('endpoint_reachability', 'an endpoint that answers'), async () => {
  const { facts } = await on.capture('endpoint_reachability', 'connected', 'a web server', {
    endpoint: 'web',
  });
  expect(facts).toMatchObject({ outcome: 'connected', host: '127.0.0.1', port: 80 });
  expect(facts['connect_ms']).toBeGreaterThan(0);
});

test(planted('endpoint_reachability', 'refused, silent, without a way, without a name'), async () => {
  await on.host.sh(
    "nft add table inet lab; nft add chain inet lab input '{ type filter hook input priority 0; }'; nft add rule inet lab input tcp dport 81 drop",
  );
  for (const [endpoint, outcome] of [
    ['closed', 'refused'],
    ['silent', 'timeout'],
    ['away', 'no_route'],
    ['nobody', 'unresolved'],
    ['nonsense', 'not_an_endpoint'],
  ] as const) {
    const name = outcome.replaceAll('_', '-');
    const { facts } = await on.capture('endpoint_reachability', name, outcome, { endpoint });
    expect([endpoint, facts['outcome'], facts['connect_ms']]).toEqual([endpoint, outcome, undefined]);
  }
  await on.host.sh('nft delete table inet lab');
});

test(absent('certificate_file', 'a certificate that is good for 29 days and more'), async () => {
  const { facts } = await on.capture('certificate_file', 'good', 'a certificate with its authority', {
    certificate: 'fine',
  });
  expect(facts).toMatchObject({ outcome: 'read', expired: false, days_left: 29, certificates: 2 });
  expect(facts).toMatchObject({ names: 'fine.example *.sub.example', issuer: 'CN=Authority of the lab' });
});

test(planted('certificate_file', 'an expired certificate, and files that are none'), async () => {
  const { facts } = await on.capture('certificate_file', 'expired', 'an expired certificate', {
    certificate: 'old',
  });
  expect(facts).toMatchObject({ outcome: 'read', expired: true, subject: 'CN=old.example' });
  expect(facts['days_left']).toBeLessThan(0);
  expect(facts['soonest_days_left']).toBe(facts['days_left']);
  for (const [certificate, outcome] of [
    ['missing', 'missing'],
    ['closed', 'unreadable'],
  ] as const) {
    expect((await on.look('certificate_file', { certificate })).facts['outcome']).toBe(outcome);
  }
  await on.host.sh('chmod 644 /srv/certs/fine.key');
  const key = await on.look('certificate_file', { certificate: 'closed' });
  expect(key.facts).toMatchObject({ outcome: 'no_certificate' });
  expect(key.answer.sections[0]?.output.toString()).not.toContain('PRIVATE');
  await on.host.sh('chmod 600 /srv/certs/fine.key');
});

test(absent('certificate_endpoint', 'a certificate that is trusted and for that name'), async () => {
  const { facts } = await on.capture('certificate_endpoint', 'good', 'trusted, for that name', {
    endpoint: 'fine',
  });
  expect(facts).toMatchObject({
    outcome: 'read',
    expired: false,
    days_left: 29,
    name_matches: true,
    trusted: true,
    verify_code: 0,
    certificates: 2,
    tls_version: 'TLSv1.3',
  });
});

test(planted('certificate_endpoint', 'expired, for another name, no TLS'), async () => {
  const { facts } = await on.capture('certificate_endpoint', 'expired', 'an expired certificate', {
    endpoint: 'old',
  });
  expect(facts).toMatchObject({ expired: true, trusted: false, name_matches: true });
  expect(facts['verify_error']).toContain('expired');
  const other = await on.capture('certificate_endpoint', 'other-name', 'for another name', {
    endpoint: 'other',
  });
  expect(other.facts).toMatchObject({ expired: false, trusted: true, name_matches: false });
  const plain = await on.look('certificate_endpoint', { endpoint: 'web' });
  expect(plain.facts).toMatchObject({ outcome: 'no_tls', port: 80 });
  const closed = await on.look('certificate_endpoint', { endpoint: 'closed' });
  expect(closed.facts).toMatchObject({ outcome: 'refused' });
});

test(genuine('http_probe', 'pages, a page that is missing, an expired certificate, no URL'), async () => {
  const { facts } = await on.capture('http_probe', 'plain', 'a web server', { endpoint: 'site' });
  expect(facts).toMatchObject({ outcome: 'answered', status: 200, port: 80 });
  const secure = await on.capture('http_probe', 'tls', 'a page that is missing', { endpoint: 'secure' });
  expect(secure.facts).toMatchObject({ outcome: 'answered', status: 404, certificate_days_left: 29 });
  const old = await on.capture('http_probe', 'expired', 'an expired certificate', { endpoint: 'secure_old' });
  expect(old.facts).toMatchObject({ outcome: 'certificate_refused', verify_code: 10 });
  expect(old.facts).not.toHaveProperty('status');
  expect((await on.look('http_probe', { endpoint: 'web' })).facts).toMatchObject({ outcome: 'not_a_url' });
});

test(genuine('dns_lookup', 'two name servers of which one is not there'), async () => {
  await on.host.writeFile(
    '/etc/unbound/unbound.conf.d/lab.conf',
    'server:\n  interface: 127.0.0.1\n  local-zone: "example." static\n  local-data: "fine.example. A 192.0.2.44"\n',
  );
  await on.host.sh('systemctl restart unbound');
  await on.host.writeFile('/etc/resolv.conf', 'nameserver 127.0.0.1\nnameserver 127.0.0.2\n');
  const { facts } = await on.capture('dns_lookup', 'two-servers', 'one answers, nothing is at the other', {
    endpoint: 'fine',
  });
  expect(facts).toMatchObject({ host: 'fine.example', servers: 2, servers_answered: 1 });
  // The hosts file comes before the name servers.
  expect(facts).toMatchObject({ resolved: true, system_addresses: '127.0.0.1' });
  expect(facts['resolvers']).toEqual([
    {
      server: '127.0.0.1',
      outcome: 'answered',
      latency_ms: expect.any(Number) as number,
      addresses: '192.0.2.44',
    },
    { server: '127.0.0.2', outcome: 'port_closed' },
  ]);
  const nobody = await on.look('dns_lookup', { endpoint: 'nobody' });
  expect(nobody.facts).toMatchObject({ resolved: false, servers_answered: 0 });
  await on.host.writeFile('/etc/resolv.conf', '');
});

test(genuine('addresses', 'the address of the host, one more, two interfaces that are down'), async () => {
  await on.host.sh('ip address add 192.0.2.10/32 dev lo; ip link add lab0 type veth peer name lab1');
  const { facts } = await on.capture(
    'addresses',
    'pair',
    'one address more, a pair of interfaces that is down',
  );
  expect(facts).toMatchObject({ interfaces: 4, up: 2, ipv4: `192.0.2.10 ${on.host.address}` });
  expect(facts['links']).toContainEqual(expect.objectContaining({ interface: 'lab0', state: 'DOWN' }));
});

test(genuine('routes', 'no way out, and then one'), async () => {
  const before = await on.capture('routes', 'no-default', 'a host without a way out');
  expect(before.facts).toMatchObject({ has_default: false, extra_rules: 0 });
  expect(before.facts).not.toHaveProperty('default_gateway');
  await on.host.sh(
    `ip route add default via ${on.lab.gateway} metric 100; ip route add unreachable 198.51.100.0/24; ip rule add fwmark 7 lookup main`,
  );
  const { facts } = await on.capture(
    'routes',
    'default',
    'a default route, an unreachable net, one rule more',
  );
  expect(facts).toMatchObject({
    has_default: true,
    default_gateway: on.lab.gateway,
    default_interface: 'host0',
    extra_rules: 1,
  });
  expect(facts['routes']).toContainEqual({
    family: 'inet',
    kind: 'unreachable',
    destination: '198.51.100.0/24',
  });
  await on.host.sh('ip route del default; ip route del unreachable 198.51.100.0/24; ip rule del fwmark 7');
});

test(genuine('link_errors', 'an MTU of its own, a link without carrier'), async () => {
  await on.host.sh('ip link set lab0 mtu 1400 up');
  const { facts } = await on.capture(
    'link_errors',
    'no-carrier',
    'a link without carrier, with an MTU of its own',
  );
  expect(facts).toMatchObject({ interfaces: 4, without_carrier: 1, mtus: '1500 1400' });
  expect(facts['links']).toContainEqual(
    expect.objectContaining({ interface: 'lab0', kind: 'veth', carrier: false, mtu: 1400 }),
  );
  await on.host.sh('ip link del lab0; ip address del 192.0.2.10/32 dev lo');
});

test(genuine('neighbours', 'our own address, and one where nobody is'), async () => {
  const nobody = on.host.address.replace(/[0-9]+$/u, '250');
  await on.host.sh(`ip neighbour replace ${nobody} dev host0 nud failed`);
  const { facts } = await on.capture('neighbours', 'failed', 'one address where nobody answers');
  expect(facts).toMatchObject({ failed: 1 });
  expect(facts['neighbours']).toContainEqual(expect.objectContaining({ address: on.lab.gateway }));
  expect(facts['neighbours']).toContainEqual({ address: nobody, interface: 'host0', state: 'FAILED' });
});

/** A listener that accepts nobody, with more clients than its queue holds. */
const FULL = `
import socket, time
server = socket.create_server(("127.0.0.1", 9997), backlog=1)
clients = []
for _ in range(5):
    one = socket.socket(); one.setblocking(False); one.connect_ex(("127.0.0.1", 9997)); clients.append(one)
open("/run/full", "w").close()
time.sleep(3600)
`;

test(genuine('tcp_health', 'a queue that is full'), async () => {
  const quiet = await on.look('tcp_health');
  expect(quiet.facts).toMatchObject({ queues: [], fullest_queue_percent: 0 });
  await on.host.writeFile('/root/full.py', FULL);
  await on.host.sh('systemd-run --quiet --collect --unit=full /usr/bin/python3 /root/full.py');
  await on.host.sh('until [ -e /run/full ]; do sleep 0.1; done');
  const { facts } = await on.capture('tcp_health', 'full-queue', 'a listener that accepts nobody');
  expect(facts['queues']).toEqual([{ port: 9997, address: '127.0.0.1', queued: 2, limit: 1, percent: 200 }]);
  expect(facts['listen_overflows_since_boot']).toBeGreaterThan(0);
  expect(facts['syn_retransmits_since_boot']).toBeGreaterThan(0);
  expect(facts['interval_seconds']).toBeGreaterThanOrEqual(2);
  await on.host.sh('systemctl stop full');
});

test(genuine('socket_summary', 'as the kernel counts'), async () => {
  const { facts } = await on.capture('socket_summary', 'debian-12', 'a host with little to do');
  const listening = Number(await on.host.sh('ss -H -l -n -t -4 | wc -l'));
  expect(facts['tcp']).toBeGreaterThanOrEqual(listening);
  expect(facts['sockets']).toBeGreaterThan(0);
});

test(genuine('resolver_config', 'what is written, and nothing'), async () => {
  const empty = await on.look('resolver_config');
  expect(empty.facts).toMatchObject({ servers: 0, name_servers: 'none', uses_stub: false });
  await on.host.writeFile(
    '/etc/resolv.conf',
    'search old.example\nnameserver 192.0.2.53\nnameserver 127.0.0.53\nsearch lab.example example\noptions timeout:1 rotate\n',
  );
  const { facts } = await on.capture('resolver_config', 'two-servers', 'two servers, two search lines');
  expect(facts).toEqual({
    servers: 2,
    name_servers: '192.0.2.53 127.0.0.53',
    search: 'lab.example example',
    options: 'timeout:1 rotate',
    hosts_order: 'files dns',
    leads_to: '/etc/resolv.conf',
    uses_stub: true,
  });
  await on.host.writeFile('/etc/resolv.conf', '');
});

test('a host without bonds says that it has none', async () => {
  expect((await on.look('network_bonds')).status).toBe('not_present');
});

/** Established connections, the loopback and three ports are let in, one of them for some; one is refused and counted. */
const RULES = `table inet lab {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname "lo" accept
    tcp dport { 22, 80 } accept
    tcp dport 8443 counter drop
    ip saddr 192.0.2.0/24 tcp dport 8444 accept
  }
}
`;

const collectFirewall = (): Promise<void> => collect(on.host, 'firewall');

test(genuine('ports_versus_firewall', 'without rules all is open; with them what they say'), async () => {
  await collectFirewall();
  const before = await on.capture('ports_versus_firewall', 'no-rules', 'a host without rules');
  expect(before.facts).toMatchObject({ stale: false, input_policy: 'none', closed: 0, partly_open: 0 });
  await on.host.writeFile('/root/rules.nft', RULES);
  await on.host.sh('nft -f /root/rules.nft');
  await collectFirewall();
  const { facts } = await on.capture('ports_versus_firewall', 'rules', 'open, refused, and for some');
  const rows = facts['ports'] as readonly Readonly<Record<string, string | number>>[];
  const verdicts = Object.fromEntries(
    rows.filter((row) => 'ipv4' in row).map(({ port, ipv4 }) => [String(port), ipv4]),
  );
  expect(verdicts).toEqual({ '22': 'open', '80': 'open', '8443': 'closed', '8444': 'partly_open' });
  expect(facts).toMatchObject({ input_policy: 'drop', closed: 1, partly_open: 1 });
  expect(before.facts['open']).toBe(facts['listening']);
});

test(genuine('firewall_rules', 'a table of the lab, then iptables beside it, then no nft'), async () => {
  const { facts } = await on.capture('firewall_rules', 'nftables', 'one table with a policy that drops');
  expect(facts).toMatchObject({ nft_answers: true, input_policy: 'drop', tables: 1, rules: 5 });
  expect(facts['base_chains']).toEqual([
    { family: 'inet', table: 'lab', chain: 'input', hook: 'input', policy: 'drop', rules: 5 },
  ]);
  // What iptables says becomes rules of the same kind.
  await on.host.sh('iptables -I INPUT -p tcp --dport 80 -j DROP; iptables -N ufw-user-input');
  await collectFirewall();
  const two = await on.capture('firewall_rules', 'iptables', 'iptables beside it');
  expect(two.facts).toMatchObject({ tables: 2, managed_by: 'ufw', legacy_tables: 'none' });
  const { facts: ports } = await on.look('ports_versus_firewall');
  expect(ports['ports']).toContainEqual({ protocol: 'tcp', port: 80, address: '0.0.0.0', ipv4: 'closed' });
  // The file is for the reader alone, and says nothing of addresses.
  const path = '/run/mcp-pra/facts/firewall.json';
  expect(await on.host.sh(`stat -c '%U %G %a' ${path}`)).toBe('root mcp-reader 640');
  expect(await on.host.readFile(path)).not.toContain('192.0.2');
  await on.host.sh('nft flush ruleset; mv /usr/sbin/nft /usr/sbin/nft.away');
  await collectFirewall();
  const none = await on.look('firewall_rules');
  expect(none.facts).toMatchObject({ nft_answers: false });
  expect(none.facts).not.toHaveProperty('input_policy');
  await on.host.sh(`mv /usr/sbin/nft.away /usr/sbin/nft; rm ${path}`);
  await on.host.sh('systemctl stop mcp-pra-collect-firewall.timer');
  expect((await on.look('firewall_rules')).status).toBe('not_present');
  await on.host.sh('systemctl start mcp-pra-collect-firewall.timer');
});

test(
  genuine('firewalld_zones', 'a port that a reload takes away, a rule and a source; then stopped'),
  async () => {
    try {
      await on.host.sh(`systemctl start dbus firewalld
    firewall-cmd --permanent --zone=public --add-service=https
    firewall-cmd --reload
    firewall-cmd --zone=public --add-port=8443/tcp
    firewall-cmd --zone=public --add-rich-rule='rule family=ipv4 source address=198.51.100.7 reject'
    firewall-cmd --permanent --zone=internal --add-source=203.0.113.0/24
    firewall-cmd --zone=internal --add-source=203.0.113.0/24`);
      await collectFirewall();
      const { facts, answer } = await on.capture(
        'firewalld_zones',
        'unsaved',
        'a port and a rule that are not saved',
      );
      expect(facts).toMatchObject({
        answers: true,
        default_zone: 'public',
        active_zones: 1,
        unsaved_zones: 'public',
      });
      const rows = facts['rows'] as readonly Record<string, unknown>[];
      expect(rows[0]).toMatchObject({ zone: 'internal', active: true, sources: 1, unsaved: false });
      expect(rows[1]).toMatchObject({
        zone: 'public',
        services: 'dhcpv6-client https ssh',
        ports: '8443/tcp',
        rich_rules: 1,
        unsaved: true,
      });
      expect(textOf({ answer })).not.toMatch(/198\.51\.100|203\.0\.113/u);
    } finally {
      await on.host.sh('systemctl stop firewalld');
    }
    await collectFirewall();
    expect((await on.look('firewalld_zones')).facts).toMatchObject({ answers: false });
    await on.host.sh('mv /usr/bin/firewall-cmd /usr/bin/firewall-cmd.away');
    await collectFirewall();
    expect((await on.look('firewalld_zones')).status).toBe('not_present');
    await on.host.sh('mv /usr/bin/firewall-cmd.away /usr/bin/firewall-cmd');
  },
);

test('a program that is not installed is not present', async () => {
  await on.host.sh('mv /usr/bin/openssl /usr/bin/openssl.away; mv /usr/bin/ss /usr/bin/ss.away');
  try {
    for (const [diagnostic, args] of [
      ['certificate_file', { certificate: 'fine' }],
      ['connection_states', {}],
      ['listening_ports', {}],
    ] as const) {
      expect([diagnostic, (await on.look(diagnostic, args)).status]).toEqual([diagnostic, 'not_present']);
    }
  } finally {
    await on.host.sh('mv /usr/bin/openssl.away /usr/bin/openssl; mv /usr/bin/ss.away /usr/bin/ss');
  }
});
