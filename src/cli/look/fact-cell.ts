import { oneLine } from '../plain-text.ts';

type Scalar = string | number | boolean;

/** Names of facts and columns that count bytes, and by how many each of their units is. */
const UNITS: readonly (readonly [RegExp, number])[] = [
  [/(?:^|_)bytes$/u, 1],
  [/(?:^|_)kb$/u, 1_024],
];
/** IEC 80000-13. */
const PREFIXES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** Bytes for people, with one decimal from KiB on: `9.3 GiB`. Whole numbers of at least 0 only; others stay as they are. */
export const humanBytes = (bytes: number): string => {
  if (!Number.isSafeInteger(bytes) || bytes < 0) return String(bytes);
  let [value, prefix] = [bytes, 0];
  // 1023.95 KiB would be shown as 1024.0.
  while (value >= (prefix === 0 ? 1_024 : 1_023.95) && prefix < PREFIXES.length - 1) {
    value /= 1_024;
    prefix += 1;
  }
  return `${prefix === 0 ? String(value) : value.toFixed(1)} ${PREFIXES[prefix] ?? ''}`;
};

/** A fact's name as people read it, where its cells say the unit: `size` for `size_bytes`, `used %` for `used_percent`. */
export const factLabel = (name: string, others: readonly string[]): string => {
  const label = name.replace(/_(?:bytes|kb)$/u, '').replace(/_percent$/u, ' %');
  return label !== name && others.includes(label) ? name : label;
};

/** A fact's value as people read it in a table: sizes in their own unit, text of others on one line. `--json` has the exact one. */
export const factCell = (name: string, value: Scalar): string => {
  const unit = UNITS.find(([form]) => form.test(name));
  return typeof value === 'number' && unit !== undefined
    ? humanBytes(value * unit[1])
    : oneLine(String(value));
};
