import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import type { Catalog } from '../../../src/catalog/types.ts';
import { listDiagnostics } from '../../../src/mcp/tools/list-diagnostics.ts';
import { wholeSentences } from '../../../src/mcp/whole-sentences.ts';
import type { ToolContext } from '../../../src/mcp/tool.ts';
import { nearestNames } from '../../../src/nearest.ts';
import { manyDiagnostics } from './many-diagnostics.ts';

const ROOT = join(import.meta.dirname, '../../..');
const shipped = loadCatalog([join(ROOT, 'catalog')], { targetScripts: join(ROOT, 'target-scripts') });
const madeUp = (...many: Parameters<typeof manyDiagnostics>): Catalog => ({
  ...shipped,
  diagnostics: new Map(manyDiagnostics(...many)),
});
const list = async (catalog: Catalog, input: Record<string, unknown> = {}) =>
  // The tool reads the catalog and nothing else of its context.
  listDiagnostics.run(input, { desk: { catalog } } as unknown as ToolContext);

describe('the overview', () => {
  test('names every diagnostic once, under its first tag, with its title', async () => {
    const { text, data } = await list(shipped);
    const topics = data['topics'] as Record<string, string[]>;
    expect(Object.values(topics).flat().sort()).toEqual([...shipped.diagnostics.keys()].sort());
    for (const { name, title, tags } of shipped.diagnostics.values()) {
      expect(topics[tags[0] ?? 'other']).toContain(name);
      const named = ['', '*', '~'].map((mark) => text.split(` ${name}${mark} ${title}`).length - 1);
      expect(named.reduce((sum, times) => sum + times)).toBe(1);
    }
    expect(listDiagnostics.output.parse(data)).toEqual(data);
  });

  test.each([
    [128, 16, 'title'],
    [320, 16, 'names'],
    [1_000, 40, 'counts'],
  ] as const)(
    '%i with names of %i characters: at most 8,000 characters (%s)',
    async (count, length, form) => {
      const { text } = await list(madeUp(count, length));
      expect(text.length).toBeLessThanOrEqual(8_000);
      expect(text.startsWith(`${String(count)} diagnostics by topic`)).toBe(true);
      expect(text.includes('Made-up things')).toBe(form === 'title');
      expect(text.includes(manyDiagnostics(count, length).at(-1)?.[0] ?? '?')).toBe(form !== 'counts');
      expect(text).toMatch(new RegExp(`^disk \\(${String(count / 8)}\\): made_up_0000_`, 'mu'));
    },
  );
});

test('what was tried on recordings only is marked in the overview and said in its details', async () => {
  const [[name, one] = ['', undefined]] = manyDiagnostics(1);
  if (one === undefined) throw new Error('none');
  const recorded: Catalog = { ...shipped, diagnostics: new Map([[name, { ...one, tier: 3 }]]) };
  expect((await list(recorded)).text).toMatch(
    /~ is from recordings, not tried on a real instance[^]*made_up_0000_xxx~ /u,
  );
  expect((await list(recorded, { names: [name] })).text).toContain('(from recordings, not tried on a real');
  expect((await list(madeUp(1))).text).not.toContain('~');
});

describe('details', () => {
  test('of names: what each takes, what it tells, an example', async () => {
    const { text, data } = await list(shipped, { names: ['unit_journal', 'memory'] });
    expect(text).toContain(
      'lines: How many of the last lines. It must be a whole number from 1 to 500; default 100.',
    );
    expect(text).toContain('facts: lines, entries, first_time, last_time');
    expect(text).toContain('example args: {"unit":"cron.service"');
    expect(data).toMatchObject({ count: 2, left_out: [] });
    expect(listDiagnostics.output.parse(data)).toEqual(data);
  });

  test('of a topic: all with that tag; what does not fit is named', async () => {
    const { data } = await list(shipped, { topic: 'logs' });
    const about = (data['diagnostics'] as { name: string }[]).map(({ name }) => name);
    const tagged = [...shipped.diagnostics.values()].filter(({ tags }) => tags.includes('logs'));
    expect([...about, ...((data['left_out'] as string[] | undefined) ?? [])].toSorted()).toEqual(
      tagged.map(({ name }) => name).toSorted(),
    );
    expect(about).toContain(tagged[0]?.name);
    const many = await list(madeUp(100), { topic: 'made-up' });
    expect(many.text.length).toBeLessThanOrEqual(8_000);
    const shown = (many.data['diagnostics'] as { name: string }[]).map(({ name }) => name);
    const left = many.data['left_out'] as string[];
    expect(shown.length).toBeGreaterThan(10);
    expect([...shown, ...left]).toEqual(manyDiagnostics(100).map(([name]) => name));
    expect(many.text).toContain(`ask for them by names: ${left.slice(0, 5).join(', ')}`);
  });

  test('of a very long list of left ones', async () => {
    const { text, data } = await list(madeUp(1_000, 40), { topic: 'made-up' });
    expect(text.length).toBeLessThanOrEqual(8_000);
    const told = (data['diagnostics'] as unknown[]).length + (data['left_out'] as unknown[]).length;
    expect(text).toContain(`, and ${String(1_000 - told)} more (all names: list_diagnostics alone)`);
  });

  test('of what does not exist: near names, or the topics', async () => {
    const ask = (input: Record<string, unknown>) => Promise.resolve().then(() => list(shipped, input));
    await expect(ask({ names: ['disk'] })).rejects.toMatchObject({
      code: 'DIAGNOSTIC_UNKNOWN',
      hint: expect.stringMatching(/Names like it: .*\bdisk_usage\b/u),
    });
    await expect(ask({ topic: 'nothing' })).rejects.toMatchObject({
      code: 'TOPIC_UNKNOWN',
      hint: expect.stringContaining('services'),
    });
  });
});

test('names that somebody may have meant: a word in common first, then few edits, else none', () => {
  const known = ['disk_usage', 'disk_io', 'memory', 'unit_status', 'uptime'];
  expect(nearestNames('disk', known, 8)).toEqual(['disk_io', 'disk_usage']);
  expect(nearestNames('Disk-usage', known, 1)).toEqual(['disk_usage']);
  expect(nearestNames('uptme', known, 8)).toEqual(['uptime']);
  expect(nearestNames('zzzzzzzzzz', known, 8)).toEqual([]);
  expect(nearestNames('m'.repeat(100_000), known, 8)).toEqual([]);
});

test('whole sentences, as many as fit; a first one that is too long is cut', () => {
  const text = 'One of 3.5 things. Two, e.g. this one. Three!';
  expect(wholeSentences(text, 100)).toBe(text);
  expect(wholeSentences(text, 45)).toBe(text);
  expect(wholeSentences(text, 44)).toBe('One of 3.5 things. Two, e.g. this one.');
  expect(wholeSentences(text, 18)).toBe('One of 3.5 things.');
  expect(wholeSentences(text, 17)).toBe('One of 3.5 thing…');
});
