import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FactRow } from '../../../src/catalog/types.ts';
import { lackingOn } from '../../../src/request/askable.ts';
import { collect } from './collect.ts';
import { lookingLab, type LookingLab } from './looking.ts';
import { absent, genuine, planted } from './proof.ts';

let on: LookingLab;

beforeAll(async () => {
  on = await lookingLab();
});

afterAll(async () => {
  await on?.lab.down();
});

const rows = (value: unknown): readonly FactRow[] => value as readonly FactRow[];
const FAILING = 'breaks.service';
/** For what looks back, so that the first one is not in its way. */
const LATER = 'breaks-later.service';

const plantFailure = async (unit: string): Promise<void> => {
  await on.host.writeFile(`/etc/systemd/system/${unit}`, '[Service]\nType=oneshot\nExecStart=/bin/false\n');
  await on.host.sh(`systemctl daemon-reload; systemctl start ${unit} || :`);
  // A timeline ends a second ago.
  await on.host.sh(
    `timeout 20 /bin/sh -c 'until journalctl --quiet --until=-1s MESSAGE_ID=d9b373ed55a64feb8242e02dbe79a49c UNIT=${unit} | grep -q .; do sleep 0.1; done'`,
  );
};
const removeFailure = (): Promise<string> =>
  on.host.sh(
    `systemctl reset-failed; rm -f /etc/systemd/system/${FAILING} /etc/systemd/system/${LATER} /run/reboot-required; systemctl daemon-reload`,
  );

const findings = async (): Promise<readonly unknown[]> =>
  rows((await on.look('host_overview')).facts['findings']).map(({ what }) => what);

describe('host_overview', () => {
  test(absent('host_overview', 'a host without failed units or a pending reboot'), async () => {
    const { facts } = await on.capture('host_overview', 'debian-12', 'nothing planted');
    expect(await findings()).not.toContain('failed_units');
    expect(facts).toMatchObject({ failed_units: 0, reboot_required: false, oom_kills_24h: 0 });
    expect(facts['load_per_cpu']).toBeGreaterThanOrEqual(0);
    expect(facts['io_pressure_percent']).toBeGreaterThanOrEqual(0);
    expect(facts['host']).toMatch(/^h1 \S+ \S+$/u);
  });

  test(planted('host_overview', 'a unit that failed and a reboot that is due'), async () => {
    await plantFailure(FAILING);
    await on.host.sh(': >/run/reboot-required');
    try {
      const { facts } = await on.capture(
        'host_overview',
        'failed-unit',
        'a failed unit and a pending reboot',
      );
      expect(rows(facts['findings'])).toEqual(
        expect.arrayContaining([
          { severity: 'attention', what: 'failed_units', value: `1 ${FAILING}`, threshold: '>= 1' },
          { severity: 'attention', what: 'reboot_required', value: 'yes', threshold: 'no' },
        ]),
      );
      expect(facts['verdict']).not.toBe('ok');
      expect(facts['system_state']).toBe('degraded');
    } finally {
      await removeFailure();
    }
  });
});

describe('what changed and what happened', () => {
  test(absent('what_changed', 'nothing was changed in the last minute'), async () => {
    await on.host.sh(
      'find /etc -xdev -newermt "-5 minutes" -type f -exec touch -h -d "-10 minutes" {} +; find /etc -xdev -newermt "-5 minutes" -type l -exec touch -h -d "-10 minutes" {} +',
    );
    const { facts } = await on.capture(
      'what_changed',
      'quiet',
      'nothing was changed',
      { since: '60s' },
      on.host,
      { lines: 20 },
    );
    expect(facts).toMatchObject({ packages: 0, files: 0 });
    expect(rows(facts['units']).map(({ unit }) => unit)).not.toContain(LATER);
  });

  test(planted('what_changed', 'a file, a package and a unit that failed'), async () => {
    await on.host.writeFile('/etc/planted.conf', 'x\n');
    await plantFailure(LATER);
    await on.host.sh(
      `printf '%s upgrade libplanted:amd64 1.0-1 1.0-2\\n' "$(date '+%Y-%m-%d %H:%M:%S')" >>/var/log/dpkg.log`,
    );
    try {
      const { facts } = await on.capture(
        'what_changed',
        'changed',
        'a file, a package, a failed unit',
        {
          since: '60s',
        },
        on.host,
        { lines: 20 },
      );
      expect(rows(facts['changed_files']).map(({ path }) => path)).toContain('/etc/planted.conf');
      expect(rows(facts['changed_packages'])[0]).toMatchObject({
        change: 'upgrade',
        package: 'libplanted:amd64',
        from: '1.0-1',
        to: '1.0-2',
      });
      expect(rows(facts['units'])[0]).toMatchObject({ unit: LATER });
      expect(facts['failures']).toBeGreaterThanOrEqual(1);
      expect(JSON.stringify(facts)).not.toContain('shadow-');
    } finally {
      await on.host.sh('rm -f /etc/planted.conf');
      await removeFailure();
    }
  });

  test(planted('timeline', 'a unit that failed after a package was upgraded'), async () => {
    await on.host.sh(
      `printf '%s upgrade libearlier:amd64 2.0-1 2.0-2\\n' "$(date -d '-2 minutes' '+%Y-%m-%d %H:%M:%S')" >>/var/log/dpkg.log`,
    );
    await plantFailure(LATER);
    try {
      const { facts } = await on.capture(
        'timeline',
        'cause-and-effect',
        'an upgrade, then a failure',
        {
          since: '10m',
        },
        on.host,
        { lines: 40 },
      );
      const seen = rows(facts['rows']).map(({ kind, what }) => `${String(kind)} ${String(what)}`);
      const upgrade = seen.indexOf('package upgrade libearlier:amd64 2.0-2');
      const failure = seen.findLastIndex((one) => one === `unit_failed ${LATER}`);
      expect(upgrade, seen.join('\n')).toBeGreaterThanOrEqual(0);
      expect(failure, seen.join('\n')).toBeGreaterThan(upgrade);
      expect(seen.some((one) => one.startsWith('boot'))).toBe(true);
    } finally {
      await removeFailure();
    }
  });

  test(absent('timeline', 'the same window ends before it'), async () => {
    const { facts } = await on.look('timeline', { since: '30d', until: '29d' });
    expect(facts).toMatchObject({ events: 0, left_out: 0, rows: [] });
  });
});

test(genuine('transport_keys', 'the keys that the playbook put there'), async () => {
  const { facts } = await on.capture('transport_keys', 'debian-12', 'keys that do not expire');
  expect(facts).toMatchObject({ count: 2, expired: 0, next_expires: 'never', unreadable: 0 });
  expect(rows(facts['keys']).map(({ account }) => account)).toEqual(['reader', 'runner']);
});

test(genuine('uptime', 'as the kernel has it'), async () => {
  const { facts } = await on.capture('uptime', 'debian-12', 'a host of the lab');
  expect(facts['cpus']).toBe(Number(await on.host.sh('nproc')));
  const up = Number((await on.host.sh('cut -d. -f1 /proc/uptime')).trim());
  expect(facts['uptime_seconds']).toBeGreaterThan(0);
  expect(facts['uptime_seconds']).toBeLessThanOrEqual(up);
});

test(genuine('pressure', 'as the kernel has it'), async () => {
  const { facts } = await on.capture('pressure', 'debian-12', 'a host of the lab');
  const of = (text: string): number => Number(/total=([0-9]+)/u.exec(text)?.[1]);
  const now = of(await on.host.sh('grep ^some /proc/pressure/cpu'));
  const cpu = rows(facts['pressures']).find(({ resource, kind }) => resource === 'cpu' && kind === 'some');
  expect(cpu?.['stalled_seconds']).toBeGreaterThan(0);
  // Rounded: up to half a second ahead of what the kernel said later.
  expect(cpu?.['stalled_seconds']).toBeLessThanOrEqual(Math.ceil(now / 1_000_000));
  for (const name of ['cpu_some_percent', 'memory_full_percent', 'io_some_percent'])
    expect(facts[name]).toBeGreaterThanOrEqual(0);
});

test('swap, on a host without any', async () => {
  const { facts } = await on.capture('swap', 'none', 'a host without swap');
  expect(facts).toMatchObject({ areas: 0, size_bytes: 0, used_bytes: 0 });
});

test(
  genuine('what_can_i_ask', 'programs, files and collectors that are there, and others that are not'),
  async () => {
    await collect(on.host, 'processes');
    const { facts } = await on.capture('what_can_i_ask', 'minimal', 'a host without databases');
    const present = rows(facts['present']).map(({ path }) => path);
    expect(present).toContain('/usr/bin/systemctl');
    expect(present).not.toContain('/usr/bin/redis-cli');
    expect(rows(facts['collectors'])).toContainEqual({ name: 'processes' });
    const lacking = lackingOn(on.catalog, facts);
    expect(lacking).toContainEqual({ diagnostic: 'redis_status', lacks: '/usr/bin/redis-cli' });
    expect((await on.look('redis_status')).status).toBe('not_present');
    expect(lacking.map(({ diagnostic }) => diagnostic)).not.toContain('top_processes');
  },
);
