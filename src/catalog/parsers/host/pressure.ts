import { decimalOf, outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

const LINE =
  /^\/proc\/pressure\/(cpu|memory|io):(some|full) avg10=([0-9.]+) avg60=([0-9.]+) avg300=([0-9.]+) total=([0-9]+)$/u;

/** `grep -H . /proc/pressure/…` (the kernel's Documentation/accounting/psi.rst): shares in percent, `total` in microseconds. */
export const pressure: FactParser = (sections) => {
  const rows = outputLines(sections.get('pressure') ?? '')
    .map(rowOf)
    .filter((row) => row !== undefined);
  const recent = (resource: string, kind: string): number | undefined =>
    rows.find((row) => row.resource === resource && row.kind === kind)?.avg10_percent;
  const waited = rows.filter(({ kind, avg10_percent: percent }) => kind === 'some' && percent !== undefined);
  const [worst] = waited.toSorted((a, b) => (b.avg10_percent ?? 0) - (a.avg10_percent ?? 0));
  const isShort = (worst?.avg10_percent ?? 0) > 0;
  return {
    worst: worst === undefined ? undefined : isShort ? worst.resource : 'none',
    worst_percent: worst?.avg10_percent,
    cpu_some_percent: recent('cpu', 'some'),
    memory_some_percent: recent('memory', 'some'),
    memory_full_percent: recent('memory', 'full'),
    io_some_percent: recent('io', 'some'),
    io_full_percent: recent('io', 'full'),
    pressures: rows,
  };
};

interface Pressure {
  readonly resource: string;
  readonly kind: string;
  readonly avg10_percent: number | undefined;
  readonly avg60_percent: number | undefined;
  readonly avg300_percent: number | undefined;
  readonly stalled_seconds: number | undefined;
}

const rowOf = (line: string): Pressure | undefined => {
  const [, resource, kind, avg10, avg60, avg300, total] = LINE.exec(line) ?? [];
  if (resource === undefined || kind === undefined) return undefined;
  const micros = decimalOf(total);
  return {
    resource,
    kind,
    avg10_percent: decimalOf(avg10),
    avg60_percent: decimalOf(avg60),
    avg300_percent: decimalOf(avg300),
    stalled_seconds: micros === undefined ? undefined : Math.round(micros / 1_000_000),
  };
};
