import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { holds } from '../../../src/catalog/expectations.ts';
import { checkCatalogFiles } from '../../../src/catalog/load.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-triage-'));
  for (const folder of ['diagnostics', 'triage']) mkdirSync(join(dir, folder));
  writeFileSync(
    join(dir, 'diagnostics/state.yaml'),
    `name: state
title: State of it
summary: What it is doing.
params:
  - {name: lines, type: integer, bounds: 1..9, help: How many.}
run:
  - section: show
    argv: [/usr/bin/thing, '--lines={lines}']
parse: kv
facts:
  share: {type: number, help: A share.}
  name: {type: string, help: A name.}
limits: {seconds: 5, bytes: 4096}
example: {lines: 3}
`,
  );
});

afterEach(() => rmSync(dir, { recursive: true }));

const TRIAGE = `symptom: slow
title: It is slow
ask:
  - diagnostic: state
    args: {lines: 3}
    findings:
      - {fact: share, op: ge, value: 1.5, say: Too much}
next: Ask again.
`;

const problems = (text: string): string => {
  writeFileSync(join(dir, 'triage/slow.yaml'), text);
  return checkCatalogFiles([dir])
    .problems.map(({ message }) => message)
    .join('\n');
};

test('a triage is part of its catalog', () => {
  expect(problems(TRIAGE)).toBe('');
  expect([...checkCatalogFiles([dir]).catalog.triages.keys()]).toEqual(['slow']);
});

test.each([
  ['another name than its file', 'symptom: slow', 'symptom: quick', 'must be as the file is called'],
  ['a diagnostic that does not exist', 'diagnostic: state', 'diagnostic: stats', 'no such diagnostic'],
  ['an argument out of bounds', 'lines: 3', 'lines: 10', 'not allowed'],
  ['a missing argument', '    args: {lines: 3}\n', '', 'needs the parameter lines'],
  ['a fact that does not exist', 'fact: share', 'fact: shares', 'there is no such fact'],
  ['a value of another type', 'value: 1.5', 'value: high', 'of the type number'],
  ['an order of names', 'fact: share, op: ge, value: 1.5', 'fact: name, op: ge, value: x', 'have an order'],
])('%s is refused', (_, from, to, message) => {
  expect(problems(TRIAGE.replace(from, to))).toContain(message);
});

test('a diagnostic may be asked for each name of a kind, when it takes such a name and something tells them', () => {
  const state = readFileSync(join(dir, 'diagnostics/state.yaml'), 'utf8');
  const named = state
    .replaceAll('state', 'cert')
    .replace('{name: lines, type: integer, bounds: 1..9,', '{name: certificate, type: certificate,')
    .replace("'--lines={lines}'", "--, '{certificate}'")
    .replace('lines: 3', 'certificate: shop');
  writeFileSync(join(dir, 'diagnostics/cert.yaml'), named);
  const names = state.replaceAll('state', 'named_things').replace('State of it', 'Names');
  writeFileSync(join(dir, 'diagnostics/named_things.yaml'), names);
  const text = `${TRIAGE.split('next:')[0] ?? ''}  - diagnostic: named_things
    args: {lines: 1}
  - diagnostic: cert
    each: certificate
next: Ask again.
`;
  expect(problems(text)).toBe('');
  expect(problems(text.replace('each: certificate', 'each: endpoint'))).toContain(
    'has no parameter endpoint',
  );
  expect(problems(text.replace('each: certificate', 'each: lines'))).not.toBe('');
  expect(problems(text.replace('each: cert', 'args: {certificate: shop}\n    each: cert'))).toContain(
    'its turn',
  );
  expect(problems(text.replace('  - diagnostic: named_things\n    args: {lines: 1}\n', ''))).toContain(
    'needs named_things',
  );
});

test.each([
  ['lt', 1, true, false, false],
  ['le', 1, true, true, false],
  ['eq', 1, false, true, false],
  ['ne', 1, true, false, true],
  ['ge', 1, false, true, true],
  ['gt', 1, false, false, true],
] as const)('%s %i: of 0, 1 and 2', (op, value, ...expected) => {
  expect([0, 1, 2].map((one) => holds({ fact: 'x', op, value }, one))).toEqual(expected);
  expect(holds({ fact: 'x', op, value }, undefined)).toBe(false);
  expect(holds({ fact: 'x', op, value }, '1')).toBe(false);
});
