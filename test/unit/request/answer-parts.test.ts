import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FactRow, Facts } from '../../../src/catalog/types.ts';
import { AnswerMemory, CURSOR } from '../../../src/request/answer-memory.ts';
import {
  leftOutOf,
  nextPart,
  share,
  sizeOf,
  takePart,
  type Whole,
} from '../../../src/request/answer-parts.ts';
import type { ReadResult } from '../../../src/request/desk.ts';

const linesOf = (texts: readonly string[]): Whole['lines'] =>
  texts.map((text, newest) => ({ text, lines: 1, newest }));
const answer = (texts: readonly string[], facts: Facts = {}, isLog = false): Whole => ({
  facts,
  lines: linesOf(texts),
  isLog,
});
const numbered = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `line ${String(at).padStart(4, '0')}`);

describe('sharing', () => {
  it.each([
    [90, [10, 100, 100], [10, 40, 40]],
    [90, [10, 20, 30], [10, 20, 30]],
    [10, [0, 0], [0, 0]],
    [7, [100, 100, 100], [2, 2, 3]],
    [5, [], []],
  ])('%i among %j is %j', (room, claims, given) => {
    expect(share(room, claims)).toEqual(given);
  });

  it('gives nobody more than they want, all together no more than there is, and wastes nothing', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.array(fc.nat(5_000), { maxLength: 20 }), (room, claims) => {
        const given = share(room, claims);
        const sum = given.reduce((a, b) => a + b, 0);
        given.forEach((one, index) => expect(one).toBeLessThanOrEqual(claims[index] ?? 0));
        expect(sum).toBe(
          Math.min(
            room,
            claims.reduce((a, b) => a + b, 0),
          ),
        );
      }),
    );
  });
});

describe('a part of an answer', () => {
  it('is all of it when it fits to the character, and not when one is missing', () => {
    const whole = answer(['abc', 'de'], { up: true, rows: [{ a: 1 }, { a: 'x' }], none: [] });
    const size = sizeOf(whole);
    expect(size).toEqual({ facts: JSON.stringify(whole.facts).length, text: 7 });
    expect(takePart(whole, size)).toEqual({ facts: whole.facts, text: 'abc\nde\n', rest: undefined });
    const less = takePart(whole, { facts: size.facts - 1, text: size.text });
    expect(less.rest).toMatchObject({ facts: { none: [] }, lines: [] });
    expect(takePart(answer(numbered(20)), { facts: 0, text: 199 }).rest?.lines).toHaveLength(1);
  });

  it('of a table has its first rows, of plain text its first lines', () => {
    const rows = Array.from({ length: 50 }, (_, n) => ({ n }));
    const { facts, text, rest } = takePart(answer(numbered(50), { count: 50, rows }), {
      facts: 120,
      text: 100,
    });
    expect(facts['count']).toBe(50);
    const shown = facts['rows'] as readonly FactRow[];
    expect(shown).toEqual(rows.slice(0, shown.length));
    expect(rest?.facts).toEqual({ rows: rows.slice(shown.length) });
    expect(text).toBe(
      numbered(10)
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(leftOutOf(rest as Whole)).toEqual({ rows: 50 - shown.length, lines: 40 });
  });

  it('of a log has how it began and its newest lines, and says how many are between', () => {
    const { text, rest } = takePart(answer(numbered(200), {}, true), { facts: 0, text: 500 });
    const said = text.trimEnd().split('\n');
    expect(said[0]).toBe('line 0000');
    expect(said.at(-1)).toBe('line 0199');
    const gap = said.findIndex((line) => line.startsWith('[…'));
    expect(said[gap]).toBe(`[… ${String(200 - said.length + 1)} lines between are left out]`);
    expect(said.slice(gap + 1)).toEqual(numbered(200).slice(200 - (said.length - gap - 1)));
    expect(rest?.lines).toHaveLength(200 - said.length + 1);
  });

  it('of a log keeps the line that stands for the newest ones, wherever it began', () => {
    const lines = linesOf(numbered(200)).map((line, at) =>
      at === 100 ? { text: '[×900] refused', lines: 900, newest: 1_200 } : line,
    );
    const { text, rest } = takePart({ facts: {}, lines, isLog: true }, { facts: 0, text: 400 });
    expect(text).toContain('[×900] refused\n');
    expect(text.indexOf('line 0000')).toBeLessThan(text.indexOf('[×900]'));
    expect(text.indexOf('[×900]')).toBeLessThan(text.indexOf('line 0199'));
    expect(leftOutOf(rest as Whole).lines).toBeLessThan(200);
  });

  const anyFacts = fc.dictionary(
    fc.constantFrom('a', 'b', 'rows', 'more_rows', 'c'),
    fc.oneof(
      fc.string({ maxLength: 256 }),
      fc.integer(),
      fc.boolean(),
      fc.array(
        fc.dictionary(
          fc.stringMatching(/^[a-z]{1,9}$/u),
          fc.oneof(fc.string({ maxLength: 256 }), fc.integer()),
          {
            maxKeys: 20,
            noNullPrototype: true,
          },
        ),
        { maxLength: 30 },
      ),
    ),
    { noNullPrototype: true },
  );
  const anyLines = fc.array(
    fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.string({ unit: 'grapheme', minLength: 2_000, maxLength: 5_000 }),
    ),
    { maxLength: 60 },
  );

  it('fits, and part after part says everything once, whatever the answer is', () => {
    fc.assert(
      fc.property(
        anyLines,
        anyFacts,
        fc.boolean(),
        fc.integer({ min: 2_000, max: 8_000 }),
        (texts, facts, isLog, room) => {
          const clean = texts.map((text) => text.replaceAll('\n', ' '));
          let rest: Whole | undefined = answer(clean, facts, isLog);
          const seen: Record<string, unknown> = {};
          let said = '';
          for (let parts = 0; rest !== undefined; parts += 1) {
            expect(parts).toBeLessThan(3_000);
            const part = nextPart(rest, room);
            const size = sizeOf({ facts: part.facts, lines: linesOf([]), isLog });
            expect(size.facts + part.text.length).toBeLessThanOrEqual(room);
            for (const [name, value] of Object.entries(part.facts)) {
              const before = seen[name];
              seen[name] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value;
            }
            said += part.text.replace(/^\[… .* lines between are left out\]\n/gmu, '');
            expect(part.text.isWellFormed()).toBe(true);
            rest = part.rest;
          }
          const bare = (text: string): string => Array.from(text.replaceAll('\n', '')).sort().join('');
          expect(bare(said)).toBe(bare(clean.join('')));
          // A single row that is larger than a part is shown as far as it goes.
          const told = (values: Readonly<Record<string, unknown>>) =>
            Object.fromEntries(
              Object.entries(values).map(([name, value]) => [
                name,
                Array.isArray(value) ? value.length : value,
              ]),
            );
          expect(told(seen)).toEqual(told(facts));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('what was left out', () => {
  const result = { host: 'h1', diagnostic: 'unit_journal' } as ReadResult;
  const gone = expect.objectContaining({ code: 'CURSOR_GONE' });

  it('is read part by part, and the same cursor says the same again', () => {
    const memory = new AnswerMemory();
    const first = memory.keep(result, answer(numbered(500)));
    expect(first).toMatch(CURSOR);
    const second = memory.read(first, 2_000);
    expect(second.part.text).toBe(
      numbered(200)
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(memory.read(first, 2_000)).toEqual(second);
    const third = memory.read(String(second.next), 4_000);
    expect(third).toMatchObject({ result, next: null });
    expect(third.part.text).toContain('line 0499');
  });

  it('is kept for 32 answers', () => {
    const memory = new AnswerMemory();
    const cursors = Array.from({ length: 33 }, () => memory.keep(result, answer(['a'])));
    expect(() => memory.read(String(cursors[0]), 2_000)).toThrow(gone);
    expect(memory.read(String(cursors[1]), 2_000).part.text).toBe('a\n');
  });

  it('is kept up to its size, the oldest go first', () => {
    const memory = new AnswerMemory(30);
    const one = memory.keep(result, answer(['x'.repeat(14)]));
    const two = memory.keep(result, answer(['y'.repeat(14)]));
    expect(memory.read(one, 2_000).part.text).toContain('x');
    const three = memory.keep(result, answer(['z']));
    expect(() => memory.read(one, 2_000)).toThrow(gone);
    expect(memory.read(two, 2_000).part.text).toContain('y');
    expect(memory.read(three, 2_000).part.text).toContain('z');
    const four = memory.keep(result, answer(['w'.repeat(30)]));
    expect(() => memory.read(four, 2_000)).toThrow(gone);
  });

  it('is not anybody else’s', () => {
    const cursor = new AnswerMemory().keep(result, answer(['a']));
    expect(() => new AnswerMemory().read(cursor, 2_000)).toThrow(gone);
  });
});
