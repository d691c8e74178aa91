import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { PARAM_TYPES } from '../../src/catalog/param-types.ts';
import { judgeRequestLine } from '../../src/catalog/wire.ts';
import { RenderedTarget, sectionsOf, verbText, type VerbParam } from '../support/rendered-target.ts';

const PARAM = { type: z.string(), bounds: z.string() };
const VERDICT = z.string().regex(/^(?:ok|[A-Z]+_[A-Z]+)$/u);
const LINE_VECTORS = z.array(
  z.strictObject({
    name: z.string(),
    verbs: z.record(
      z.string(),
      z.strictObject({
        params: z.array(z.strictObject({ name: z.string(), ...PARAM, type: z.enum(PARAM_TYPES) })),
      }),
    ),
    names: z.record(z.string(), z.record(z.string(), z.string())),
    line: z.string().optional(),
    line_b64: z.base64().optional(),
    verdict: VERDICT,
    values: z.array(z.string()).optional(),
    carrier: z.literal(false).optional(),
  }),
);
const VALUE_VECTORS = z.array(
  z.strictObject({
    name: z.string(),
    ...PARAM,
    value: z.string(),
    verdict: VERDICT,
    line_verdict: VERDICT.optional(),
  }),
);
const ANSWERS = z.array(z.strictObject({ exit: z.int(), stdout: z.base64(), stderr: z.string() }));

const VECTORS = resolve(import.meta.dirname, '../vectors');
const DRIVER = resolve(import.meta.dirname, '../support/forced-command.py');
const NAME_TYPES = new Set(['log', 'mount', 'tree', 'endpoint', 'certificate']);

const read = (path: string): unknown => JSON.parse(readFileSync(join(VECTORS, path), 'utf8'));

/** A verb whose answer is its values, one a line, after placeholders and names were put in. */
const echoVerb = (params: VerbParam[]) =>
  verbText({ params, run: [['out', '/usr/bin/printf', '%s\\n', ...params.map(({ name }) => `{${name}}`)]] });

/** Name tables as files: `kind/name`, and the line in it. */
const nameFiles = (names: Readonly<Record<string, Readonly<Record<string, string>>>>) =>
  Object.fromEntries(
    Object.entries(names).flatMap(([kind, table]) =>
      Object.entries(table).map(([name, place]) => [`${kind}/${name}`, `${place}\n`]),
    ),
  );

const target = new RenderedTarget();
afterAll(() => target.remove());

interface Request {
  line: Buffer;
  verbs: Record<string, string>;
  names: Record<string, string>;
}
interface Judged {
  verdict: string;
  exit: number;
  values: string[];
}

/** The verdicts of the real mcp-wrapper. */
const judge = (requests: Request[]): Judged[] => {
  const work = requests.map((request) => ({ ...request, line: request.line.toString('base64') }));
  const input = JSON.stringify({ prefix: target.prefix, requests: work });
  const answers = ANSWERS.parse(
    JSON.parse(execFileSync('python3', [DRIVER], { input, encoding: 'utf8', maxBuffer: 1 << 26 })),
  );
  return answers.map(({ exit, stdout, stderr }) => {
    const out = Buffer.from(stdout, 'base64').toString('latin1');
    if (exit !== 0) {
      const [, code = stderr] = /^refused wrapper ([A-Z_]+)\n$/u.exec(stderr) ?? [];
      return { verdict: out === '' ? code : 'output beside a refusal', exit, values: [] };
    }
    const said = (sectionsOf(out)['out']?.output ?? '').split('\n').slice(0, -1);
    return { verdict: stderr === '' ? 'ok' : stderr, exit, values: said };
  });
};

const EXITS: Record<string, number> = {
  ok: 0,
  LINE_FORM: 64,
  VERB_UNLISTED: 126,
  TABLE_BAD: 70,
  VALUE_COUNT: 64,
  VALUE_BAD: 64,
  NAME_UNKNOWN: 64,
};

describe('mcp-wrapper judges test/vectors/wire', () => {
  const vectors = LINE_VECTORS.parse(read('wire/request-lines.json')).filter(
    ({ carrier }) => carrier !== false,
  );
  const judged = judge(
    vectors.map(({ line, line_b64, verbs, names }) => ({
      line: line_b64 === undefined ? Buffer.from(line ?? '', 'utf8') : Buffer.from(line_b64, 'base64'),
      verbs: Object.fromEntries(Object.entries(verbs).map(([verb, { params }]) => [verb, echoVerb(params)])),
      names: nameFiles(names),
    })),
  );
  const rows = vectors.map((vector, index) => ({ ...vector, judged: judged[index] }));

  test.each(rows)('$name: $verdict', (vector) => {
    expect(vector.judged?.verdict).toBe(vector.verdict);
    expect(vector.judged?.exit).toBe(EXITS[vector.verdict]);
    if (vector.verdict !== 'ok') return;
    const [params = []] = Object.values(vector.verbs).map((verb) => verb.params);
    const resolved = (vector.values ?? []).map((value, index) => {
      const type = params[index]?.type ?? '';
      return NAME_TYPES.has(type) ? vector.names[type]?.[value] : value;
    });
    // printf with no operand prints one empty line
    expect(vector.judged?.values).toEqual(resolved.length === 0 ? [''] : resolved);
  });
});

describe('mcp-wrapper judges test/vectors/params', () => {
  const vectors = VALUE_VECTORS.parse(read('params/values.json'));
  const judged = judge(
    vectors.map(({ type, bounds, value, verdict }) => ({
      line: Buffer.from(`v ${value}`, 'utf8'),
      verbs: { v: echoVerb([{ name: 'x', type, bounds }]) },
      names: NAME_TYPES.has(type) && verdict === 'ok' ? { [`${type}/${value}`]: `/some/${value}\n` } : {},
    })),
  );
  const rows = vectors.map((vector, index) => ({ ...vector, judged: judged[index] }));

  test.each(rows)('$name: $verdict', (vector) => {
    expect(vector.judged?.verdict).toBe(vector.line_verdict ?? vector.verdict);
    if (vector.verdict !== 'ok') return;
    expect(vector.judged?.values).toEqual([
      NAME_TYPES.has(vector.type) ? `/some/${vector.value}` : vector.value,
    ]);
  });
});

describe('mcp-wrapper and the client judge spoilt lines alike', () => {
  const good = LINE_VECTORS.parse(read('wire/request-lines.json')).filter(({ verdict }) => verdict === 'ok');
  const SEED = 20261121;
  const MUTANTS = 600;

  /** Mulberry32: small, and the same everywhere. */
  const random = (() => {
    let state = SEED;
    return (below: number): number => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
    };
  })();
  const PIECES = [
    ' ',
    '-',
    '/',
    '.',
    '..',
    ',',
    ';',
    '$(id)',
    '*',
    '[a]',
    '?',
    '\\',
    '"',
    "'",
    '\n',
    '\t',
    '=',
    '{a}',
    '0',
    '9',
    'a',
    'f',
    'A',
    '_',
    '@',
    '80',
    'c3',
    'ed',
    '\x7f',
    '\x80',
    '\xff',
  ];

  /** One to three edits: a byte gone, doubled or swapped for its neighbour, a piece put in or in the place of a byte. */
  const spoil = (line: Buffer): Buffer => {
    let bytes = line;
    for (let edits = 1 + random(3); edits > 0; edits -= 1) {
      const at = random(bytes.length + 1);
      const piece =
        random(4) === 0
          ? Buffer.from([1 + random(255)])
          : Buffer.from(PIECES[random(PIECES.length)] ?? '', 'latin1');
      const gone = random(3) === 0 ? 0 : 1;
      bytes = Buffer.concat([
        bytes.subarray(0, at),
        random(4) === 0 ? Buffer.alloc(0) : piece,
        bytes.subarray(at + gone),
      ]);
    }
    return bytes;
  };
  const mutants = Array.from({ length: MUTANTS }, () => {
    const vector = good[random(good.length)];
    if (vector === undefined) throw new Error('no vector');
    return { ...vector, bytes: spoil(Buffer.from(vector.line ?? '', 'utf8')) };
  });

  test(`${MUTANTS} of them, seed ${SEED}`, () => {
    const judged = judge(
      mutants.map(({ bytes, verbs, names }) => ({
        line: bytes,
        verbs: Object.fromEntries(
          Object.entries(verbs).map(([verb, { params }]) => [verb, echoVerb(params)]),
        ),
        names: nameFiles(names),
      })),
    );
    const said = mutants.map(({ bytes }, index) => [bytes.toString('latin1'), judged[index]?.verdict]);
    const client = mutants.map(({ bytes, verbs, names }) => [
      bytes.toString('latin1'),
      judgeRequestLine(bytes, verbs, names).verdict,
    ]);
    expect(said).toEqual(client);
    // the corpus is worth something: every verdict is among them
    expect(new Set(client.map(([, verdict]) => verdict))).toEqual(
      new Set(['ok', 'LINE_FORM', 'VERB_UNLISTED', 'VALUE_COUNT', 'VALUE_BAD', 'NAME_UNKNOWN']),
    );
  });
});
