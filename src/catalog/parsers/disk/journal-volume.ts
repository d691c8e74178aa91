import { integerOf, outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** `volume`: `unit<TAB>messages<TAB>bytes` of the helper journal-volume, the last line `total` or `cut`; `disk`: --disk-usage. */
export const journalVolume: FactParser = (sections) => {
  const rows = outputLines(sections.get('volume') ?? '').flatMap((line) => {
    const [unit = '', messages, bytes] = line.split('\t');
    const [count, size] = [integerOf(messages), integerOf(bytes)];
    return count === undefined || size === undefined ? [] : [{ unit, messages: count, bytes: size }];
  });
  const last = rows.at(-1);
  const sum = last?.unit === 'total' || last?.unit === 'cut' ? last : undefined;
  const units = sum === undefined ? rows : rows.slice(0, -1);
  const [loudest] = units;
  return {
    messages: sum?.messages,
    message_bytes: sum?.bytes,
    complete: sum === undefined ? undefined : sum.unit === 'total',
    loudest_unit: loudest?.unit,
    loudest_percent:
      loudest === undefined || sum === undefined || sum.bytes <= 0
        ? undefined
        : Math.round((100 * loudest.bytes) / sum.bytes),
    journal_disk: /take up ([0-9.]+[BKMGT]?)\b/u.exec(sections.get('disk') ?? '')?.[1],
    units,
  };
};
