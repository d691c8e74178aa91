import { integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';
import { journalTime } from '../logs/journal-time.ts';

interface Victim {
  readonly time: string | undefined;
  readonly process: string;
  readonly pid: number | undefined;
  readonly uid: number | undefined;
  readonly memory_kb: number | undefined;
  readonly unit: string | undefined;
  readonly limit: 'cgroup' | 'host';
}

/** The summary before a kill (mm/oom_kill.c, dump_oom_summary): the only line that knows the control group of the victim. */
const SUMMARY = /^oom-kill:constraint=([A-Z_]+),.*task_memcg=([^,]*),task=.*,pid=([0-9]{1,10}),uid=[0-9]+$/u;
/** The kill itself (__oom_kill_process). A name may hold brackets; what follows it does not. */
const KILL = /^(.*)Killed process ([0-9]{1,10}) \((.*)\),? total-vm:(.*)$/u;

/** `kernel`: journalctl --output=short-iso of the kernel, newest first; `counter`: the line oom_kill of /proc/vmstat. */
export const oomKills: FactParser = (sections) => {
  const units = new Map<string, string>();
  const victims: Victim[] = [];
  for (const line of outputLines(sections.get('kernel') ?? '').toReversed()) {
    const text = line.replace(/^\S+ kernel: /u, '');
    const [, , group, pid] = SUMMARY.exec(text) ?? [];
    if (group !== undefined && pid !== undefined) units.set(pid, unitOf(group));
    const victim = victimOf(line, text, units);
    if (victim !== undefined) victims.push(victim);
  }
  const last = victims.at(-1);
  return {
    kills: victims.length,
    since_boot: integerOf(words(sections.get('counter')?.trim() ?? '')[1]),
    last_time: last?.time,
    last_process: last?.process,
    last_unit: last?.unit,
    victims: victims.toReversed(),
  };
};

const victimOf = (line: string, text: string, units: ReadonlyMap<string, string>): Victim | undefined => {
  const [, before = '', pid, process, rest = ''] = KILL.exec(text) ?? [];
  if (pid === undefined || process === undefined) return undefined;
  const parts = ['anon-rss', 'file-rss', 'shmem-rss'].map((name) =>
    integerOf(new RegExp(`${name}:([0-9]{1,15})kB`, 'u').exec(rest)?.[1]),
  );
  return {
    time: journalTime(line),
    process,
    pid: integerOf(pid),
    uid: integerOf(/ UID:([0-9]{1,10}) /u.exec(rest)?.[1]),
    memory_kb: parts.includes(undefined) ? undefined : parts.reduce<number>((sum, kb) => sum + (kb ?? 0), 0),
    unit: units.get(pid) || undefined,
    limit: before.startsWith('Memory cgroup') ? 'cgroup' : 'host',
  };
};

/** The innermost unit of a control group's path; empty when there is none. */
const unitOf = (group: string): string =>
  group
    .split('/')
    .toReversed()
    .find((part) => /\.(?:service|scope)$/u.test(part)) ?? '';
