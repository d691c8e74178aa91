import { decimalOf, integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** journalctl --disk-usage: `Archived and active journals take up 16.0M in the file system.` Units are powers of 1024. */
const USAGE = /take up ([0-9]+(?:\.[0-9]+)?)([BKMGTPE])/u;

/** `usage`, and `disk`: df -P -B1 of the folder that a journal on disk is in. */
export const journalDiskUse: FactParser = (sections, codes) => {
  const [, amount, unit = ''] = USAGE.exec(sections.get('usage') ?? '') ?? [];
  const value = decimalOf(amount);
  const used = value === undefined ? undefined : Math.round(value * 1024 ** 'BKMGTPE'.indexOf(unit));
  const persistent = codes.get('disk') === undefined ? undefined : codes.get('disk') === 0;
  if (persistent !== true) return { used_bytes: used, persistent };
  const fields = words(outputLines(sections.get('disk') ?? '')[1] ?? '');
  const size = integerOf(fields[1]);
  return {
    used_bytes: used,
    persistent,
    filesystem_mount: fields.slice(5).join(' '),
    filesystem_size_bytes: size,
    filesystem_available_bytes: integerOf(fields[3]),
    used_percent:
      used === undefined || size === undefined || size <= 0
        ? undefined
        : Math.round((1000 * used) / size) / 10,
  };
};
