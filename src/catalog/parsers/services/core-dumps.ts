import type { JsonObject } from '../json-output.ts';
import type { FactParser } from '../parser.ts';
import { integerIn, jsonRows, textIn, utcOfMicroseconds } from './json-rows.ts';

/** coredumpctl list --json=short: one object a crash, oldest first. Without any it says nothing and its code is 1 (coredumpctl(1)). */
export const coreDumps: FactParser = (sections, codes) => {
  const text = sections.get('dumps') ?? '';
  const isNone = text.trim() === '' && codes.get('dumps') === 1;
  if (!isNone && !text.trim().startsWith('[')) return {};
  const byProgram = Map.groupBy(jsonRows(text), (row) => textIn(row, 'exe') ?? 'unknown');
  const crashes = [...byProgram]
    .map(([program, rows]) => ({ program, crashes: rows.length, ...lastOf(rows) }))
    .toSorted((a, b) => b.crashes - a.crashes);
  const last = crashes.toSorted((a, b) => ((a.last_time ?? '') < (b.last_time ?? '') ? 1 : -1))[0];
  return {
    count: crashes.reduce((sum, row) => sum + row.crashes, 0),
    programs: crashes.length,
    last_program: last?.program,
    last_time: last === undefined ? 'none' : last.last_time,
    crashes,
  };
};

const lastOf = (rows: readonly JsonObject[]) => {
  const row = rows.at(-1) ?? {};
  return {
    last_time: utcOfMicroseconds(integerIn(row, 'time')),
    signal: integerIn(row, 'sig'),
    uid: integerIn(row, 'uid'),
    dump: textIn(row, 'corefile'),
    bytes: integerIn(row, 'size'),
  };
};
