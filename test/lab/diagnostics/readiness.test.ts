import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LabHost } from '../lab.ts';
import { collect } from './collect.ts';
import { lookingLab, type LookingLab } from './looking.ts';
import { absent, planted } from './proof.ts';

let on: LookingLab;
let host: LabHost;

beforeAll(async () => {
  on = await lookingLab();
  ({ host } = on);
});

afterAll(async () => {
  await on?.lab.down();
});

const stateOf = (facts: object, check: string): unknown =>
  ((facts as { checks?: readonly { check: string; state: string }[] }).checks ?? []).find(
    (row) => row.check === check,
  )?.state;

test(absent('readiness', 'a host as it was provisioned, whose repositories nobody has listed'), async () => {
  await collect(host, 'backups');
  const { facts } = await on.capture('readiness', 'provisioned', 'no repository is listed');
  expect(facts['failed_units']).toBe(0);
  for (const good of ['failed units', 'reboot required', 'settles after a boot', 'frozen'])
    expect([good, stateOf(facts, good)]).toEqual([good, 'good']);
  // What nobody knows is not good.
  for (const unknown of ['backup age', 'restore test age'])
    expect([unknown, stateOf(facts, unknown)]).toEqual([unknown, 'unknown']);
  expect(facts['version']).toMatch(/^\d+\.\d+\.\d+/u);
});

test(
  planted(
    'readiness',
    'a repository that cannot be asked, an old restore test, a failed unit, a pending reboot',
  ),
  async () => {
    await host.writeFile('/srv/marker.json', '{"ok":false}\n');
    await host.writeFile(
      '/etc/mcp-pra/backups/files.conf',
      'kind=restic\nrepository=/srv/none\npassword_file=/srv/none.key\nrestore_marker=/srv/marker.json\n',
      0o600,
    );
    await host.sh(`
    touch -d '200 days ago' /srv/marker.json
    touch /run/reboot-required
    systemctl disable --quiet mcp-pra-settle.service
    systemd-run --quiet --unit=lab-broken /usr/bin/false || :
    timeout 30 /bin/sh -c 'until systemctl is-failed --quiet lab-broken.service; do sleep 0.1; done'`);
    await collect(host, 'backups');
    const { facts } = await on.capture('readiness', 'not-ready', 'five things that are wrong');
    for (const concern of [
      'backups that fail',
      'restore test age',
      'restore tests that failed',
      'failed units',
      'reboot required',
      'settles after a boot',
    ])
      expect([concern, stateOf(facts, concern)]).toEqual([concern, 'concern']);
    expect(facts['oldest_restore_test_age_seconds']).toBeGreaterThanOrEqual(200 * 86_400);
  },
);
