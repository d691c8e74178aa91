import { describe, expect, test } from 'vitest';
import { readiness } from '../../../src/catalog/parsers/backups/readiness.ts';

/** 2026-11-21T12:00:00Z */
const NOW = 1_795_262_400;

const collected = (members: object, secondsAgo = 0): string =>
  JSON.stringify({
    collected_at: `${new Date((NOW - secondsAgo) * 1_000).toISOString().slice(0, 19)}Z`,
    period: 3_600,
    repositories: 1,
    failing: 0,
    restore_tests_failed: 0,
    ...members,
  });

const read = (
  outputs: Readonly<Record<string, string>>,
  codes: Readonly<Record<string, number>> = {},
): Readonly<Record<string, unknown>> => {
  const all = { clock: `${String(NOW)}\n`, ...outputs };
  const known = { ...Object.fromEntries(Object.keys(all).map((name) => [name, 0])), ...codes };
  return readiness(new Map(Object.entries(all)), new Map(Object.entries(known)));
};

const stateOf = (facts: Readonly<Record<string, unknown>>, check: string): string | undefined =>
  (facts['checks'] as readonly { readonly check: string; readonly state: string }[]).find(
    (row) => row.check === check,
  )?.state;

describe('readiness', () => {
  test('nothing said is nothing known', () => {
    const facts = readiness(new Map(), new Map());
    expect(facts).toMatchObject({ concerns: 0, unknown: 12, worst: 'none' });
  });

  test.each([
    ['backup age', { backups: collected({ oldest_age_seconds: 93_600 }) }, 'good'],
    ['backup age', { backups: collected({ oldest_age_seconds: 93_601 }) }, 'concern'],
    // An hour since it was collected counts too.
    ['backup age', { backups: collected({ oldest_age_seconds: 90_001 }, 3_600) }, 'concern'],
    ['backup age', { backups: collected({ oldest_age_seconds: 5 }, 7_200) }, 'good'],
    ['backup age', { backups: collected({ oldest_age_seconds: 5 }, 7_201) }, 'unknown'],
    ['backup age', { backups: collected({ oldest_age_seconds: 5 }, -2) }, 'unknown'],
    ['backups that fail', { backups: collected({ repositories: 0 }) }, 'unknown'],
    ['restore test age', { backups: collected({ oldest_restore_test_age_seconds: 7_776_000 }) }, 'good'],
    ['restore test age', { backups: collected({ oldest_restore_test_age_seconds: 7_776_001 }) }, 'concern'],
    ['fullest filesystem', { bytes: 'x 10 9 1 90% /\n' }, 'good'],
    ['fullest filesystem', { bytes: 'x 10 9 1 91% /\n' }, 'concern'],
    ['days until a key expires', { keys: `reader SHA256:${'r'.repeat(43)} 2026-12-05T12:00:00Z\n` }, 'good'],
    [
      'days until a key expires',
      { keys: `reader SHA256:${'r'.repeat(43)} 2026-12-05T11:59:59Z\n` },
      'concern',
    ],
    ['days until a key expires', { keys: `reader SHA256:${'r'.repeat(43)} -\n` }, 'good'],
    ['days until a key expires', { keys: 'reader who knows\n' }, 'unknown'],
    ['clock synchronised', { time: 'NTPSynchronized=no\n' }, 'concern'],
    ['settles after a boot', { settle: 'disabled\n' }, 'concern'],
  ])('%s of %j is %s', (check, outputs, state) => {
    expect(stateOf(read(outputs as Readonly<Record<string, string>>), check)).toBe(state);
  });

  test.each([
    ['frozen', '5\n', 0, 'concern'],
    ['frozen', '', 1, 'good'],
    ['frozen', '', 124, 'unknown'],
    ['failed units', '', 0, 'good'],
    ['failed units', '', 1, 'unknown'],
  ])('%s, said %j with exit code %i: %s', (check, said, code, state) => {
    const section = check === 'frozen' ? 'frozen' : 'failed';
    expect(stateOf(read({ [section]: said }, { [section]: code }), check)).toBe(state);
  });
});
