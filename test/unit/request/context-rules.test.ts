import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  namesOf,
  readRules,
  WEEKDAYS,
  type ContextRule,
  type RuleWhen,
  type Situation,
} from '../../../src/request/context-rules.ts';
import { higher } from '../../../src/request/impact.ts';
import { sessionSource } from '../../../src/request/session-source.ts';

const raise = (when: RuleWhen, impact: 'MEDIUM' | 'HIGH' = 'HIGH', name = 'rule'): ContextRule => ({
  name,
  when,
  effect: { kind: 'raise', impact },
});
const refuse = (when: RuleWhen, name = 'frozen'): ContextRule => ({
  name,
  when,
  effect: { kind: 'refuse', sentence: 'Gel des changements.' },
});
const at = (over: Partial<Situation> = {}): Situation => ({
  action: 'restart_service',
  host: { name: 'web1', tags: ['prod'], groups: ['web'] },
  client: 'claude-desktop',
  source: { kind: 'local' },
  now: Date.parse('2026-11-23T12:00:00Z'), // a Monday
  ...over,
});
const matches = (when: RuleWhen, over: Partial<Situation> = {}): boolean =>
  readRules([raise(when)])(at(over)).raisedBy.length === 1;

test('a rule without conditions always applies; every key has to match, of a list one entry', () => {
  expect(matches({})).toBe(true);
  for (const [when, other] of [
    [{ actions: ['reload_proxy', 'restart_service'] }, { action: 'vacuum_journal' }],
    [{ hosts: ['web1'] }, { host: { name: 'web2', tags: ['prod'], groups: ['web'] } }],
    [{ groups: ['db', 'web'] }, { host: { name: 'web1', tags: ['prod'], groups: [] } }],
    [{ tags: ['prod'] }, { host: { name: 'web1', tags: ['test'], groups: ['web'] } }],
    [{ clients: ['claude-desktop'] }, { client: 'cli' }],
    [{ channels: ['mcp'] }, { client: 'cli' }],
  ] as const satisfies readonly (readonly [RuleWhen, Partial<Situation>])[]) {
    expect([when, matches(when), matches(when, other)]).toEqual([when, true, false]);
    expect(matches({ ...when, hosts: ['db1'] })).toBe(false);
  }
  expect(matches({ channels: ['cli'] }, { client: 'cli' })).toBe(true);
  expect(matches({ channels: ['cli'] })).toBe(false);
});

describe('networks', () => {
  const from = (connection: string | undefined) => ({
    source: sessionSource({ SSH_CONNECTION: connection }),
  });
  const cases = [
    ['192.0.2.0 5 198.51.100.1 22', true],
    ['192.0.2.255 5 198.51.100.1 22', true],
    ['192.0.3.0 5 198.51.100.1 22', false],
    ['192.0.1.255 5 198.51.100.1 22', false],
    ['::ffff:192.0.2.9 5 ::1 22', true],
    ['2001:db8:1:ffff::1 5 ::1 22', true],
    ['2001:db8:2::1 5 ::1 22', false],
    ['fe80::1%eth0 5 fe80::2%eth0 22', true],
    [undefined, false],
  ] as const;
  const networks = ['192.0.2.0/24', '2001:db8:1::/48', 'fe80::1'];

  test.each(cases)('%s is inside: %s', (connection, inside) => {
    expect(matches({ from: networks }, from(connection))).toBe(inside);
    expect(matches({ not_from: networks }, from(connection))).toBe(!inside);
  });

  test('no SSH session is local; what cannot be read matches either way', () => {
    expect(matches({ from: ['local'] }, from(undefined))).toBe(true);
    expect(matches({ not_from: ['local', '192.0.2.0/24'] }, from(undefined))).toBe(false);
    for (const odd of ['', 'nonsense', '192.0.2 1 2 3', '999.0.0.1 1 2 3', ' 192.0.2.1 1 2 3']) {
      expect([odd, matches({ from: networks }, from(odd))]).toEqual([odd, true]);
      expect([odd, matches({ not_from: networks }, from(odd))]).toEqual([odd, true]);
    }
  });
});

describe('hours', () => {
  const during = (when: RuleWhen, moment: string): boolean => matches(when, { now: Date.parse(moment) });
  /** Of moments and whether the window should have them: those that are judged otherwise. `outside` is the exact opposite. */
  const wronglyJudged = (
    between: NonNullable<RuleWhen['between']>,
    moments: Readonly<Record<string, boolean>>,
  ): readonly string[] =>
    Object.entries(moments)
      .filter(
        ([moment, inside]) =>
          during({ between }, moment) !== inside || during({ outside: between }, moment) === inside,
      )
      .map(([moment]) => moment);

  test('from the first minute until just before the second', () => {
    expect(
      wronglyJudged(
        { hours: '09:30-17:00', time_zone: 'UTC' },
        {
          '2026-11-23T09:29:59.999Z': false,
          '2026-11-23T09:30:00.000Z': true,
          '2026-11-23T16:59:59.999Z': true,
          '2026-11-23T17:00:00.000Z': false,
        },
      ),
    ).toEqual([]);
    expect(
      wronglyJudged(
        { hours: '12:00-24:00', time_zone: 'UTC' },
        { '2026-11-23T23:59:59.999Z': true, '2026-11-24T00:00:00.000Z': false },
      ),
    ).toEqual([]);
  });

  test('over midnight the end belongs to the day on which the window began', () => {
    expect(
      wronglyJudged(
        { hours: '22:00-06:00', days: ['fri'], time_zone: 'UTC' },
        {
          '2026-11-27T21:59:59.999Z': false, // Friday
          '2026-11-27T22:00:00.000Z': true,
          '2026-11-27T23:59:59.999Z': true,
          '2026-11-28T00:00:00.000Z': true,
          '2026-11-28T05:59:59.999Z': true,
          '2026-11-28T06:00:00.000Z': false,
          '2026-11-28T22:00:00.000Z': false, // Saturday
          '2026-11-27T03:00:00.000Z': false, // began on Thursday
        },
      ),
    ).toEqual([]);
    // From Sunday to Monday the week begins anew.
    expect(
      wronglyJudged(
        { hours: '22:00-06:00', days: ['sun'], time_zone: 'UTC' },
        { '2026-11-29T23:00:00Z': true, '2026-11-30T05:00:00Z': true, '2026-11-30T23:00:00Z': false },
      ),
    ).toEqual([]);
  });

  test('days alone are whole days of that zone', () => {
    expect(
      wronglyJudged(
        { days: ['sat', 'sun'], time_zone: 'Europe/Paris' },
        {
          '2026-11-27T22:59:59.999Z': false, // Friday, 23:59:59
          '2026-11-27T23:00:00.000Z': true, // Saturday, 0:00
          '2026-11-29T22:59:59.999Z': true,
          '2026-11-29T23:00:00.000Z': false,
        },
      ),
    ).toEqual([]);
  });

  test('a change of the clocks: what the clock on the wall shows counts', () => {
    // Paris, 29 March 2026: 02:00 is followed by 03:00. The window of 02:30 begins at 03:00, its end is at 04:00.
    expect(
      wronglyJudged(
        { hours: '02:30-04:00', time_zone: 'Europe/Paris' },
        {
          '2026-03-29T00:59:59.999Z': false, // 01:59:59
          '2026-03-29T01:00:00.000Z': true, // 03:00
          '2026-03-29T01:59:59.999Z': true, // 03:59:59
          '2026-03-29T02:00:00.000Z': false, // 04:00
        },
      ),
    ).toEqual([]);
    // 25 October 2026: 03:00 is followed by 02:00 once more, and so is the window.
    expect(
      wronglyJudged(
        { hours: '02:00-02:30', time_zone: 'Europe/Paris' },
        {
          '2026-10-25T00:00:00.000Z': true, // 02:00, summer
          '2026-10-25T00:30:00.000Z': false,
          '2026-10-25T01:00:00.000Z': true, // 02:00, winter
          '2026-10-25T01:29:59.999Z': true,
          '2026-10-25T01:30:00.000Z': false,
        },
      ),
    ).toEqual([]);
  });

  test("without a zone the machine's own counts", () => {
    const zone = process.env['TZ'];
    try {
      process.env['TZ'] = 'Asia/Tokyo';
      expect(
        wronglyJudged(
          { hours: '09:00-10:00' },
          { '2026-11-23T00:00:00Z': true, '2026-11-23T09:00:00Z': false },
        ),
      ).toEqual([]);
      process.env['TZ'] = 'UTC';
      expect(
        wronglyJudged(
          { hours: '09:00-10:00' },
          { '2026-11-23T00:00:00Z': false, '2026-11-23T09:00:00Z': true },
        ),
      ).toEqual([]);
    } finally {
      if (zone === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zone;
    }
  });

  test('a freeze: from its first millisecond until just before its end', () => {
    const freeze = { during: { from: '2026-12-20T00:00:00+01:00', until: '2027-01-04T08:00:00+01:00' } };
    expect(during(freeze, '2026-12-19T22:59:59.999Z')).toBe(false);
    expect(during(freeze, '2026-12-19T23:00:00.000Z')).toBe(true);
    expect(during(freeze, '2027-01-04T06:59:59.999Z')).toBe(true);
    expect(during(freeze, '2027-01-04T07:00:00.000Z')).toBe(false);
    expect(during({ during: { until: '2026-01-01T00:00:00Z' } }, '1999-01-01T00:00:00Z')).toBe(true);
    expect(during({ during: { from: '2026-01-01T00:00:00Z' } }, '2199-01-01T00:00:00Z')).toBe(true);
  });
});

test('all matching rules count: the highest raise, every name in the order of the file', () => {
  const verdict = readRules([
    raise({}, 'HIGH', 'b'),
    raise({ hosts: ['db1'] }, 'HIGH', 'other'),
    raise({}, 'MEDIUM', 'a'),
    refuse({}, 'freeze-2'),
    refuse({}, 'freeze-1'),
  ])(at());
  expect(verdict).toEqual({
    impact: 'HIGH',
    raisedBy: [
      { name: 'b', impact: 'HIGH' },
      { name: 'a', impact: 'MEDIUM' },
    ],
    refusedBy: [
      { name: 'freeze-2', sentence: 'Gel des changements.' },
      { name: 'freeze-1', sentence: 'Gel des changements.' },
    ],
  });
  expect(namesOf(verdict.raisedBy)).toBe('b (HIGH), a (MEDIUM)');
  expect(namesOf(verdict.refusedBy)).toBe('freeze-2, freeze-1');
  expect(readRules([])(at())).toEqual({ impact: 'LOW', raisedBy: [], refusedBy: [] });
});

test('thirty-two rules with the longest names still fit into a sentence of an error', () => {
  const many = Array.from({ length: 32 }, (_, n) => ({
    name: 'x'.repeat(30) + String(n).padStart(2, '0'),
    impact: 'MEDIUM' as const,
  }));
  expect(namesOf(many)).toMatch(/^x{30}00 \(MEDIUM\), .* and 24 more$/u);
  expect(namesOf(many).length).toBeLessThan(600);
  expect(namesOf(many.slice(0, 8))).not.toContain('more');
});

describe('whatever the rules and the situation', () => {
  const some = <T>(...values: readonly T[]) =>
    fc.option(fc.uniqueArray(fc.constantFrom(...values), { minLength: 1 }), { nil: undefined });
  const time = fc
    .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
    .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'));
  const window = fc.option(
    fc.record({
      hours: fc.tuple(time, time).map((ends) => ends.join('-')),
      days: some(...WEEKDAYS),
      time_zone: fc.constantFrom('UTC', 'Europe/Paris', 'Asia/Kolkata'),
    }),
    { nil: undefined },
  );
  const when: fc.Arbitrary<RuleWhen> = fc.record({
    actions: some('restart_service', 'reload_proxy'),
    hosts: some('web1', 'db1'),
    tags: some('prod', 'test'),
    clients: some('claude-desktop', 'cli'),
    from: some('local', '192.0.2.0/24', '::1'),
    not_from: some('local', '10.0.0.0/8'),
    between: window,
    outside: window,
  });
  const rule: fc.Arbitrary<ContextRule> = fc.record({
    name: fc.stringMatching(/^[a-z]{1,6}$/u),
    when,
    effect: fc.oneof(
      fc.record({ kind: fc.constant('raise' as const), impact: fc.constantFrom('MEDIUM', 'HIGH') }),
      fc.record({ kind: fc.constant('refuse' as const), sentence: fc.constant('No.') }),
    ),
  });
  const situation = fc
    .record({
      action: fc.constantFrom('restart_service', 'reload_proxy'),
      client: fc.constantFrom('claude-desktop', 'cli'),
      source: fc
        .constantFrom(undefined, '192.0.2.7 1 2 3', '10.1.2.3 1 2 3', 'odd')
        .map((connection) => sessionSource({ SSH_CONNECTION: connection })),
      now: fc.integer({ min: 0, max: 4e12 }),
    })
    .map(at);

  test('one rule more never lowers and never allows', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), rule, situation, (rules, more, now) => {
        const before = readRules(rules)(now);
        const after = readRules([...rules, more])(now);
        expect(higher(after.impact, before.impact)).toBe(after.impact);
        expect(after.refusedBy.slice(0, before.refusedBy.length)).toEqual(before.refusedBy);
      }),
    );
  });

  test('their order changes the order of the names only', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), situation, (rules, now) => {
        const forth = readRules(rules)(now);
        const back = readRules([...rules].reverse())(now);
        expect(back.impact).toBe(forth.impact);
        expect([...back.raisedBy].reverse()).toEqual(forth.raisedBy);
        expect([...back.refusedBy].reverse()).toEqual(forth.refusedBy);
      }),
    );
  });
});
