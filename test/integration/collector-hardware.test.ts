import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { fixturePath, readFixture } from '../fixtures/all-fixtures.ts';
import { collectorRefusals, refusalsOf } from '../support/collector-refusals.ts';
import { madeByCollector } from '../support/loaded-collector.ts';
import { RenderedTarget } from '../support/rendered-target.ts';

const REPORTS = resolve(import.meta.dirname, '../fixtures/reports');
const target = new RenderedTarget();
afterAll(() => target.remove());

type Json = Readonly<Record<string, unknown>>;

const made = (expression: string, text: string): Json =>
  madeByCollector(target.path('lib/collectors/hardware'), expression, text) as Json;

const disk = (said: unknown): Json =>
  made("collector.disk_row('sda', text)", typeof said === 'string' ? said : JSON.stringify(said));
const events = (...lines: readonly string[]): Json => made('collector.event_facts(text)', lines.join('\n'));

const reports = (diagnostic: string): readonly string[] => readdirSync(join(REPORTS, diagnostic)).toSorted();
const report = (diagnostic: string, file: string): string =>
  readFileSync(join(REPORTS, diagnostic, file), 'utf8');
/** The file of facts in a recording. */
const recorded = (diagnostic: string, file: string): string => {
  const path = fixturePath(diagnostic, file.replace(/\.[a-z]+$/u, ''));
  const [facts] = readFixture({ path }).answer.sections;
  return facts?.output.toString('utf8') ?? '';
};

describe('what a report becomes is what is recorded', () => {
  test.each(reports('smart_health'))('smart_health/%s, without its serial number', (file) => {
    const text = report('smart_health', file);
    const said = JSON.parse(text) as { device: { name: string }; serial_number: string };
    const name = said.device.name.replace('/dev/', '').replace(/^nvme0$/u, 'nvme0n1');
    const facts = recorded('smart_health', file);
    expect(JSON.parse(facts)).toMatchObject(
      made(`collector.disk_facts([collector.disk_row('${name}', text)])`, text),
    );
    expect(facts).not.toContain(`"${said.serial_number}"`);
    expect(facts).not.toMatch(/serial|wwn|firmware/u);
  });

  test.each(reports('ipmi_events'))('ipmi_events/%s', (file) => {
    const facts = made('collector.event_facts(text)', report('ipmi_events', file));
    expect(JSON.parse(recorded('ipmi_events', file))).toMatchObject(facts);
  });
});

describe('a disk', () => {
  const passed = { smart_status: { passed: true } };
  const attribute = (id: number, value: number, when_failed = ''): Json => ({
    ata_smart_attributes: { table: [{ id, name: 'Some_Count', when_failed, raw: { value } }] },
  });
  const nvme = (more: Json): Json => ({ nvme_smart_health_information_log: more });

  test.each<readonly [what: string, said: unknown, state: string]>([
    ['is well', passed, 'ok'],
    ['says that it fails', { smart_status: { passed: false } }, 'failing'],
    ['has an attribute below its limit', { ...passed, ...attribute(3, 1, 'now') }, 'failing'],
    ['had one', { ...passed, ...attribute(3, 1, 'past') }, 'ok'],
    ['warns (NVMe)', { ...passed, ...nvme({ critical_warning: 1 }) }, 'failing'],
    ['waits for a sector', { ...passed, ...attribute(197, 1) }, 'errors'],
    ['lost a sector', { ...passed, ...attribute(198, 1) }, 'errors'],
    ['replaced a sector', { ...passed, ...attribute(5, 1) }, 'ok'],
    ['could not read (NVMe)', { ...passed, ...nvme({ media_errors: 1 }) }, 'errors'],
    [
      'could not write (SAS)',
      { ...passed, scsi_error_counter_log: { write: { total_uncorrected_errors: 1 } } },
      'errors',
    ],
    ['says nothing of its health', {}, 'no_answer'],
    ['says nothing at all', '', 'no_answer'],
    ['says half a word', '{"smart_status"', 'no_answer'],
    ['is a list', [], 'no_answer'],
    [
      'has text where numbers are',
      { ...passed, ...nvme({ media_errors: '7', critical_warning: true }) },
      'ok',
    ],
    ['has a table of nothing', { ...passed, ata_smart_attributes: { table: [null, 7, {}] } }, 'ok'],
    [
      'sleeps',
      { smartctl: { exit_status: 2, messages: [{ string: 'Device is in STANDBY mode, exit(2)' }] } },
      'asleep',
    ],
    [
      'sleeps, in words of smartctl 7.5',
      { smartctl: { exit_status: 2 }, power_mode: { ata_value: 0 } },
      'asleep',
    ],
    [
      'cannot be opened',
      { smartctl: { exit_status: 2, messages: [{ string: 'Smartctl open device: /dev/sda failed' }] } },
      'no_answer',
    ],
  ])('that %s', (_, said, state) => {
    expect(disk(said)['state']).toBe(state);
  });

  test('its name is made small and plain', () => {
    const { model } = disk({ ...passed, model_name: `é${'x'.repeat(200)}` });
    expect(model).toBe(`?${'x'.repeat(79)}`);
  });

  test.each([
    [60, 60],
    [61, 60],
  ])('of %i disks %i are rows, and all are counted', (disks, rows) => {
    const one = "{'disk': f'sd{number:02}', 'state': 'ok'}";
    const facts = made(`collector.disk_facts([${one} for number in range(int(text))])`, String(disks));
    expect(facts).toMatchObject({ smart_disks: disks, smart_ok: disks });
    expect(facts['smart_rows']).toHaveLength(rows);
  });

  test('five attributes below their limit are named', () => {
    const table = Array.from({ length: 6 }, (_, at) => ({ name: `A${String(at)}`, when_failed: 'now' }));
    const failing = (count: number): unknown =>
      disk({ ...passed, ata_smart_attributes: { table: table.slice(0, count) } })['failing_now'];
    expect([failing(5), failing(6)]).toEqual(['A0 A1 A2 A3 A4', 'A0 A1 A2 A3 A4']);
  });

  test('nothing but the fixed fields leaves', () => {
    const row = disk({
      ...passed,
      serial_number: 'S3CRET',
      wwn: { id: 7 },
      logical_unit_id: '0x5',
      firmware_version: 'F',
    });
    expect(Object.keys(row)).toEqual(['disk', 'state', 'passed']);
  });
});

test('which names are of disks that have a health; a file in the place of a device is none', () => {
  const names = [
    'sda',
    'sdaa',
    'nvme0n1',
    'sda1',
    'nvme0n1p1',
    'nvme0c0n1',
    'vda',
    'xvda',
    'loop0',
    'dm-0',
    'sr0',
    'md0',
  ];
  expect(
    made('[name for name in text.split() if collector.re.fullmatch(collector.DISK, name)]', names.join(' ')),
  ).toEqual(['sda', 'sdaa', 'nvme0n1']);
  for (const path of ['/dev/null', '/etc/passwd', '/dev/none'])
    expect(made('collector.is_disk(text)', path)).toBe(false);
});

describe('events', () => {
  const line = (event: string, state = 'Asserted', sensor = 'Thing One'): string =>
    `  1f | 12/14/22 | 23:09:44 UTC | ${sensor} | ${event} | ${state}`;

  test.each([
    ['Uncorrectable ECC', 'critical'],
    ['Correctable ECC', 'warning'],
    ['Correctable ECC logging limit reached', 'warning'],
    ['Upper Critical going high', 'critical'],
    ['Upper Non-critical going high', 'warning'],
    ['Lower Non-recoverable going low', 'critical'],
    ['Power Supply AC lost', 'critical'],
    ['Redundancy Lost', 'critical'],
    ['Redundancy Degraded', 'warning'],
    ['Fully Redundant', 'info'],
    ['Drive Fault', 'critical'],
    ['Predictive Failure', 'warning'],
    ['Log almost full', 'warning'],
    ['Timestamp Clock Sync', 'info'],
  ])('%s is %s', (event, severity) => {
    expect(events(line(event))).toMatchObject({
      ipmi_events: 1,
      ipmi_rows: [{ severity, at: '2022-12-14T23:09:44', asserted: true }],
    });
  });

  test('one that was taken back does not stand; of another sensor it does', () => {
    const lost = line('Redundancy Lost');
    const back = line('Redundancy Lost', 'Deasserted');
    expect(events(lost, back)).toMatchObject({ ipmi_critical: 1, ipmi_standing: 0 });
    expect(events(lost, back, lost)).toMatchObject({ ipmi_critical: 2, ipmi_standing: 1 });
    expect(events(line('Drive Fault'), lost, back)).toMatchObject({
      ipmi_rows: [
        { event: 'Drive Fault', standing: true },
        { event: 'Redundancy Lost' },
        { asserted: false },
      ],
    });
    const other = line('Redundancy Lost', 'Asserted', 'Thing Two');
    expect(events(lost, back, other)).toMatchObject({ ipmi_critical: 2, ipmi_standing: 1 });
  });

  test('the form of ipmitool issue 385, a reading, and a clock that was not set', () => {
    const rows = events(
      '  3a | 12/14/22 | 23:09:44 CET | Memory #0x88 | Correctable ECC (CPU0_G1) | Asserted',
      ' 2c7 | 07/08/2015 | 22:11:03 | Temperature SSB Temp | Lower Critical going low  | Asserted | Reading 0 < Threshold 0 degrees C',
      '   e |  Pre-Init  |0000000093| System ACPI Power State #0xd5 | S0/G0: working | Asserted',
    )['ipmi_rows'];
    expect(rows).toEqual([
      {
        at: '2015-07-08T22:11:03',
        severity: 'critical',
        sensor: 'Temperature SSB Temp',
        event: 'Lower Critical going low',
        asserted: true,
        detail: 'Reading 0 < Threshold 0 degrees C',
        standing: true,
      },
      {
        at: '2022-12-14T23:09:44',
        severity: 'warning',
        sensor: 'Memory #0x88',
        event: 'Correctable ECC (CPU0_G1)',
        asserted: true,
      },
      { severity: 'info', sensor: 'System ACPI Power State #0xd5', event: 'S0/G0: working', asserted: true },
    ]);
  });

  test('at most 60, and the critical one is among them however old', () => {
    const old = [line('Uncorrectable ECC'), ...Array.from({ length: 80 }, () => line('Fully Redundant'))];
    const { ipmi_rows: rows, ...counts } = events(...old);
    expect(counts).toMatchObject({ ipmi_events: 81, ipmi_critical: 1 });
    expect(rows).toHaveLength(60);
    expect((rows as readonly Json[])[0]).toMatchObject({ severity: 'critical' });
  });

  test('what is no event is none', () => {
    expect(
      events('', 'SEL has no entries', '| | | | |', 'zz | a | b | c | d | Asserted', 'x'.repeat(100_000)),
    ).toMatchObject({
      ipmi_events: 0,
      ipmi_rows: [],
    });
  });
});

test('it writes one file, whole, and what the host has not is null', () => {
  mkdirSync(target.path('run/facts'), { recursive: true });
  execFileSync(target.path('lib/collectors/hardware'), { env: {} });
  const file = target.path('run/facts/hardware.json');
  const facts = JSON.parse(readFileSync(file, 'utf8')) as Json;
  expect((statSync(file).mode & 0o777).toString(8)).toBe('640');
  expect(readdirSync(target.path('run/facts'))).toEqual(['hardware.json']);
  expect(facts).toMatchObject({ v: 1, period: 900 });
  for (const name of ['smart_disks', 'ipmi_events']) expect(facts).toHaveProperty(name);
});

test('it takes no argument, and refuses as it stands in the repository', () => {
  expect(collectorRefusals(target, 'hardware', '/dev/sda')).toEqual(refusalsOf('hardware'));
});
