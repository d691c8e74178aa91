import { describe, expect, it } from 'vitest';
import type { Facts } from '../../../src/catalog/types.ts';
import { compareHosts, saidDifferences } from '../../../src/request/compare-hosts.ts';
import type { ReadStatus } from '../../../src/request/desk.ts';

const hosts = (...facts: readonly Facts[]) =>
  facts.map((one, index) => ({ host: `h${String(index + 1)}`, status: 'ok' as ReadStatus, facts: one }));
const said = (...facts: readonly Facts[]): readonly string[] =>
  saidDifferences(compareHosts(hosts(...facts)));

describe('who differs from the rest', () => {
  it.each<[string, readonly Facts[], readonly string[]]>([
    [
      'a count that is zero elsewhere',
      [{ failed: 0 }, { failed: 0 }, { failed: 2 }],
      ['h3: failed 2 (the rest: 0)'],
    ],
    ['nobody', [{ failed: 0 }, { failed: 0 }, { failed: 0 }], []],
    ['two hosts: nobody knows who the rest is', [{ failed: 0 }, { failed: 2 }], []],
    ['a word', [{ os: '12' }, { os: '13' }, { os: '12' }], ['h2: os 13 (the rest: 12)']],
    [
      'a boolean',
      [{ synced: true }, { synced: true }, { synced: false }],
      ['h3: synced false (the rest: true)'],
    ],
    ['no majority', [{ os: '11' }, { os: '12' }, { os: '13' }], []],
    ['a tie', [{ os: '11' }, { os: '11' }, { os: '12' }, { os: '12' }], []],
    ['numbers that scatter', [{ load: 1 }, { load: 2 }, { load: 3 }, { load: 4 }, { load: 5 }], []],
    [
      'a number far from the scatter',
      [{ load: 1 }, { load: 2 }, { load: 3 }, { load: 4 }, { load: 90 }],
      ['h5: load 90 (the rest: 3)'],
    ],
    ['within a tenth of the others', [{ kb: 1_000 }, { kb: 1_000 }, { kb: 1_100 }], []],
    ['beyond it', [{ kb: 1_000 }, { kb: 1_000 }, { kb: 1_101 }], ['h3: kb 1101 (the rest: 1000)']],
    ['tables are not compared', [{ rows: [{ a: 1 }] }, { rows: [] }, { rows: [] }], []],
  ])('%s', (_, facts, lines) => {
    expect(said(...facts)).toEqual(lines);
  });

  it('says at most five lines, those about the fewest hosts first, and short ones', () => {
    const facts = (x: number): Facts =>
      Object.fromEntries(
        ['a', 'b', 'c', 'd', 'e', 'f'].map((name, index) => [name, index === 5 ? 'x'.repeat(80) : x]),
      );
    const other = { ...facts(0), f: 'y'.repeat(80) };
    const lines = said(facts(0), facts(0), facts(0), other, facts(9), facts(9), facts(0));
    expect(lines).toHaveLength(5);
    expect(lines[0]).toBe(`h4: f ${'y'.repeat(39)}… (the rest: ${'x'.repeat(39)}…)`);
    expect(lines[1]).toBe('h5: a 9, h6: a 9 (the rest: 0)');
  });

  it('the comparison has the values by host, who lacks a fact, and no host without an answer', () => {
    const asked = [
      ...hosts({ a: 1, same: 'x' }, { a: 1, same: 'x' }, { same: 'x' }),
      { host: 'h4', status: 'unreachable' as ReadStatus, facts: {} },
    ];
    expect(compareHosts(asked)).toEqual([
      {
        fact: 'a',
        values: [
          { host: 'h1', value: 1 },
          { host: 'h2', value: 1 },
        ],
        absent: ['h3'],
        unlike: [],
        usual: null,
      },
    ]);
  });
});
