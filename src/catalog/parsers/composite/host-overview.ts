import { decimalOf, integerOf, outputLines, words } from '../../output-lines.ts';
import { df } from '../disk/df.ts';
import { meminfo } from '../host/meminfo.ts';
import type { FactParser, SectionCodes, SectionTexts } from '../parser.ts';
import { failedUnits } from '../services/failed-units.ts';

type Severity = 'critical' | 'attention';

/** One thing to look at. A value at or beyond `critical` is critical, at or beyond `attention` needs attention; `below` turns it round. */
interface Threshold {
  readonly fact: string;
  readonly unit: string;
  readonly below?: true;
  readonly attention?: number;
  readonly critical?: number;
  /** Where it is, when the number alone does not say. */
  readonly where?: string;
}

const THRESHOLDS: readonly Threshold[] = [
  { fact: 'fullest_percent', unit: '%', attention: 85, critical: 95, where: 'fullest_mount' },
  { fact: 'fewest_inodes_percent', unit: '%', attention: 85, critical: 95, where: 'fewest_inodes_mount' },
  { fact: 'read_only_mounts', unit: '', critical: 1, where: 'read_only_list' },
  { fact: 'memory_available_percent', unit: '%', below: true, attention: 10, critical: 5 },
  { fact: 'swap_used_percent', unit: '%', attention: 50, critical: 90 },
  { fact: 'load_per_cpu', unit: '', attention: 1.5, critical: 4 },
  { fact: 'cpu_pressure_percent', unit: '%', attention: 40, critical: 80 },
  { fact: 'memory_pressure_percent', unit: '%', attention: 5, critical: 20 },
  { fact: 'io_pressure_percent', unit: '%', attention: 20, critical: 60 },
  { fact: 'blocked_tasks', unit: '', attention: 4, critical: 20 },
  { fact: 'files_used_percent', unit: '%', attention: 80, critical: 95 },
  { fact: 'failed_units', unit: '', attention: 1, where: 'failed_list' },
  { fact: 'oom_kills_24h', unit: '', critical: 1 },
  { fact: 'kernel_errors_1h', unit: '', attention: 1, critical: 20 },
];

/** Sections of catalog/diagnostics/host_overview.yaml: what several diagnostics say of a host, judged by fixed thresholds. */
export const hostOverview: FactParser = (sections, codes) => {
  const values = { ...machine(sections), ...storage(sections, codes), ...services(sections, codes) };
  const findings = [...THRESHOLDS.flatMap((threshold) => assess(threshold, values)), ...flags(values)].sort(
    (a, b) => rank(a.severity) - rank(b.severity),
  );
  return { ...values, findings, verdict: findings[0]?.severity ?? 'ok' };
};

type Values = Readonly<Record<string, unknown>>;

interface Finding {
  readonly severity: Severity;
  readonly what: string;
  readonly value: string;
  readonly threshold: string;
}

const rank = (severity: Severity): number => (severity === 'critical' ? 0 : 1);

const assess = (rule: Threshold, values: Values): readonly Finding[] => {
  const value = values[rule.fact];
  if (typeof value !== 'number') return [];
  const isBeyond = (limit: number | undefined): boolean =>
    limit !== undefined && (rule.below === true ? value < limit : value >= limit);
  const severity = isBeyond(rule.critical) ? 'critical' : isBeyond(rule.attention) ? 'attention' : undefined;
  if (severity === undefined) return [];
  const where = rule.where === undefined ? undefined : values[rule.where];
  const sign = rule.below === true ? '<' : '>=';
  return [
    {
      severity,
      what: rule.fact,
      value: `${String(value)}${rule.unit}${typeof where === 'string' && where !== '' ? ` ${where}` : ''}`,
      threshold: `${sign} ${String(rule[severity])}${rule.unit}`,
    },
  ];
};

const flags = (values: Values): readonly Finding[] => [
  ...(values['clock_synchronized'] === false
    ? [{ severity: 'attention', what: 'clock_synchronized', value: 'no', threshold: 'yes' } as const]
    : []),
  ...(values['reboot_required'] === true
    ? [{ severity: 'attention', what: 'reboot_required', value: 'yes', threshold: 'no' } as const]
    : []),
];

const machine = (sections: SectionTexts): Values => {
  const [load = '', up = ''] = outputLines(sections.get('load') ?? '');
  const [, load5] = words(load);
  const cpus = integerOf(sections.get('cpus')?.trim());
  const perCpu = cpus === undefined || cpus < 1 ? undefined : (decimalOf(load5) ?? NaN) / cpus;
  const seconds = decimalOf(words(up)[0]);
  const memory = meminfo(new Map([['meminfo', sections.get('meminfo') ?? '']]), new Map());
  const [total, free] = [memory['swap_total_kb'], memory['swap_free_kb']];
  const hasSwap = typeof total === 'number' && typeof free === 'number' && total > 0;
  return {
    host: sections.get('identity')?.trim(),
    uptime_seconds: seconds === undefined ? undefined : Math.floor(seconds),
    load_per_cpu: perCpu === undefined ? undefined : Math.round(perCpu * 100) / 100,
    cpu_pressure_percent: pressureOf(sections, 'cpu'),
    memory_pressure_percent: pressureOf(sections, 'memory'),
    io_pressure_percent: pressureOf(sections, 'io'),
    memory_available_percent: memory['available_percent'],
    swap_used_percent: hasSwap ? Math.round((100 * (total - free)) / total) : undefined,
    blocked_tasks: integerOf(words(sections.get('blocked')?.trim() ?? '')[1]),
    files_used_percent: filesPercent(sections.get('files')),
  };
};

/** `/proc/pressure/io:some avg10=0.00 avg60=1.25 …` (Documentation/accounting/psi.rst of Linux). */
const pressureOf = (sections: SectionTexts, what: string): number | undefined => {
  const line = outputLines(sections.get('pressure') ?? '').find((one) =>
    one.startsWith(`/proc/pressure/${what}:some `),
  );
  return decimalOf(/ avg60=([0-9.]+)(?: |$)/u.exec(line ?? '')?.[1]);
};

/** /proc/sys/fs/file-nr (proc(5)): in use, free (0), limit. */
const filesPercent = (text: string | undefined): number | undefined => {
  const [used, , limit] = words(text?.trim() ?? '').map((word) => decimalOf(word.slice(0, 15)));
  if (used === undefined || limit === undefined || limit <= 0) return undefined;
  return Math.round((100 * used) / limit);
};

const storage = (sections: SectionTexts, codes: SectionCodes): Values => {
  const usage = df(sections, codes);
  // Below /run and /snap things are mounted read-only on purpose.
  const readOnly = outputLines(sections.get('read_only') ?? '')
    .map((line) => line.trim())
    .filter((mount) => !/^\/(?:run|snap)\//u.test(mount));
  return {
    fullest_mount: usage['fullest_mount'],
    fullest_percent: usage['fullest_percent'],
    fewest_inodes_mount: usage['fewest_inodes_mount'],
    fewest_inodes_percent: usage['fewest_inodes_percent'],
    // findmnt(8) exits 1 when nothing matches.
    read_only_mounts: (codes.get('read_only') ?? 127) <= 1 ? readOnly.length : undefined,
    read_only_list: readOnly.slice(0, 3).join(' '),
  };
};

const services = (sections: SectionTexts, codes: SectionCodes): Values => {
  const failed = failedUnits(new Map([['units', sections.get('units') ?? '']]), codes);
  const names = (failed['units'] as readonly { readonly unit?: string }[]).map(({ unit }) => unit);
  const lines = (section: string): number | undefined =>
    (codes.get(section) ?? 127) <= 1 ? outputLines(sections.get(section) ?? '').length : undefined;
  const clock = /^NTPSynchronized=(yes|no)$/mu.exec(sections.get('time') ?? '')?.[1];
  const reboot = codes.get('reboot');
  return {
    failed_units: codes.get('units') === 0 ? failed['count'] : undefined,
    failed_list: names.slice(0, 5).join(' '),
    system_state: sections.get('state')?.trim(),
    oom_kills_24h: lines('oom'),
    kernel_errors_1h: lines('kernel'),
    clock_synchronized: clock === undefined ? undefined : clock === 'yes',
    reboot_required: reboot === 0 ? true : reboot === 2 ? false : undefined,
  };
};
