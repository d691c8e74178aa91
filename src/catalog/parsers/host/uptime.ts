import { decimalOf, integerOf, outputLines, words } from '../../output-lines.ts';
import { utcTime } from '../../utc-time.ts';
import type { FactParser } from '../parser.ts';

/** The accounts of this product: who(1) of Debian 13 lists sessions without a terminal too, and the question is asked in one. */
const OWN: ReadonlySet<string> = new Set(['mcp-reader', 'pra-runner']);

/**
 * `proc`: /proc/loadavg and /proc/uptime (proc(5)), `boot`: the btime line of /proc/stat, `cpus`: nproc(1), `users`: who(1).
 */
export const uptime: FactParser = (sections) => {
  const [load = '', up = ''] = outputLines(sections.get('proc') ?? '');
  const [load1, load5, load15, tasks = ''] = words(load);
  const seconds = decimalOf(words(up)[0]);
  const [label, btime] = words(sections.get('boot')?.trim() ?? '');
  const sessions = outputLines(sections.get('users') ?? '')
    .map((line) => words(line)[0] ?? '')
    .filter((user) => !OWN.has(user));
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
