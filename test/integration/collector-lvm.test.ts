import { afterAll, expect, test } from 'vitest';
import { fixturePath, readFixture } from '../fixtures/all-fixtures.ts';
import { madeByCollector } from '../support/loaded-collector.ts';
import { RenderedTarget } from '../support/rendered-target.ts';

// What the collector makes of what vgs and lvs say; that they say so is shown in the lab (kernel.test.ts), with a thin pool and a lost disk.

const target = new RenderedTarget();
afterAll(() => target.remove());

const asJson = (kind: string, rows: readonly object[]): string =>
  JSON.stringify({ report: [{ [kind]: rows }] });
const factsOf = (groups: string, volumes: string): unknown =>
  madeByCollector(
    target.path('lib/collectors/lvm'),
    "collector.facts_of(*(collector.rows_of(part, kind) for part, kind in zip(text.split('|'), ('vg', 'lv'))))",
    `${groups}|${volumes}`,
  );
const GROUP = {
  vg_name: 'data',
  vg_size: '1000',
  vg_free: '10',
  pv_count: '2',
  vg_missing_pv_count: '0',
  lv_count: '1',
};
const VOLUME = {
  vg_name: 'data',
  lv_name: 'files',
  lv_attr: '-wi-ao----',
  lv_layout: 'linear',
  lv_size: '500',
  pool_lv: '',
  origin: '',
  data_percent: '',
  metadata_percent: '',
  lv_health_status: '',
  lv_active: 'active',
};
const made = (groups: readonly object[], volumes: readonly object[]): unknown =>
  factsOf(asJson('vg', groups), asJson('lv', volumes));

test('a snapshot that has run full, a volume of a group that lacks a disk, and the group', () => {
  const snapshot = {
    ...VOLUME,
    lv_name: 'before',
    lv_attr: 'swi-I-s---',
    origin: 'files',
    data_percent: '100.00',
  };
  const raid = {
    ...VOLUME,
    lv_name: 'safe',
    lv_attr: 'rwi-a-r-p-',
    lv_layout: 'raid,raid1',
    lv_health_status: 'partial',
  };
  expect(made([{ ...GROUP, vg_missing_pv_count: '1' }], [VOLUME, raid, snapshot])).toMatchObject({
    answers: true,
    volume_groups: 1,
    logical_volumes: 3,
    free_bytes: 10,
    incomplete_groups: 'data',
    unhealthy_volumes: 'data/safe data/before',
    fullest: 'data/before',
    fullest_percent: 100,
    volumes: [
      { name: 'before', kind: 'snapshot', origin: 'files', health: 'invalid snapshot', active: true },
      { name: 'files', kind: 'linear', health: 'ok' },
      { name: 'safe', kind: 'raid raid1', health: 'partial' },
    ],
  });
});

test('sixty rows stay of a table, the fullest ones, and all are counted', () => {
  const volumes = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      ...VOLUME,
      lv_name: `v${String(index)}`,
      data_percent: `${String(index)}.00`,
    }));
  const few = made([GROUP], volumes(60)) as { volumes: { name: string }[] };
  expect(few.volumes).toHaveLength(60);
  const many = made([GROUP], volumes(61)) as { volumes: { name: string }[] };
  expect(many).toMatchObject({ logical_volumes: 61 });
  expect(many.volumes).toHaveLength(60);
  expect(many.volumes[0]?.name).toBe('v60');
  expect(many.volumes.some(({ name }) => name === 'v0')).toBe(false);
});

test.each([
  ['no group', asJson('vg', []), asJson('lv', []), { answers: null }],
  ['no answer for groups', '', asJson('lv', [VOLUME]), { answers: false }],
  ['no answer for volumes', asJson('vg', [GROUP]), 'WARNING: x', { answers: false }],
  ['an answer of another form', '{"report":{}}', '[]', { answers: false }],
])('%s', (_, groups, volumes, facts) => {
  expect(factsOf(groups, volumes)).toEqual(facts);
});

test('what is no number, and text of any kind, becomes nothing and one line', () => {
  const odd = { ...GROUP, vg_free: '1e9', vg_name: `data\n\u001b[2J${'x'.repeat(200)}` };
  const facts = made([odd], [{ ...VOLUME, lv_size: 7 }]) as { groups: Record<string, string>[] };
  expect(facts.groups[0]).not.toHaveProperty('free_bytes');
  expect(facts.groups[0]?.['name']).toMatch(/^data\?\?\[2Jx+$/u);
  expect(facts.groups[0]?.['name']).toHaveLength(128);
});

test('the recordings are of this collector', () => {
  const [recorded] = readFixture({ path: fixturePath('lvm_volumes', 'thin-pool') }).answer.sections;
  const facts = JSON.parse(recorded?.output.toString('utf8') ?? '') as Record<string, unknown>;
  const { answers, ...rest } = made(
    [GROUP],
    [{ ...VOLUME, lv_attr: 'twi-aotz--', lv_layout: 'thin,pool' }],
  ) as Record<string, unknown>;
  expect(answers).toBe(true);
  expect(Object.keys(facts)).toEqual(expect.arrayContaining(Object.keys(rest)));
});
