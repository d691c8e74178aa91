import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectedOf, fixturePath, readFixture } from '../../fixtures/all-fixtures.ts';
import { collect } from './collect.ts';
import { lookingLab, type LookingLab } from './looking.ts';

// What a container can show of hardware that it has not: the programs run in their sandboxes, and say so. The recordings of disks, boards and
// storage networks are from public reports.
let on: LookingLab;

/** Answers one client as multipathd does (libmpathcmd: a length, then text with a zero at its end); the container has no device mapper for the daemon. */
const LISTENER = `
import socket, struct
text = open('/root/topology', 'rb').read() + b'\\0'
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(b'\\0/org/kernel/linux/storage/multipathd')
listener.listen(1)
client, _ = listener.accept()
asked = client.recv(struct.unpack('Q', client.recv(8))[0])
if asked.strip(b' \\n\\0') == b'show topology':
    client.sendall(struct.pack('Q', len(text)) + text)
`;

beforeAll(async () => {
  on = await lookingLab({ software: 'instances' });
});

afterAll(async () => {
  await on?.lab.down();
});

test('a host without a disk of its own says that it has none, and no controller', async () => {
  await collect(on.host, 'hardware');
  const { status, facts } = await on.capture(
    'smart_health',
    'no-disk',
    'a container: smartctl is there, no disk',
  );
  expect(status).toBe('ok');
  expect(facts).toMatchObject({ stale: false, disks: 0, failing: 0, rows: [] });
  expect((await on.look('ipmi_events')).status).toBe('not_present');
  // As on a host without the program.
  await on.host.sh('mv /usr/sbin/smartctl /usr/sbin/smartctl.away');
  await collect(on.host, 'hardware');
  expect((await on.look('smart_health')).status).toBe('not_present');
}, 120_000);

test('the collector may open disks and the controller of the board, and no other device', async () => {
  const asked = 'systemctl show --property=DevicePolicy,DeviceAllow mcp-pra-collect-hardware.service';
  const shown = (await on.host.sh(asked)).split('\n').toSorted();
  expect(shown).toContain('DevicePolicy=closed');
  expect(shown.join(' ')).toMatch(/DeviceAllow=block-sd rw\b/u);
  expect(shown.join(' ')).not.toMatch(/DeviceAllow=[^ ]*(?:block-\*|char-\*|\/dev\/)/u);
}, 60_000);

test('the audit of the kernel is not for containers: that is said, and no number', async () => {
  await collect(on.host, 'audit');
  const { status, facts } = await on.look('audit_lost');
  expect(status).toBe('ok');
  expect(facts).toMatchObject({ answers: false, enabled: 'unknown' });
  expect(facts).not.toHaveProperty('lost');
}, 60_000);

test('multipathd that does not run is no host without paths', async () => {
  const { status, facts } = await on.look('multipath_paths');
  expect(status).toBe('ok');
  expect(facts).toEqual({ answers: false });
}, 60_000);

test('mcp-reader may ask multipathd: its own client, and in the place of the daemon a report of a faulty path', async () => {
  const fixture = { path: fixturePath('multipath_paths', 'faulty') };
  const [report] = readFixture(fixture).answer.sections;
  await on.host.writeFile('/root/topology', report?.output.toString('utf8') ?? '');
  await on.host.writeFile('/root/listener.py', LISTENER);
  await on.host.sh(`systemd-run --quiet --unit=lab-listener /usr/bin/python3 /root/listener.py
  until grep -q '@/org/kernel/linux/storage/multipathd' /proc/net/unix; do :; done`);
  const { facts, answer } = await on.look('multipath_paths');
  expect(answer.sections.map(({ rc }) => rc)).toEqual([0]);
  expect({ facts }).toEqual(expectedOf(fixture));
}, 60_000);

test('no sensors and no ZFS are not present', async () => {
  for (const diagnostic of ['thermal', 'zfs_pools'])
    expect((await on.look(diagnostic)).status).toBe('not_present');
}, 60_000);
