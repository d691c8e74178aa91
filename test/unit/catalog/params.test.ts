import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { isWithinBounds } from '../../../src/catalog/param-types.ts';
import {
  checkArgs,
  describeParam,
  encodeText,
  judgeValue,
  toArgList,
  toWire,
  zodForParam,
} from '../../../src/catalog/params.ts';
import type { Param, ParamType } from '../../../src/catalog/types.ts';
import { PraError } from '../../../src/errors.ts';
import { thrownBy } from './thrown-by.ts';

const param = (name: string, type: ParamType, bounds: string, or?: string): Param => ({
  name,
  type,
  bounds,
  help: 'For the test.',
  ...(or === undefined ? {} : { default: or }),
});

const journal = {
  name: 'unit_journal',
  params: [
    param('unit', 'unit', 'service'),
    param('lines', 'integer', '1..500', '100'),
    param('since', 'span', '1..86400', '1h'),
  ],
};

const codeOf = (run: () => unknown): string => thrownBy(run)?.code ?? 'nothing thrown';

describe('checkArgs', () => {
  test('fills in defaults, in the order of the parameters', () => {
    const checked = checkArgs(journal, { since: '2h', unit: 'cron.service' });
    expect([...checked]).toEqual([
      ['unit', 'cron.service'],
      ['lines', '100'],
      ['since', '2h'],
    ]);
  });

  test('takes integers as numbers and as text', () => {
    expect(checkArgs(journal, { unit: 'a.service', lines: 500 }).get('lines')).toBe('500');
    expect(checkArgs(journal, { unit: 'a.service', lines: '1' }).get('lines')).toBe('1');
  });

  test('undefined is as good as left out', () => {
    expect(checkArgs(journal, { unit: 'a.service', lines: undefined }).get('lines')).toBe('100');
  });

  test.each([
    ['a parameter that does not exist', { unit: 'a.service', host: 'x' }, 'ARGUMENT_UNKNOWN'],
    ['a member of every object', JSON.parse('{"unit":"a.service","__proto__":"x"}'), 'ARGUMENT_UNKNOWN'],
    ['a missing one', {}, 'ARGUMENT_MISSING'],
    ['one that only the prototype has', Object.create({ unit: 'a.service' }), 'ARGUMENT_MISSING'],
    ['null', { unit: null }, 'ARGUMENT_BAD'],
    ['one below the limit', { unit: 'a.service', lines: 0 }, 'ARGUMENT_BAD'],
    ['one above the limit', { unit: 'a.service', lines: 501 }, 'ARGUMENT_BAD'],
    ['a fraction', { unit: 'a.service', lines: 1.5 }, 'ARGUMENT_BAD'],
    ['a number where text belongs', { unit: 5 }, 'ARGUMENT_BAD'],
    ['a list', { unit: ['a.service'] }, 'ARGUMENT_BAD'],
    ['an option', { unit: '--all.service' }, 'ARGUMENT_BAD'],
    ['a newline at the end', { unit: 'a.service\n' }, 'ARGUMENT_BAD'],
  ])('refuses %s', (_, given, code) => {
    expect(codeOf(() => checkArgs(journal, given))).toBe(code);
  });

  test('no error repeats what was given', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12 }), (secret) => {
        const error = thrownBy(() => checkArgs(journal, { unit: secret }));
        expect(`${error?.message ?? ''} ${error?.hint ?? ''}`).not.toContain(secret);
      }),
    );
  });
});

describe('text', () => {
  const text = param('pattern', 'text', '8');
  const accepts = (plain: string): boolean => judgeValue(text, toWire(text, plain));

  test('is hex on the wire', () => {
    expect(encodeText('é!')).toBe('c3a921');
  });

  test.each([
    ['at the limit of bytes', 'éééé', true],
    ['a byte more', 'éééé!', false],
    ['nothing', '', false],
    ['a tab', 'a\tb', false],
    ['U+009F', 'a\u009f', false],
    ['U+00A0', 'a\u00a0', true],
    ['DEL', '\u007f', false],
    ['a lone surrogate', '\ud800', false],
    ['what looks like an option', '--x', true],
  ])('%s', (_, plain, verdict) => {
    expect(accepts(plain)).toBe(verdict);
  });

  test('the wire form is judged, so plain text is refused', () => {
    expect(judgeValue(text, 'hello')).toBe(false);
    expect(judgeValue(text, '6')).toBe(false);
    expect(judgeValue(text, 'C3A9')).toBe(false);
  });

  test('checkArgs keeps it plain, for people and the ledger', () => {
    expect([...checkArgs({ name: 'x', params: [text] }, { pattern: 'a b' })]).toEqual([['pattern', 'a b']]);
  });
});

test('a number is no word, although it could be written as one', () => {
  const choice = { name: 'x', params: [param('level', 'choice', '1,2')] };
  expect(codeOf(() => checkArgs(choice, { level: 1 }))).toBe('ARGUMENT_BAD');
  expect(checkArgs(choice, { level: '1' }).get('level')).toBe('1');
});

test('toArgList is in name order', () => {
  expect(toArgList(checkArgs(journal, { unit: 'a.service' }))).toEqual([
    ['lines', '100'],
    ['since', '1h'],
    ['unit', 'a.service'],
  ]);
});

const ruleOf = ([type, bounds]: readonly [ParamType, string]) => ({ type, bounds });

const everyType: readonly Param[] = [
  param('a', 'unit', 'service,timer'),
  param('b', 'integer', '7..365', '30'),
  param('c', 'choice', 'nginx,haproxy'),
  param('d', 'log', '-'),
  param('e', 'mount', '-'),
  param('f', 'tree', '-'),
  param('g', 'endpoint', '-'),
  param('h', 'certificate', '-'),
  param('i', 'port', '-'),
  param('j', 'span', '60..3600', '10m'),
  param('k', 'text', '8'),
];

test('every description fits into the sentence of an error', () => {
  for (const each of everyType) {
    const { hint } = new PraError('ARGUMENT_BAD', { name: each.name, expected: describeParam(each) });
    expect(hint).not.toContain('(not shown)');
    expect(hint.length).toBeGreaterThan('It must be: '.length + 5);
  }
});

describe('zodForParam', () => {
  const texts = [
    'a.service',
    'a.timer',
    '.service',
    'a.socket',
    'nginx',
    'caddy',
    '-x',
    '10m',
    '59s',
    '1h',
    '61m',
  ];
  const more = ['words', 'b c', '\n', ''];
  const samples: readonly unknown[] = [
    ...texts,
    ...more,
    0,
    1,
    7,
    6,
    365,
    366,
    65535,
    65536,
    1.5,
    -1,
    null,
    true,
  ];

  test('accepts exactly what checkArgs accepts', () => {
    for (const each of everyType) {
      const schema = z.strictObject({ [each.name]: zodForParam(each) });
      const counts = each.type === 'integer' || each.type === 'port';
      for (const value of samples.filter((sample) => counts === (typeof sample === 'number'))) {
        const checked = codeOf(() => checkArgs({ name: 'x', params: [each] }, { [each.name]: value }));
        const label = `${each.type} ${JSON.stringify(value)}`;
        expect([label, schema.safeParse({ [each.name]: value }).success]).toEqual([
          label,
          checked === 'nothing thrown',
        ]);
      }
    }
  });

  test('gives a schema with description and default, strict and complete', () => {
    const schema = z.toJSONSchema(
      z.strictObject(Object.fromEntries(everyType.map((each) => [each.name, zodForParam(each)]))),
      {
        io: 'input',
      },
    );
    expect(schema.additionalProperties).toBe(false);
    expect(schema.properties?.['b']).toMatchObject({
      type: 'integer',
      minimum: 7,
      maximum: 365,
      default: 30,
    });
    expect(schema.properties?.['c']).toMatchObject({ enum: ['nginx', 'haproxy'] });
    expect(schema.required).not.toContain('j');
    expect(schema.required).toContain('k');
    // What the schema says in full is not said again in words: every conversation carries them.
    const inWords = Object.entries(schema.properties ?? {}).filter(([, property]) =>
      /It must be/u.test(String(Reflect.get(property as object, 'description'))),
    );
    expect(inWords.map(([name]) => name).join('')).toBe('adefghjk');
    for (const property of Object.values(schema.properties ?? {}))
      expect(property).toHaveProperty('description');
  });
});

test.each([
  [['integer', '7..365'], ['integer', '1..365'], true],
  [['integer', '0..365'], ['integer', '1..365'], false],
  [['integer', '1..366'], ['integer', '1..365'], false],
  [['unit', 'service'], ['unit', 'timer,service'], true],
  [['unit', 'service,socket'], ['unit', 'timer,service'], false],
  [['choice', 'a'], ['unit', 'a'], false],
  [['port', '-'], ['port', '-'], true],
  [['log', '-'], ['mount', '-'], false],
  [['integer', '9..1'], ['integer', '0..9'], false],
] as const)('bounds %j within %j: %s', (inner, outer, verdict) => {
  expect(isWithinBounds(ruleOf(inner), ruleOf(outer))).toBe(verdict);
});
