import { decimalOf, integerOf, outputLines, words } from '../output-lines.ts';
import type { FactParser } from './parser.ts';

/**
 * `proc`: /proc/loadavg and /proc/uptime (proc(5)), `boot`: the btime line of /proc/stat, `cpus`: nproc(1), `users`: who(1).
 */
export const uptime: FactParser = (sections) => {
  const [load = '', up = ''] = outputLines(sections.get('proc') ?? '');
  const [load1, load5, load15, tasks = ''] = words(load);
  const seconds = decimalOf(words(up)[0]);
  const [label, btime] = words(sections.get('boot')?.trim() ?? '');
  const sessions = outputLines(sections.get('users') ?? '').map((line) => words(line)[0] ?? '');
  return {
    load_1m: decimalOf(load1),
    load_5m: decimalOf(load5),
    load_15m: decimalOf(load15),
    tasks: integerOf(tasks.split('/')[1]),
    uptime_seconds: seconds === undefined ? undefined : Math.floor(seconds),
    boot_time: label === 'btime' ? utcTime(integerOf(btime)) : undefined,
    cpus: integerOf(sections.get('cpus')?.trim()),
    sessions: sections.has('users') ? sessions.length : undefined,
    users: sections.has('users') ? new Set(sessions).size : undefined,
  };
};

const utcTime = (seconds: number | undefined): string | undefined => {
  // The year 9999: later ones have another form.
  if (seconds === undefined || seconds < 0 || seconds > 253_402_300_799) return undefined;
  return `${new Date(seconds * 1_000).toISOString().slice(0, 19)}Z`;
};
