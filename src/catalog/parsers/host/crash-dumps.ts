import { integerOf, outputLines } from '../../output-lines.ts';
import { utcTime } from '../../utc-time.ts';
import type { FactParser } from '../parser.ts';

/** `kdump`: grep -H of /sys/kernel; `crash`, `pstore`: ls -g -o --time-style=+%s: `mode links size seconds name`. */
export const crashDumps: FactParser = (sections) => {
  const kdump = new Map(
    outputLines(sections.get('kdump') ?? '').map((line) => {
      const [, name = '', value] = /^\/sys\/kernel\/([a-z_]+):([0-9]+)$/u.exec(line) ?? [];
      return [name, integerOf(value)] as const;
    }),
  );
  const files = (['crash', 'pstore'] as const)
    .flatMap((store) => outputLines(sections.get(store) ?? '').map((line) => fileOf(store, line)))
    .filter((file) => file !== undefined)
    .toSorted((a, b) => b.seconds - a.seconds);
  const loaded = kdump.get('kexec_crash_loaded');
  return {
    dumps: files.length,
    newest_time: utcTime(files[0]?.seconds),
    newest_name: files[0]?.name,
    kdump_ready: loaded === undefined ? undefined : loaded === 1,
    kdump_reserved_bytes: kdump.get('kexec_crash_size'),
    files: files.map(({ seconds, ...file }) => ({ ...file, time: utcTime(seconds) })),
  };
};

const fileOf = (store: string, line: string) => {
  const [, size, time, name] = /^[-dl]\S{9,11} +[0-9]+ +([0-9]+) +([0-9]{1,12}) (.+)$/u.exec(line) ?? [];
  const [bytes, seconds] = [integerOf(size), integerOf(time)];
  // What kdump-tools keeps beside its dumps.
  if (name === undefined || seconds === undefined || name === 'kexec_cmd' || name === 'kdump_lock')
    return undefined;
  return { store, name, size_bytes: bytes, seconds };
};
