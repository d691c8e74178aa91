import { describe, expect, it } from 'vitest';
import { corpus } from '../../bench/masking-corpus/corpus.ts';
import { HARD, score } from '../../bench/masking-corpus/score.ts';
import { mask } from '../../../src/request/mask.ts';
import { OutputView } from '../../../src/request/output-view.ts';

const SEED = 20_261_122;
const samples = corpus(SEED, 5);
const { recall, precision, plain, kept, readable, untouched } = score(samples, (text) => mask(text).text);

/** Every class and every kind: a corpus that loses one says less than these tests promise. */
const CLASSES = [
  'argument',
  'assignment',
  'auth',
  'card',
  'cookie',
  'email',
  'hash',
  'iban',
  'jwt',
  'nir',
  'pgpass',
  'phone',
  'private-key',
  'ssn',
  'token',
  'url',
];
const KINDS = [
  'card',
  'cookie',
  'email',
  'hash',
  'iban',
  'nir',
  'phone',
  'private-key',
  'secret',
  'ssn',
  'token',
];

describe('on the labelled corpus', () => {
  it('there are secrets of every class, and every kind of mark', () => {
    expect([...recall.keys()].filter((name) => name !== HARD).toSorted()).toEqual(CLASSES);
    expect([...precision.keys()].toSorted()).toEqual(KINDS);
  });

  it.each(CLASSES)('%s: at least 99 of 100 are masked as a whole', (name) => {
    const { secrets, found } = recall.get(name) ?? { secrets: 1, found: 0 };
    expect(secrets).toBeGreaterThanOrEqual(10);
    expect(found / secrets).toBeGreaterThanOrEqual(0.99);
  });

  it.each(KINDS)('%s: at least 99 of 100 marks stand for a secret', (kind) => {
    const { marks, right } = precision.get(kind) ?? { marks: 1, right: 0 };
    expect(right / marks).toBeGreaterThanOrEqual(0.99);
  });

  it('what is no secret stays: digests, identifiers, versions, addresses, units, times', () => {
    expect(readable).toBeGreaterThan(500);
    expect(untouched).toBe(readable);
    expect(kept / plain).toBeGreaterThan(0.99);
  });

  it('what no rule knows is said to be missed', () => {
    const { secrets, found } = recall.get(HARD) ?? { secrets: 0, found: 0 };
    expect(secrets).toBeGreaterThan(0);
    expect(found).toBeLessThan(secrets);
  });
});

it('the score counts what is missed, what is half masked, and what is masked for nothing', () => {
  const sample = (text: string, secret: string) => ({
    log: 'x',
    text,
    spans:
      secret === ''
        ? []
        : [{ class: 'c', from: text.indexOf(secret), to: text.indexOf(secret) + secret.length }],
  });
  const M = '[masked:token-abcdef]';
  const masks: Readonly<Record<string, string>> = {
    'a secret b': `a ${M} b`,
    'a other b': 'a other b',
    'a half b': `a ha${M} b`,
    'a plain b': `a ${M} b`,
    'a word b': 'a word b',
  };
  const counted = score(
    [
      sample('a secret b', 'secret'),
      sample('a other b', 'other'),
      sample('a half b', 'half'),
      sample('a plain b', ''),
      sample('a word b', ''),
    ],
    (text) => masks[text] ?? '',
  );
  expect(counted.recall.get('c')).toEqual({ secrets: 3, found: 1 });
  expect(counted.precision.get('token')).toEqual({ marks: 3, right: 2 });
  expect([counted.readable, counted.untouched, counted.plain - counted.kept]).toEqual([2, 1, 5]);
  expect(counted.wrong).toHaveLength(3);
});

it('in pieces of any size, no secret is told that is masked as a whole', () => {
  const text = samples.map((sample) => sample.text).join('\n');
  const secrets = samples.flatMap((sample) =>
    sample.spans.filter((span) => span.class !== HARD).map(({ from, to }) => sample.text.slice(from, to)),
  );
  const whole = mask(text).text;
  for (const size of [997, 4_096, 65_536]) {
    const view = new OutputView();
    const said: string[] = [];
    view.listen((part) => said.push(part));
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) view.push(bytes.subarray(at, at + size));
    view.end();
    const told = said.join('');
    expect(secrets.filter((secret) => secret.length > 6 && told.includes(secret))).toEqual([]);
    expect(told).toBe(whole);
  }
});
