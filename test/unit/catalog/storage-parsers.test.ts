import { describe, expect, test } from 'vitest';
import { multipathPaths } from '../../../src/catalog/parsers/disk/multipath-paths.ts';
import { zfsPools } from '../../../src/catalog/parsers/disk/zfs-pools.ts';
import { thermal } from '../../../src/catalog/parsers/host/thermal.ts';

type Facts = Readonly<Record<string, unknown>>;

describe('thermal', () => {
  const read = (lines: readonly string[]): Facts =>
    thermal(new Map([['sensors', lines.map((line) => `/sys/class/${line}\n`).join('')]]), new Map());
  const chip = (input: number, critical: number, more: readonly string[] = []): readonly string[] => [
    'hwmon/hwmon0/name:chip',
    `hwmon/hwmon0/temp1_input:${String(input)}`,
    `hwmon/hwmon0/temp1_crit:${String(critical)}`,
    ...more.map((line) => `hwmon/hwmon0/temp1_${line}`),
  ];

  test.each([
    [84_900, 0, 0.1],
    [85_000, 1, 0],
    [86_000, 1, -1],
  ])('%i of 85,000', (input, at_critical, nearest_celsius) => {
    expect(read(chip(input, 85_000))).toMatchObject({ at_critical, nearest_celsius, with_limit: 1 });
  });

  test('a limit that is none: nothing, less than nothing, more than there is', () => {
    for (const none of [0, -273_150, 65_261_850])
      expect(read(chip(40_000, none))).toMatchObject({ sensors: 1, with_limit: 0, at_critical: 0 });
    expect(read(chip(40_000, 200_000))).toMatchObject({ with_limit: 1 });
  });

  test('a plug without a sensor is not one', () => {
    for (const none of [-128_000, 255_500]) expect(read(chip(none, 85_000))).toMatchObject({ sensors: 0 });
  });

  test('an alarm is of the sensor; a chip without one says nothing of it', () => {
    expect(read(chip(40_000, 85_000, ['crit_alarm:1', 'max_alarm:0']))).toMatchObject({ alarms: 1 });
    expect(read(chip(40_000, 85_000, ['max:39000']))).toMatchObject({ alarms: 0, at_high: 1 });
  });

  test('of two points at which a zone switches off, the lower', () => {
    const zone = (line: string): string => `thermal/thermal_zone1/${line}`;
    const points = ['type:soc', 'temp:50000', 'trip_point_0_type:critical', 'trip_point_0_temp:110000'];
    const more = ['trip_point_1_type:critical', 'trip_point_1_temp:90000', 'trip_point_2_type:passive'];
    expect(read([...points, ...more, 'trip_point_2_temp:40000'].map(zone))).toMatchObject({
      nearest_sensor: 'soc',
      nearest_celsius: 40,
    });
  });

  test('what is no such line is nobody', () => {
    expect(read(['hwmon/hwmon0/temp1_input:n/a', 'net/eth0/temp:1', '::'])).toMatchObject({ sensors: 0 });
  });
});

describe('zfs_pools', () => {
  const read = (status: string, list = '', code = 0): Facts =>
    zfsPools(
      new Map([
        ['status', status],
        ['list', list],
      ]),
      new Map([['status', code]]),
    );
  const pool = (rows: readonly string[], more = ''): string =>
    `  pool: p\n state: ONLINE\n${more}config:\n\n\tNAME  STATE  READ WRITE CKSUM\n${rows.map((row) => `\t${row}\n`).join('')}\nerrors: No known data errors\n`;

  test('a kernel that does not answer is no host without pools', () => {
    expect(read('', '', 1)).toEqual({ answers: false });
    expect(read('no pools available\n')).toMatchObject({ answers: true, pools: 0, data_errors: 0 });
  });

  test('columns of zpool list -H -p: 9 % fragmented, 30 % full (figures of netdata issue 18359)', () => {
    const list = 'p\t9981503995904\t3046188658688\t6935315337216\t9\t30\t1.00\tDEGRADED\n';
    expect(read(pool(['p  ONLINE  0 0 0']), list)).toMatchObject({
      fullest_percent: 30,
      rows: [{ size_bytes: 9_981_503_995_904, used_percent: 30, fragmentation_percent: 9, dedup_ratio: 1 }],
    });
    const unknown = 'p\t-\t-\t-\t-\t-\t-\tUNAVAIL\n';
    expect(read(pool(['p  ONLINE  0 0 0']), unknown)['fullest_percent']).toBe(undefined);
  });

  test('errors are counted where they were made, not again in the mirror and the pool', () => {
    const rows = [
      'p  DEGRADED  0 0 7',
      '  mirror-0  DEGRADED  0 0 7',
      '    sda  ONLINE  1 2 3',
      '    sdb  OFFLINE  0 0 1',
    ];
    expect(read(pool(rows))).toMatchObject({
      device_errors: 7,
      devices_not_online: 1,
      devices: [
        { device: 'sda', checksum_errors: 3 },
        { device: 'sdb', state: 'OFFLINE' },
      ],
    });
  });

  test('a spare that waits is well, the log device of another indent is not a part of it', () => {
    const rows = [
      'p  ONLINE  0 0 0',
      '  sda  ONLINE  0 0 0',
      'logs',
      '  sdb  FAULTED  0 0 0',
      'spares',
      '  sdc  AVAIL',
    ];
    expect(read(pool(rows))).toMatchObject({ devices_not_online: 1, devices: [{ device: 'sdb' }] });
  });

  test('a scrub that goes on', () => {
    const scan = '  scan: scrub in progress since Sun Oct 19 23:11:20 2014\n\t6.55T scanned\n';
    expect(read(pool(['p  ONLINE  0 0 0'], scan))).toMatchObject({ scanning: 1 });
  });

  test('data errors without their files', () => {
    const text = pool(['p  ONLINE  0 0 0']);
    expect(read(text.replace('No known data errors', "17 data errors, use '-v' for a list"))).toMatchObject({
      data_errors: 17,
    });
    expect(read(text.replace('No known data errors', 'List of errors unavailable'))['data_errors']).toBe(
      undefined,
    );
  });
});

describe('multipath_paths', () => {
  const map = (paths: readonly string[]): string =>
    [
      'm (3600) dm-1 IBM,2145',
      "size=1.0G features='0' hwhandler='0' wp=rw",
      "`-+- policy='service-time 0' prio=0 status=active",
      ...paths.map((path) => `  |- ${path}`),
    ].join('\n');
  const read = (text: string, code = 0): Facts =>
    multipathPaths(new Map([['topology', text]]), new Map([['topology', code]]));

  test('no multipathd is no host without paths', () => {
    expect(read('', 1)).toEqual({ answers: false });
    expect(read('ok\n')).toMatchObject({ answers: true, maps: 0, maps_without_path: 0 });
  });

  test.each([
    ['active ready running', 0],
    ['active ghost running', 0],
    ['active i/o pending running', 0],
    ['active undef running', 0],
    ['failed ready running', 1],
    ['active faulty running', 1],
    ['active shaky running', 1],
    ['active i/o timeout running', 1],
    ['active ready offline', 1],
  ])('a path that is %s', (states, failed_paths) => {
    expect(read(map([`1:0:0:1 sdb 8:16 ${states}`, '2:0:0:1 sdc 8:32 active ready running']))).toMatchObject({
      paths: 2,
      failed_paths,
      maps_degraded: failed_paths,
      maps_without_path: 0,
    });
  });

  test('a device whose paths are gone altogether', () => {
    expect(read(map([]))).toMatchObject({ maps: 1, maps_without_path: 1, maps_queueing: 0 });
    expect(read(map(['#:#:#:# -   #:#   active faulty running']))).toMatchObject({ maps_without_path: 1 });
    expect(
      read("3600 dm-2 ##,##\nsize=2.0G features='1 queue_if_no_path' hwhandler='0' wp=rw\n"),
    ).toMatchObject({
      maps_without_path: 1,
      maps_queueing: 1,
      rows: [{ map: '3600', wwid: '3600' }],
    });
  });
});
