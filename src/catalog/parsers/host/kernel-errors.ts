import { integerOf, outputLines } from '../../output-lines.ts';
import { journalTime } from '../logs/journal-time.ts';
import type { FactParser } from '../parser.ts';

/** What a message of the kernel is about. In this order: the first that fits decides. */
const KINDS = [
  ['out_of_memory', /\bout of memory\b|oom-kill/iu],
  ['hardware', /\bEDAC\b|\bmce:|machine check|\[Hardware Error\]|memory failure/iu],
  [
    'filesystem',
    /\b(?:EXT[234]-fs|XFS|BTRFS|F2FS-fs|FAT-fs|JBD2|SQUASHFS|NFS)\b.*(?:err|corrupt|abort|shut|warn|read-only|fail|bad)/iu,
  ],
  [
    'disk',
    /\bI\/O error\b|\b(?:medium|target|device|nexus) error\b|failed command|rejecting I\/O|\bata[0-9.]+: .*(?:error|exception)|nvme.*(?:timeout|reset)/iu,
  ],
  ['lockup', /lockup|blocked for more than|rcu.*(?:stall|starved)/iu],
  ['crash', /\bOops\b|\bBUG:|kernel panic|general protection fault|unable to handle/iu],
] as const satisfies readonly (readonly [string, RegExp])[];

/** A block device as the kernel's messages name it: `dev sda1`, `device vdb`, `(dm-0)`. */
const DEVICE =
  /(?:\bdev(?:ice)? |\()((?:[shv]d[a-z]{1,3}|xvd[a-z]|nvme[0-9]+n|dm-|md|loop|mmcblk)[0-9a-z]*)\b/gu;

/** `counters`: lines `kind name value` of the helper kernel-counters; `kernel`: journalctl --output=short-iso. */
export const kernelErrors: FactParser = (sections, codes) => {
  const counters = codes.get('counters') === 0 ? countersOf(sections.get('counters') ?? '') : [];
  return {
    ...ofJournal(sections.get('kernel')),
    ext4_errors: sum(counters, 'ext4'),
    ext4_devices: troubled(counters, 'ext4'),
    scsi_errors: sum(counters, 'scsi'),
    scsi_devices: troubled(counters, 'scsi'),
    memory_corrected: sum(counters, 'edac_corrected'),
    memory_uncorrected: sum(counters, 'edac_uncorrected'),
    machine_checks: sum(counters, 'mce'),
  };
};

const ofJournal = (text: string | undefined): Readonly<Record<string, unknown>> => {
  if (text === undefined) return {};
  const lines = outputLines(text).filter((line) => journalTime(line) !== undefined);
  const kinds = lines.map((line) => KINDS.find(([, pattern]) => pattern.test(line))?.[0] ?? 'other');
  const count = (kind: string): number => kinds.filter((found) => found === kind).length;
  const devices = new Set(lines.flatMap((line) => [...line.matchAll(DEVICE)].map(([, name = '']) => name)));
  return {
    messages: lines.length,
    last_time: journalTime(lines.at(-1) ?? ''),
    ...Object.fromEntries([...KINDS.map(([kind]) => kind), 'other'].map((kind) => [kind, count(kind)])),
    devices: [...devices].toSorted().join(' ') || 'none',
  };
};

interface Counter {
  readonly kind: string;
  readonly name: string;
  readonly value: number;
}

const countersOf = (text: string): readonly Counter[] =>
  outputLines(text).flatMap((line) => {
    const [, kind = '', name = '', value] = /^([a-z0-9_]+) (\S{1,64}) ([0-9]+)$/u.exec(line) ?? [];
    const count = integerOf(value);
    return count === undefined ? [] : [{ kind, name, value: count }];
  });

/** Absent where nothing of the kind is counted: no such disk, no memory that is watched. */
const sum = (counters: readonly Counter[], kind: string): number | undefined => {
  const found = counters.filter((counter) => counter.kind === kind);
  return found.length === 0 ? undefined : found.reduce((total, { value }) => total + value, 0);
};

const troubled = (counters: readonly Counter[], kind: string): string | undefined => {
  const found = counters.filter((counter) => counter.kind === kind);
  if (found.length === 0) return undefined;
  const worse = found.filter(({ value }) => value > 0).map(({ name }) => name);
  return worse.join(' ') || 'none';
};
