import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { allFixtures, expectedOf, readFixture, yielded } from '../../fixtures/all-fixtures.ts';
import { formatFixture, parseFixture, type Fixture } from '../../fixtures/fixture.ts';

const root = join(import.meta.dirname, '../../..');
const catalog = loadCatalog([join(root, 'catalog')], { targetScripts: join(root, 'target-scripts') });

describe('each recording', () => {
  test.each(allFixtures().map((fixture) => [`${fixture.diagnostic}/${fixture.name}`, fixture] as const))(
    '%s becomes the facts beside it',
    (_, fixture) => {
      const diagnostic = catalog.diagnostics.get(fixture.diagnostic);
      if (diagnostic === undefined) throw new Error(`there is no diagnostic ${fixture.diagnostic}`);
      const recorded = readFixture(fixture);
      const sections = recorded.answer.sections.map(({ name }) => name);
      expect(sections).toEqual(diagnostic.run.map(({ section }) => section).slice(0, sections.length));
      const expected = expectedOf(fixture);
      expect(expected, 'node test/fixtures/write-expected.ts writes it; then read it').toBeDefined();
      expect(yielded(diagnostic, recorded)).toEqual(expected);
    },
  );
});

describe('the form of a recording', () => {
  const fixture: Fixture = {
    command: '/usr/bin/thing --all',
    version: 'thing 1.0',
    os: 'Debian GNU/Linux 12 (bookworm)',
    origin: { kind: 'captured' },
    about: 'as it is',
    answer: {
      sections: [
        { name: 'one', output: Buffer.from('a\n\nb\n'), rc: 0, ms: 1, cut: false },
        { name: 'two', output: Buffer.from('no end'), rc: 3, ms: 1, cut: true },
        { name: 'three', output: Buffer.from(''), rc: 127, ms: 1, cut: false },
      ],
    },
  };

  test('is read as it was written', () => {
    expect(parseFixture(formatFixture(fixture))).toEqual(fixture);
    const reported: Fixture = { ...fixture, origin: { kind: 'source', url: 'https://example.org/report' } };
    expect(parseFixture(formatFixture(reported))).toEqual(reported);
  });

  test.each([
    ['no origin', 'captured: in the lab\n', '', 'either captured or source'],
    ['two origins', 'about:', 'source: https://example.org/\nabout:', 'either captured or source'],
    ['an origin that nobody can read', 'captured: in the lab', 'source: memory', 'https'],
    ['no version', 'version: thing 1.0\n', '', 'lacks version'],
    ['a line of another kind', 'os:', 'OS:', 'not a header line'],
    ['an unknown line', 'os:', 'author: x\nos:', 'unknown header line'],
    ['no section', /====[^]*/u, '', 'no section'],
  ])('%s is refused', (_, from, to, message) => {
    const text = formatFixture(fixture).replace(from, to);
    expect(() => parseFixture(text)).toThrow(message);
  });
});
