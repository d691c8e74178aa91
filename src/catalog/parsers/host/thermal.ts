import { outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** `path:value` lines of helper:temperatures; the value may hold colons. */
const LINE = /^\/(?:[^/:]+\/)*(hwmon[0-9]+|thermal_zone[0-9]+)\/([a-z0-9_]{1,32}):(.*)$/u;

interface Sensor {
  readonly sensor: string;
  readonly place: string;
  readonly celsius: number;
  readonly high_celsius: number | undefined;
  readonly critical_celsius: number | undefined;
  readonly below_critical_celsius: number | undefined;
  readonly alarm: boolean | undefined;
}

/** Sensors of the hwmon and thermal classes against their own limits (hwmon/sysfs-interface.rst: thousandths of a degree). */
export const thermal: FactParser = (sections) => {
  const devices = new Map<string, Map<string, string>>();
  for (const line of outputLines(sections.get('sensors') ?? '')) {
    const [, device = '', file = '', value = ''] = LINE.exec(line) ?? [];
    if (device === '') continue;
    const files = devices.get(device) ?? new Map<string, string>();
    devices.set(device, files.set(file, value.trim()));
  }
  const sensors = [...devices].flatMap(([device, files]) =>
    device.startsWith('hwmon') ? chipSensors(device, files) : zoneSensor(device, files),
  );
  const byHeat = sensors.toSorted((a, b) => b.celsius - a.celsius);
  const limited = byHeat
    .filter(({ critical_celsius }) => critical_celsius !== undefined)
    .toSorted((a, b) => (a.below_critical_celsius ?? 0) - (b.below_critical_celsius ?? 0));
  return {
    sensors: sensors.length,
    hottest_celsius: byHeat[0]?.celsius,
    hottest_sensor: byHeat[0]?.sensor,
    with_limit: limited.length,
    nearest_celsius: limited[0]?.below_critical_celsius,
    nearest_sensor: limited[0]?.sensor,
    at_critical: limited.filter(({ below_critical_celsius }) => (below_critical_celsius ?? 1) <= 0).length,
    at_high: sensors.filter(({ celsius, high_celsius = Infinity }) => celsius >= high_celsius).length,
    alarms: sensors.filter(({ alarm }) => alarm === true).length,
    rows: [...limited, ...byHeat.filter(({ critical_celsius }) => critical_celsius === undefined)],
  };
};

/** All that a chip measures: `temp1_input` with its label, limits and alarms beside it. */
const chipSensors = (device: string, files: ReadonlyMap<string, string>): readonly Sensor[] =>
  [...files.keys()].flatMap((file) => {
    const [, name] = /^(temp[0-9]+)_input$/u.exec(file) ?? [];
    const of = (what: string): string | undefined => files.get(`${name ?? ''}_${what}`);
    const celsius = measured(of('input'));
    if (name === undefined || celsius === undefined) return [];
    const alarms = ['alarm', 'max_alarm', 'crit_alarm'].map(of).filter((one) => one !== undefined);
    return [
      sensorOf({
        sensor: `${files.get('name') ?? device} ${of('label') ?? name}`,
        place: `${device}/${name}`,
        celsius,
        high: limit(of('max')),
        critical: limit(of('crit')),
        alarm: alarms.length === 0 ? undefined : alarms.includes('1'),
      }),
    ];
  });

/** A zone of the firmware: one temperature and the points at which something happens. */
const zoneSensor = (device: string, files: ReadonlyMap<string, string>): readonly Sensor[] => {
  const celsius = measured(files.get('temp'));
  if (celsius === undefined) return [];
  const tripsOf = (type: string): readonly number[] =>
    [...files].flatMap(([file, value]) => {
      const [, trip] = /^(trip_point_[0-9]+)_type$/u.exec(file) ?? [];
      const at = trip === undefined || value !== type ? undefined : limit(files.get(`${trip}_temp`));
      return at === undefined ? [] : [at];
    });
  const lowest = (type: string): number | undefined => tripsOf(type).toSorted((a, b) => a - b)[0];
  const sensor = files.get('type') ?? device;
  return [
    sensorOf({
      sensor,
      place: device,
      celsius,
      high: lowest('hot'),
      critical: lowest('critical'),
      alarm: undefined,
    }),
  ];
};

const sensorOf = ({
  sensor,
  place,
  celsius,
  high,
  critical,
  alarm,
}: {
  readonly sensor: string;
  readonly place: string;
  readonly celsius: number;
  readonly high: number | undefined;
  readonly critical: number | undefined;
  readonly alarm: boolean | undefined;
}): Sensor => ({
  sensor,
  place,
  celsius,
  high_celsius: high,
  critical_celsius: critical,
  below_critical_celsius: critical === undefined ? undefined : Math.round((critical - celsius) * 10) / 10,
  alarm,
});

/** Degrees to a tenth; what no sensor on earth measures is a plug without one behind it. */
const measured = (text: string | undefined): number | undefined => within(text, -60, 200);

/** A limit of nothing, or of 65,261 degrees as NVMe says when it has none, is none. */
const limit = (text: string | undefined): number | undefined => within(text, 1, 200);

const within = (text: string | undefined, low: number, high: number): number | undefined => {
  if (text === undefined || !/^-?[0-9]{1,9}$/u.test(text)) return undefined;
  const celsius = Math.round(Number(text) / 100) / 10;
  return celsius >= low && celsius <= high ? celsius : undefined;
};
