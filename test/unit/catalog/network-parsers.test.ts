import { describe, expect, test } from 'vitest';
import { addresses } from '../../../src/catalog/parsers/network/addresses.ts';
import { networkBonds } from '../../../src/catalog/parsers/network/network-bonds.ts';
import { resolverConfig } from '../../../src/catalog/parsers/network/resolver-config.ts';
import { routes } from '../../../src/catalog/parsers/network/routes.ts';
import { tcpHealth } from '../../../src/catalog/parsers/network/tcp-health.ts';
import { pendingUpdates } from '../../../src/catalog/parsers/packages/pending-updates.ts';

const said = (sections: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(sections));
const worked = new Map([['plan', 0]]);

test('what is no list of objects has no addresses', () => {
  for (const text of ['', '{}', 'null', '[1, null, []]', '[{"addr_info": {}}]'])
    expect(addresses(said({ addresses: text }), new Map())).toMatchObject({ ipv4: 'none', addresses: [] });
});

describe('routes', () => {
  test('the default with the lowest metric is used first; one without a metric before all', () => {
    const route = (gateway: string, metric?: number): object => ({
      dst: 'default',
      gateway,
      dev: 'a',
      ...(metric === undefined ? {} : { metric }),
    });
    const read = (...list: readonly object[]) => routes(said({ v4: JSON.stringify(list) }), new Map());
    expect(read(route('b', 200), route('a', 100))).toMatchObject({
      default_gateway: 'a',
      further_defaults: 1,
    });
    expect(read(route('b', 1), route('a'))).toMatchObject({ default_gateway: 'a' });
    expect(read({ dst: 'default', dev: 'ppp0' })).toMatchObject({
      has_default: true,
      default_gateway: 'none',
      default_interface: 'ppp0',
    });
  });
});

describe('tcp_health', () => {
  const look = (uptime: string, sent: number, again: number): string =>
    `${uptime} 1.00\nTcp: OutSegs RetransSegs\nTcp: ${String(sent)} ${String(again)}\n`;

  test('differences, and shares of them', () => {
    const facts = tcpHealth(
      said({ before: look('10.00', 1_000, 10), after: look('12.05', 3_000, 60) }),
      new Map(),
    );
    expect(facts).toMatchObject({
      interval_seconds: 2.05,
      segments_sent: 2_000,
      retransmitted: 50,
      retransmitted_permille: 25,
      retransmitted_permille_since_boot: 20,
    });
  });

  test('nothing sent has no share, and a counter that went back no difference', () => {
    const same = tcpHealth(said({ before: look('1.00', 5, 1), after: look('3.00', 5, 1) }), new Map());
    expect(same).toMatchObject({ segments_sent: 0, retransmitted_permille: undefined });
    const back = tcpHealth(said({ before: look('1.00', 5, 4), after: look('3.00', 9, 1) }), new Map());
    expect(back).toMatchObject({ retransmitted: undefined, retransmitted_permille: undefined });
  });

  test('a listener without a limit is none to compare with', () => {
    const queues =
      'LISTEN 1 0 0.0.0.0:80 0.0.0.0:*\nLISTEN 64 128 [::]:443 [::]:*\nESTAB 9 1 1.1.1.1:1 1.1.1.1:2\n';
    expect(tcpHealth(said({ queues }), new Map())['queues']).toEqual([
      { port: 443, address: '[::]', queued: 64, limit: 128, percent: 50 },
    ]);
  });
});

test('domain is an older word for search, and the last of them counts', () => {
  const resolv = 'search a\ndomain b.example\n# nameserver 192.0.2.1\n;nameserver 192.0.2.2\n';
  expect(resolverConfig(said({ resolv }), new Map())).toMatchObject({ servers: 0, search: 'b.example' });
});

test('a slave that is down is counted for its bond', () => {
  const lines = [
    'Bonding Mode: x',
    'MII Status: up',
    'Slave Interface: eth0',
    'MII Status: up',
    'Slave Interface: eth1',
    'MII Status: down',
    'Link Failure Count: 3',
  ];
  const bonds = lines.map((line) => `/proc/net/bonding/bond0:${line}\n`).join('');
  expect(networkBonds(said({ bonds }), new Map())).toMatchObject({
    count: 1,
    slaves_down: 1,
    bonds: [{ bond: 'bond0', mode: 'x', slaves: 2, slaves_down: 1 }],
    slaves: [{ status: 'up' }, { slave: 'eth1', status: 'down', link_failures: 3 }],
  });
});

describe('pending_updates', () => {
  const read = (plan: string) => pendingUpdates(said({ plan, lists: '100\n160\n', clock: '200\n' }), worked);

  test.each([
    ['Inst a [1] (2 Debian:12/stable [amd64])', false],
    ['Inst a [1] (2 Debian:12/stable, Debian-Security:12/stable-security [amd64])', true],
    ['Inst a [1] (2 Ubuntu:22.04/jammy-security [amd64])', true],
    ['Inst a [1] (2 Ubuntu:22.04/jammy-updates [amd64])', false],
    ['Inst a (2 my-security-tools:1/stable [amd64])', false],
  ])('%s: for security %s', (line, security) => {
    expect(read(`${line}\n`)).toMatchObject({
      count: 1,
      security: security ? 1 : 0,
      updates: [{ to: '2', security }],
    });
  });

  test('the newest list decides how old they are', () => {
    expect(read('')).toMatchObject({ count: 0, lists_age_seconds: 40, kept_back_packages: 'none' });
  });

  test('without an answer nothing is known', () => {
    expect(pendingUpdates(said({ plan: '', clock: '200\n' }), new Map([['plan', 100]]))).toEqual({});
  });
});
