import { expect, test } from 'vitest';
import {
  asList,
  asObject,
  asObjects,
  jsonObject,
  memberOf,
} from '../../../src/catalog/parsers/json-output.ts';

test.each([['[{"a":1}]'], ['null'], ['"a"'], ['1'], ['{"a":'], [''], [undefined]])(
  '%j is no object',
  (text) => {
    expect(jsonObject(text)).toBeUndefined();
  },
);

test('what is none of a kind has no members and no elements', () => {
  for (const value of [null, undefined, 'text', 1, true]) {
    expect(asObject(value)).toEqual({});
    expect(asList(value)).toEqual([]);
    expect(asObjects(value)).toEqual([]);
  }
  expect(asObject([{ a: 1 }])).toEqual({});
  expect(asList({ length: 1 })).toEqual([]);
});

test('of a list only its objects stay, in order', () => {
  expect(asObjects([{ a: 1 }, null, [{ a: 2 }], 'a', { a: 3 }])).toEqual([{ a: 1 }, { a: 3 }]);
});

test('a member named like one of every object is nothing but a member', () => {
  const value = jsonObject('{"__proto__":{"state":"up"},"constructor":1}');
  expect(value?.['state']).toBeUndefined();
  expect(memberOf(value, '__proto__')).toEqual({ state: 'up' });
  expect(memberOf(value, 'constructor')).toBe(1);
  expect(memberOf({}, 'constructor')).toBeUndefined();
});
