import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { judgeValue } from '../../../src/catalog/params.ts';
import type { ParamType } from '../../../src/catalog/types.ts';
import { judgeAnswer, judgeRequestLine, type Names, type Verbs } from '../../../src/catalog/wire.ts';

// The target's own programs judge the same files: test/integration/vectors-*.test.ts.
const folder = join(import.meta.dirname, '../../vectors');

/** Whatever their shape: each test names the one it expects. */
// oxlint-disable-next-line typescript/no-explicit-any
const vectors = (kind: string): any[] =>
  readdirSync(join(folder, kind))
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => JSON.parse(readFileSync(join(folder, kind, name), 'utf8')));

const bytesOf = (text: string | undefined, base64: string | undefined): Buffer =>
  base64 === undefined ? Buffer.from(text ?? '') : Buffer.from(base64, 'base64');

interface LineVector {
  readonly name: string;
  readonly verbs: Verbs;
  readonly names: Names;
  readonly line?: string;
  readonly line_b64?: string;
  readonly verdict: string;
  readonly values?: readonly string[];
}

describe('request lines', () => {
  const all: readonly LineVector[] = vectors('wire');

  test('there are enough that must be refused', () => {
    expect(all.filter(({ verdict }) => verdict !== 'ok').length).toBeGreaterThan(60);
  });

  test.each(all)('$name: $verdict', (vector) => {
    const judged = judgeRequestLine(bytesOf(vector.line, vector.line_b64), vector.verbs, vector.names);
    expect(judged.verdict).toBe(vector.verdict);
    expect('values' in judged ? judged.values : undefined).toEqual(vector.values);
  });
});

interface ValueVector {
  readonly name: string;
  readonly type: ParamType;
  readonly bounds: string;
  readonly value: string;
  readonly verdict: 'ok' | 'VALUE_BAD';
}

describe('values of parameters', () => {
  const all: readonly ValueVector[] = vectors('params');

  test('every type has both verdicts', () => {
    const seen = new Set(all.map(({ type, verdict }) => `${type} ${verdict}`));
    for (const type of 'unit integer choice log mount tree endpoint certificate port span text'.split(' ')) {
      expect(seen).toContain(`${type} ok`);
      expect(seen).toContain(`${type} VALUE_BAD`);
    }
  });

  test.each(all)('$name: $verdict', ({ type, bounds, value, verdict }) => {
    expect(judgeValue({ type, bounds }, value)).toBe(verdict === 'ok');
  });
});

interface AnswerVector {
  readonly name: string;
  readonly answer?: string;
  readonly answer_b64?: string;
  readonly definition: string;
  readonly sections: readonly string[];
  readonly limit_bytes: number;
  readonly verdict: string;
}

describe('answers', () => {
  const all: readonly AnswerVector[] = vectors('answers');

  test('each verdict is there', () => {
    expect(new Set(all.map(({ verdict }) => verdict))).toEqual(
      new Set(['ok', 'ANSWER_FORM', 'ANSWER_DEFINITION', 'ANSWER_INCOMPLETE']),
    );
  });

  test.each(all)('$name: $verdict', (vector) => {
    const judged = judgeAnswer(bytesOf(vector.answer, vector.answer_b64), {
      digest: vector.definition,
      sections: vector.sections,
      limitBytes: vector.limit_bytes,
    });
    expect(judged.verdict).toBe(vector.verdict);
  });
});
