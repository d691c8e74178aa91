import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { RenderedTarget, sectionsOf, verbText, type VerbParam } from '../support/rendered-target.ts';

const PARAM = { type: z.string(), bounds: z.string() };
const VERDICT = z.string().regex(/^(?:ok|[A-Z]+_[A-Z]+)$/u);
const LINE_VECTORS = z.array(
  z.strictObject({
    name: z.string(),
    verbs: z.record(
      z.string(),
      z.strictObject({ params: z.array(z.strictObject({ name: z.string(), ...PARAM })) }),
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
      names: Object.fromEntries(
        Object.entries(names).flatMap(([kind, table]) =>
          Object.entries(table).map(([name, place]) => [`${kind}/${name}`, `${place}\n`]),
        ),
      ),
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
