import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { statusOf } from '../../../src/request/look-at-host.ts';
import { allFixtures, expectedOf, readFixture } from '../../fixtures/all-fixtures.ts';

const root = join(import.meta.dirname, '../../..');
const catalog = loadCatalog([join(root, 'catalog')], { targetScripts: join(root, 'target-scripts') });

test('no recording that has facts counts as a failure', () => {
  const failed = allFixtures().filter((fixture) => {
    const diagnostic = catalog.diagnostics.get(fixture.diagnostic);
    if (diagnostic === undefined) throw new Error(`there is no diagnostic ${fixture.diagnostic}`);
    const { facts = {} } = expectedOf(fixture) as { facts?: Record<string, unknown> };
    if (Object.keys(facts).length === 0) return false;
    return statusOf(diagnostic, readFixture(fixture).answer) === 'failed';
  });
  expect(failed.map(({ diagnostic, name }) => `${diagnostic}/${name}`)).toEqual([]);
});

const run = [
  { section: 'list', argv: ['/usr/bin/thing'], none: 1 },
  { section: 'more', argv: ['/usr/bin/thing'] },
];
test.each([
  ['silence with the code for nothing', [['list', 1, '']], 'ok'],
  ['silence with another code', [['list', 2, '']], 'failed'],
  ['words with another code', [['list', 2, 'x']], 'ok'],
  ['silence of a command that has no such code', [['more', 1, '']], 'failed'],
  [
    'one of two that said something',
    [
      ['list', 2, ''],
      ['more', 3, 'x'],
    ],
    'ok',
  ],
  [
    'two that failed',
    [
      ['list', 2, ''],
      ['more', 1, ''],
    ],
    'failed',
  ],
] as const)('%s', (_, said, status) => {
  const sections = said.map(([name, rc, text]) => ({
    name,
    rc,
    output: Buffer.from(text),
    ms: 1,
    cut: false,
  }));
  expect(statusOf({ run }, { sections })).toBe(status);
});
