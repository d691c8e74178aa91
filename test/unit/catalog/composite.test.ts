import { describe, expect, test } from 'vitest';
import { hostOverview } from '../../../src/catalog/parsers/composite/host-overview.ts';
import { timeline } from '../../../src/catalog/parsers/composite/timeline.ts';
import { whatChanged } from '../../../src/catalog/parsers/composite/what-changed.ts';

const NOW = Date.parse('2026-11-21T04:00:00Z') / 1_000;
const NONE = new Map<string, number>();

const entry = (at: string, id: string, fields: object): string =>
  JSON.stringify({
    __REALTIME_TIMESTAMP: String(Date.parse(at) * 1_000),
    MESSAGE_ID: id,
    ...fields,
  });
const FAILED = 'd9b373ed55a64feb8242e02dbe79a49c';
const RESTARTING = '5eb03494b6584870a536b337290809b3';

const sections = (more: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries({ clock: `${String(NOW)}\n`, window: '1h\n1s\n', ...more }));

describe('timeline', () => {
  test('packages are in the local time of the host, and the rest is not', () => {
    const packages = '2026-11-21 04:30:00 upgrade libssl3:amd64 3.0-1 3.0-2\n';
    const events = `${entry('2026-11-21T03:40:00Z', FAILED, { UNIT: 'nginx.service' })}\n`;
    const rows = timeline(sections({ packages, events, zone: 'Timezone=Europe/Paris\n' }), NONE)['rows'];
    expect(rows).toEqual([
      { time: '2026-11-21T03:30:00Z', kind: 'package', what: 'upgrade libssl3:amd64 3.0-2' },
      { time: '2026-11-21T03:40:00Z', kind: 'unit_failed', what: 'nginx.service' },
    ]);
  });

  test.each(['', 'Timezone=Nowhere/Atall\n'])('of an unknown zone (%j) they are taken as UTC', (zone) => {
    const packages = '2026-11-21 03:30:00 upgrade libssl3:amd64 3.0-1 3.0-2\n';
    expect(timeline(sections({ packages, zone }), NONE)).toMatchObject({ events: 1 });
  });

  test('what is outside the window is not there, at both ends', () => {
    const line = (time: string): string => `2026-11-21 ${time} install a:amd64 <none> 1\n`;
    const at = (time: string): unknown => timeline(sections({ packages: line(time) }), NONE)['events'];
    expect([at('02:59:59'), at('03:00:00'), at('03:59:59'), at('04:00:00')]).toEqual([0, 1, 1, 0]);
  });

  test('from the third time on the same thing is counted where it began', () => {
    const times = ['03:10:00', '03:20:00', '03:30:00'];
    const events = times
      .map((time) => entry(`2026-11-21T${time}Z`, RESTARTING, { UNIT: 'flaps.service' }))
      .join('\n');
    expect(timeline(sections({ events }), NONE)).toMatchObject({
      events: 3,
      rows: [
        {
          time: '2026-11-21T03:10:00Z',
          kind: 'unit_restarting',
          what: 'flaps.service',
          count: 3,
          last: '2026-11-21T03:30:00Z',
        },
      ],
    });
  });

  test('who was killed for lack of memory, and what this product did', () => {
    const kernel = entry('2026-11-21T03:10:00Z', '', {
      MESSAGE: 'Out of memory: Killed process 4711 (java) total-vm:9kB, anon-rss:8kB',
    });
    const actions = [
      'v=1 verdict=finished word=execute code=- error=- id=abcdefgh23456723 action=restart_service principal=alice incident=- state=SUCCEEDED ms=-',
      'v=1 verdict=ok word=prepare code=- error=- id=- action=restart_service principal=- incident=- state=- ms=3',
    ]
      .map((MESSAGE) => entry('2026-11-21T03:20:00Z', '', { MESSAGE }))
      .join('\n');
    expect(timeline(sections({ kernel, actions }), NONE)['rows']).toEqual([
      { time: '2026-11-21T03:10:00Z', kind: 'oom_kill', what: 'java (pid 4711)' },
      {
        time: '2026-11-21T03:20:00Z',
        kind: 'action',
        what: 'restart_service SUCCEEDED (request abcdefgh23456723, alice)',
      },
    ]);
  });

  test('of too many rows the newest are there', () => {
    const events = Array.from({ length: 130 }, (_, index) =>
      entry(new Date((NOW - 1_000 + index) * 1_000).toISOString(), FAILED, {
        UNIT: `u${String(index)}.service`,
      }),
    ).join('\n');
    const facts = timeline(sections({ events }), NONE);
    expect(facts).toMatchObject({ events: 130, left_out: 10 });
    expect((facts['rows'] as { what: string }[]).at(-1)?.what).toBe('u129.service');
  });
});

describe('what_changed', () => {
  test('those that failed come first', () => {
    const events = [
      entry('2026-11-21T03:50:00Z', '39f53479d3a045ac8e11786248231fbf', { UNIT: 'fine.service' }),
      entry('2026-11-21T03:10:00Z', FAILED, { UNIT: 'bad.service' }),
      entry('2026-11-21T03:10:00Z', '39f53479d3a045ac8e11786248231fbf', { UNIT: 'user@0.service' }),
    ].join('\n');
    const facts = whatChanged(sections({ events, files: 'total 0 all\n' }), NONE);
    expect((facts['units'] as { unit: string }[]).map(({ unit }) => unit)).toEqual([
      'bad.service',
      'fine.service',
    ]);
    expect(facts).toMatchObject({ failures: 1, files: 0 });
  });

  test('without the helper’s last line nobody knows how many files', () => {
    expect(whatChanged(sections({ files: '1795234260 /etc/a\n' }), NONE)['files']).toBeUndefined();
  });
});

describe('host_overview', () => {
  const judged = (more: Readonly<Record<string, string>>, codes: Readonly<Record<string, number>> = {}) =>
    hostOverview(new Map(Object.entries(more)), new Map(Object.entries(codes)));
  const disk = (percent: number): string =>
    `Filesystem 1-blocks Used Available Capacity Mounted on\n/dev/sda1 100 ${String(percent)} 1 ${String(percent)}% /\n`;

  test.each([
    [84, 'ok'],
    [85, 'attention'],
    [94, 'attention'],
    [95, 'critical'],
  ])('a disk that is %i %% full: %s', (percent, verdict) => {
    expect(judged({ bytes: disk(percent) })).toMatchObject({ verdict });
  });

  test.each([
    [10, 'ok'],
    [9, 'attention'],
    [5, 'attention'],
    [4, 'critical'],
  ])('%i %% of memory left: %s', (percent, verdict) => {
    const meminfo = `MemTotal: 100 kB\nMemAvailable: ${String(percent)} kB\n`;
    expect(judged({ meminfo })).toMatchObject({ verdict });
  });

  test('what was not asked or not answered is absent, and no finding', () => {
    const facts = judged({});
    expect(facts).toMatchObject({ verdict: 'ok', findings: [] });
    expect(facts['failed_units']).toBeUndefined();
    expect(facts['oom_kills_24h']).toBeUndefined();
    expect(facts['reboot_required']).toBeUndefined();
  });

  test('mounts below /run and /snap are read-only on purpose', () => {
    expect(judged({ read_only: '/run/x\n/snap/y\n' }, { read_only: 0 })).toMatchObject({
      read_only_mounts: 0,
    });
    expect(judged({ read_only: '/srv\n' }, { read_only: 0 })).toMatchObject({ verdict: 'critical' });
  });
});
