import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cellsOf } from '../../../src/cli/cells.ts';
import { factCell, factLabel, humanBytes } from '../../../src/cli/look/fact-cell.ts';
import { factTable } from '../../../src/cli/look/fact-table.ts';
import { lookPage } from '../../../src/cli/look-page.ts';
import { Page } from '../../../src/cli/page.ts';
import { readResult } from '../../support/read-result.ts';

describe('sizes for people', () => {
  test.each([
    [0, '0 B'],
    [1_023, '1023 B'],
    [1_024, '1.0 KiB'],
    [1_536, '1.5 KiB'],
    [1_048_524, '1023.9 KiB'],
    [1_048_525, '1.0 MiB'],
    [9_985_798_963, '9.3 GiB'],
    [Number.MAX_SAFE_INTEGER, '8.0 PiB'],
    [-1, '-1'],
    [0.5, '0.5'],
    [Infinity, 'Infinity'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(humanBytes(bytes)).toBe(text);
  });

  test('the name of a fact says whether it counts bytes; what is no number stays', () => {
    expect(factCell('size_bytes', 2_048)).toBe('2.0 KiB');
    expect(factCell('bytes', 2_048)).toBe('2.0 KiB');
    expect(factCell('total_kb', 2_048)).toBe('2.0 MiB');
    expect(factCell('kbytes_read', 2_048)).toBe('2048');
    expect(factCell('size_bytes', 'many')).toBe('many');
    expect(factCell('name', 'a\u001b[31m\nb')).not.toMatch(/\u001b|\n/u);
    expect(factCell('up', true)).toBe('true');
  });

  test('a label loses the unit that its cell says, unless it would be that of another', () => {
    expect(factLabel('size_bytes', ['size_bytes'])).toBe('size');
    expect(factLabel('used_percent', ['used_percent'])).toBe('used %');
    expect(factLabel('size_bytes', ['size', 'size_bytes'])).toBe('size_bytes');
    expect(factLabel('bytes', ['bytes'])).toBe('bytes');
  });
});

describe('a table of rows', () => {
  const rows = [
    { mount: '/', size_bytes: 20_000_000_000, used_percent: 48 },
    { mount: '/srv/a-long-name/of-a-mount', size_bytes: 1_024, note: 'x' },
  ];

  test('columns are aligned, numbers to the right; what a row lacks is empty', () => {
    expect(factTable(rows, Infinity)).toEqual([
      'mount                            size  used %  note',
      '/                            18.6 GiB      48',
      '/srv/a-long-name/of-a-mount   1.0 KiB          x',
    ]);
  });

  test('where it is too wide, texts are cut and numbers are not', () => {
    expect(factTable(rows, 35)).toEqual([
      'mount            size  used %  note',
      '/            18.6 GiB      48',
      '/srv/a-lon…   1.0 KiB          x',
    ]);
    expect(factTable([{ name: 'n'.repeat(30), inode_number: 1_234_567_890_123 }], 20)[1]).toBe(
      'nnnnnnn…  1234567890123',
    );
    const narrow = factTable(rows, 10);
    expect(narrow[2]).toBe('/srv/a-…   1.0 KiB          x');
  });

  test('lines fit whenever the numbers and eight characters of each text do', () => {
    const row = fc.record({
      a: fc.string({ maxLength: 60 }),
      b: fc.integer(),
      c: fc.string({ maxLength: 60 }),
    });
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 40, max: 90 }),
        (some, width) => {
          for (const line of factTable(some, width)) {
            expect(cellsOf(line)).toBeLessThanOrEqual(width);
            expect(line).not.toContain('\n');
          }
        },
      ),
    );
  });
});

test('a wide terminal has wide tables and no wider sentences; --full cuts nothing', () => {
  const result = readResult({
    host: 'h1',
    facts: { total_kb: 2_048, note: 'word '.repeat(40), rows: [{ path: 'p'.repeat(150), size_bytes: 1 }] },
  });
  const lines = (tableWidth: number, full = false): readonly string[] => {
    const page = new Page(80, (_, text) => text, tableWidth);
    lookPage(page, { results: [result], summary: 'one', differences: [] }, full);
    return page.toString().split('\n');
  };
  expect(lines(80)).toContain('  total  2.0 MiB');
  for (const line of lines(80)) expect(cellsOf(line)).toBeLessThanOrEqual(80);
  expect(Math.max(...lines(120).map(cellsOf))).toBe(120);
  expect(
    lines(120)
      .filter((line) => /word/u.test(line))
      .every((line) => cellsOf(line) <= 80),
  ).toBe(true);
  expect(lines(80, true).join('\n')).toContain('p'.repeat(150));
});
