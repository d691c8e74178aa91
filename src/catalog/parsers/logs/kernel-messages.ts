import { integerOf, outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';
import { journalTimes } from './journal-times.ts';

/** What the kernel says in such a case (the files are of its source). A message counts once in each kind it is of. */
const KINDS: Readonly<Record<string, RegExp>> = {
  io_errors: /\bI\/O error\b/u, // block/blk-core.c, fs/buffer.c
  filesystem_errors: /\b(?:EXT4-fs error|XFS \([^)]*\): .*[Cc]orruption|BTRFS (?:error|critical))\b/u,
  oom_kills: /\b(?:Out of memory|Memory cgroup out of memory): Killed process\b/u, // mm/oom_kill.c
  hung_tasks: /\bblocked for more than [0-9]+ seconds\b/u, // kernel/hung_task.c
  lockups: /\b(?:soft lockup|hard LOCKUP|self-detected stall|detected stalls)\b/u, // kernel/watchdog.c, kernel/rcu
  segfaults: /\bsegfault at\b/u, // arch/x86/mm/fault.c
  hardware_errors: /\[Hardware Error\]|\bMachine check\b/u, // HW_ERR of include/linux/printk.h
};

/** kernel/audit.c */
const AUDIT_LOST = /\baudit_lost=([0-9]+) /u;

/** Kernel messages as short-iso, counted by what they are about. */
export const kernelMessages: FactParser = (sections) => {
  const lines = outputLines(sections.get('journal') ?? '');
  const counts = Object.entries(KINDS).map(
    ([kind, pattern]) => [kind, lines.filter((line) => pattern.test(line)).length] as const,
  );
  const lost = lines.map((line) => AUDIT_LOST.exec(line)?.[1]).filter((value) => value !== undefined);
  return { ...journalTimes(lines), ...Object.fromEntries(counts), audit_lost: integerOf(lost.at(-1)) };
};
