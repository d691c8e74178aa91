import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { judgeAnswer } from '../../src/catalog/wire.ts';
import { parseDraft, serialiseDraft } from '../../src/request/draft.ts';
import { FormError } from '../../src/request/form-error.ts';
import { parseOffer, serialiseOffer } from '../../src/request/offer.ts';
import { parseQuery, serialiseQuery } from '../../src/request/query.ts';
import { parseReceipt, serialiseReceipt } from '../../src/request/receipt.ts';
import { armour, SignatureMismatch, verifySshsig } from '../../src/request/sshsig.ts';
import { parseSubmission } from '../../src/request/submission.ts';
import { parseTicket, serialiseTicket } from '../../src/request/ticket.ts';

// One truth for both ends: the target's Python, the client's TypeScript and ssh-keygen judge the same files, and the same
// mutations of them.

const VECTORS = join(import.meta.dirname, '../vectors');
const SCRIPTS = join(import.meta.dirname, '../../target-scripts');
const JUDGE = join(import.meta.dirname, '../support/judge.py');

interface Vector {
  readonly name: string;
  readonly text?: string;
  readonly text_b64?: string;
  readonly answer?: string;
  readonly answer_b64?: string;
  readonly verdict: string;
  readonly definition: string;
  readonly sections: readonly string[];
  readonly limit_bytes: number;
  readonly type: string;
  readonly namespace: string;
  readonly key: string;
  readonly signature: string;
}

const read = (path: string): Vector[] => JSON.parse(readFileSync(join(VECTORS, path), 'utf8')) as Vector[];
const bytesOf = ({ text, text_b64, answer, answer_b64 }: Vector): Buffer => {
  const base64 = text_b64 ?? answer_b64;
  return base64 === undefined ? Buffer.from(text ?? answer ?? '') : Buffer.from(base64, 'base64');
};

const judgeOnTarget = (cases: readonly object[]): string[] => {
  const options = { input: JSON.stringify(cases), maxBuffer: 1 << 24 };
  return JSON.parse(
    execFileSync('/usr/bin/python3', ['-IS', JUDGE, SCRIPTS], options).toString(),
  ) as string[];
};

const ROUND_TRIPS = {
  tickets: (bytes: Buffer) => serialiseTicket(parseTicket(bytes)),
  drafts: (bytes: Buffer) => serialiseDraft(parseDraft(bytes)),
  offers: (bytes: Buffer) => serialiseOffer(parseOffer(bytes)),
  receipts: (bytes: Buffer) => serialiseReceipt(parseReceipt(bytes)),
  queries: (bytes: Buffer) => serialiseQuery(parseQuery(bytes)),
  submissions: (bytes: Buffer) => (parseSubmission(bytes), bytes.toString('latin1')),
};
type Kind = keyof typeof ROUND_TRIPS;
const KINDS = Object.keys(ROUND_TRIPS) as Kind[];

const judgeHere = (kind: Kind, bytes: Buffer): string => {
  try {
    return ROUND_TRIPS[kind](bytes) === bytes.toString('latin1') ? 'ok' : 'ROUND_TRIP';
  } catch (error) {
    if (error instanceof FormError) return error.code;
    throw error;
  }
};

describe.each(KINDS)('%s', (kind) => {
  const vectors = read(`tickets/${kind}.json`);
  const verdicts = judgeOnTarget(
    vectors.map((vector) => ({ kind, bytes: bytesOf(vector).toString('base64') })),
  );

  test.each(vectors.map((vector, index) => ({ ...vector, onTarget: verdicts[index] })))(
    '$name: $verdict',
    (vector) => {
      expect([vector.onTarget, judgeHere(kind, bytesOf(vector))]).toEqual([vector.verdict, vector.verdict]);
    },
  );
});

describe('answers', () => {
  const vectors = read('answers/answers.json');
  const verdicts = judgeOnTarget(
    vectors.map((vector) => ({ ...vector, kind: 'answers', bytes: bytesOf(vector).toString('base64') })),
  );

  test.each(vectors.map((vector, index) => ({ ...vector, onTarget: verdicts[index] })))(
    '$name: $verdict',
    (vector) => {
      expect(vector.onTarget).toBe(vector.verdict);
    },
  );
});

describe('values of parameters', () => {
  const vectors = read('params/values.json').filter(({ type }) => type !== 'text'); // no action has a text
  const verdicts = judgeOnTarget(vectors.map((vector) => ({ ...vector, kind: 'params' })));

  test.each(vectors.map((vector, index) => ({ ...vector, onTarget: verdicts[index] })))(
    '$name: $verdict',
    (vector) => {
      expect(vector.onTarget).toBe(vector.verdict);
    },
  );
});

describe('signatures', () => {
  const vectors = read('signed/signed.json');
  const folder = mkdtempSync(join(tmpdir(), 'mcp-pra-signed-'));
  execFileSync('ssh-keygen', ['-q', '-k', '-f', join(folder, 'krl')]);
  const krl = readFileSync(join(folder, 'krl')).toString('base64');
  const verdicts = judgeOnTarget(vectors.map((vector) => ({ ...vector, kind: 'signed', krl })));
  const keygen = vectors.map((vector) => askKeygen(folder, vector));
  rmSync(folder, { recursive: true });

  test.each(
    vectors.map((vector, index) => ({ ...vector, onTarget: verdicts[index], bySshKeygen: keygen[index] })),
  )('$name: $verdict', (vector) => {
    const { verdict } = vector;
    expect([vector.onTarget, judgeSignatureHere(vector), vector.bySshKeygen]).toEqual([
      verdict,
      verdict,
      verdict,
    ]);
  });
});

const judgeSignatureHere = ({ text, signature, namespace, key }: Vector): string => {
  try {
    const { publicKey } = verifySshsig({ message: text ?? '', signatureBase64: signature, namespace });
    return publicKey.toString('base64') === key.split(' ')[1] ? 'ok' : 'SIGNATURE_BAD';
  } catch (error) {
    if (error instanceof SignatureMismatch) return 'SIGNATURE_BAD';
    throw error;
  }
};

/** ssh-keygen from the outside, with files, as a person would call it. */
function askKeygen(folder: string, { text, signature, namespace, key }: Vector): string {
  writeFileSync(join(folder, 'signers'), `someone namespaces="${namespace}" ${key}\n`);
  writeFileSync(join(folder, 'sig'), armour(Buffer.from(signature, 'base64')));
  const argv = [
    '-Y',
    'verify',
    '-f',
    join(folder, 'signers'),
    '-I',
    'someone',
    '-n',
    namespace,
    '-s',
    join(folder, 'sig'),
  ];
  try {
    execFileSync('ssh-keygen', argv, { input: text ?? '', stdio: 'pipe' });
    return 'ok';
  } catch {
    return 'SIGNATURE_BAD';
  }
}

// --- the same verdict for what nobody thought of

const SEED = 20_261_121;
const MUTATIONS = 500;

/** mulberry32: small, and the same everywhere. */
const randomOf = (seed: number): ((below: number) => number) => {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
};

const BYTES = Buffer.from('\n\r\t\0 -=/%:._+@#,0129aAzZ~\u007f\u00e9', 'latin1');

const mutate = (bytes: Buffer, others: readonly Buffer[], random: (below: number) => number): Buffer => {
  const at = random(bytes.length + 1);
  const lines = bytes.toString('latin1').split('\n');
  const line = random(lines.length);
  const other = others[random(others.length)] ?? bytes;
  const splice = (count: number, ...put: Buffer[]): Buffer =>
    Buffer.concat([bytes.subarray(0, at), ...put, bytes.subarray(at + count)]);
  const byte = BYTES.subarray(random(BYTES.length)).subarray(0, 1);
  switch (random(8)) {
    case 0:
      return splice(1, byte);
    case 1:
      return splice(0, byte);
    case 2:
      return splice(1 + random(3));
    case 3:
      return splice(1, Buffer.of((bytes[at] ?? 0) ^ (1 << random(8))));
    case 4:
      return Buffer.from(lines.toSpliced(line, 1).join('\n'), 'latin1');
    case 5:
      return Buffer.from(lines.toSpliced(line, 0, lines[random(lines.length)] ?? '').join('\n'), 'latin1');
    case 6:
      return Buffer.from(
        lines.with(line, other.toString('latin1').split('\n')[line] ?? '').join('\n'),
        'latin1',
      );
    default:
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random(other.length + 1))]);
  }
};

/** Mutations of what is in order, so that most break exactly one rule, and some none. */
const corpus = (vectors: readonly Vector[], seed: number): Buffer[] => {
  const random = randomOf(seed);
  const good = vectors
    .filter(({ verdict }) => verdict === 'ok')
    .map(bytesOf)
    .filter(({ length }) => length < 9_000);
  return Array.from({ length: MUTATIONS }, () => {
    const bytes = mutate(good[random(good.length)] ?? Buffer.alloc(0), good, random);
    return random(4) === 0 ? mutate(bytes, good, random) : bytes;
  });
};

describe(`mutations, seed ${String(SEED)}`, () => {
  test.each(KINDS)('%s', (kind) => {
    const cases = corpus(read(`tickets/${kind}.json`), SEED);
    const here = cases.map((bytes) => judgeHere(kind, bytes));
    const onTarget = judgeOnTarget(cases.map((bytes) => ({ kind, bytes: bytes.toString('base64') })));
    const differing = cases.flatMap((bytes, index) =>
      here[index] === onTarget[index] ? [] : [[here[index], onTarget[index], bytes.toString('latin1')]],
    );
    expect(differing).toEqual([]);
    expect(new Set(here.map((verdict) => verdict === 'ok'))).toEqual(new Set([true, false]));
  });

  test('answers', () => {
    const vectors = read('answers/answers.json').filter(({ sections }) => sections.length === 1);
    const cases = corpus(vectors, SEED);
    const [first] = vectors;
    const { definition, sections, limit_bytes } = first as Vector;
    const here = cases.map(
      (bytes) => judgeAnswer(bytes, { digest: definition, sections, limitBytes: limit_bytes }).verdict,
    );
    const onTarget = judgeOnTarget(
      cases.map((bytes) => ({
        kind: 'answers',
        bytes: bytes.toString('base64'),
        definition,
        sections,
        limit_bytes,
      })),
    );
    expect(onTarget).toEqual(here);
    expect(new Set(here)).toEqual(new Set(['ok', 'ANSWER_FORM', 'ANSWER_DEFINITION', 'ANSWER_INCOMPLETE']));
  });
});

test('there are enough that must be refused', () => {
  const all = [
    ...KINDS.map((kind) => `tickets/${kind}.json`),
    'answers/answers.json',
    'signed/signed.json',
  ].flatMap(read);
  expect(all.filter(({ verdict }) => verdict !== 'ok').length).toBeGreaterThan(300);
});
