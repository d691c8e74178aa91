import { integerOf, outputLines, words } from '../../output-lines.ts';
import { df } from '../disk/df.ts';
import { asObject, jsonOf } from '../json-output.ts';
import type { FactParser, SectionCodes, SectionTexts } from '../parser.ts';
import { keyExpiry } from '../security/key-expiry.ts';
import { failedUnits } from '../services/failed-units.ts';

const HOUR = 3_600;
const DAY = 86_400;
/** A nightly backup that is two hours late. */
const BACKUP_SECONDS = 26 * HOUR;
const RESTORE_TEST_SECONDS = 90 * DAY;
const FULL_PERCENT = 90;
const KEY_DAYS = 14;
/** A collector that has missed two periods says nothing about now. */
const STALE_PERIODS = 2;

type State = 'good' | 'concern' | 'unknown';
type Value = string | number | undefined;

interface Check {
  readonly check: string;
  readonly state: State;
  readonly value: Value;
  readonly limit: string;
}

/** What a recovery would need, each check with its value and limit. A check that cannot be made is unknown, never good. */
export const readiness: FactParser = (sections, codes) => {
  const now = integerOf(sections.get('clock')?.trim());
  const backups = backupFacts(sections, now);
  const full = integerFact(df(sections, codes)['fullest_percent']);
  const inodes = integerFact(df(sections, codes)['fewest_inodes_percent']);
  const failed =
    codes.get('failed') === 0 ? integerFact(failedUnits(units(sections), codes)['count']) : undefined;
  const keys = keyDays(sections, codes);
  const backupAge = backups('oldest_age_seconds');
  const testAge = backups('oldest_restore_test_age_seconds');
  const checks = [
    atMost('backup age', backupAge, BACKUP_SECONDS, 's'),
    atMost('backups that fail', backups('failing'), 0),
    atMost('restore test age', testAge, RESTORE_TEST_SECONDS, 's'),
    atMost('restore tests that failed', backups('restore_tests_failed'), 0),
    atMost('fullest filesystem', full, FULL_PERCENT, '%'),
    atMost('inodes of the fullest', inodes, FULL_PERCENT, '%'),
    atMost('failed units', failed, 0),
    isWord('clock synchronised', /^NTPSynchronized=(yes|no)$/mu.exec(sections.get('time') ?? '')?.[1], 'yes'),
    isWord('reboot required', existence(sections, codes, 'reboot'), 'no'),
    isWord('settles after a boot', words(sections.get('settle') ?? '')[0]?.trim(), 'enabled'),
    isWord('frozen', existence(sections, codes, 'frozen'), 'no'),
    atLeast('days until a key expires', keys, KEY_DAYS),
  ];
  const concerns = checks.filter(({ state }) => state === 'concern');
  return {
    concerns: concerns.length,
    unknown: checks.filter(({ state }) => state === 'unknown').length,
    worst: concerns.map(({ check }) => check).join(', ') || 'none',
    oldest_backup_age_seconds: backupAge,
    oldest_restore_test_age_seconds: testAge,
    fullest_percent: full,
    failed_units: failed,
    version: words(outputLines(sections.get('version') ?? '')[0] ?? '')[1],
    checks: checks.toSorted((one, other) => STATES.indexOf(one.state) - STATES.indexOf(other.state)),
  };
};

const STATES: readonly State[] = ['concern', 'unknown', 'good'];

const atMost = (check: string, value: number | undefined, limit: number, unit = ''): Check => ({
  check,
  value,
  limit: `at most ${String(limit)}${unit === '' ? '' : ` ${unit}`}`,
  state: value === undefined ? 'unknown' : value <= limit ? 'good' : 'concern',
});

const atLeast = (check: string, value: number | 'never' | undefined, limit: number): Check => ({
  check,
  value,
  limit: `at least ${String(limit)}`,
  state: value === undefined ? 'unknown' : value === 'never' || value >= limit ? 'good' : 'concern',
});

const isWord = (check: string, value: string | undefined, limit: string): Check => ({
  check,
  value,
  limit,
  state: value === undefined || value === '' ? 'unknown' : value === limit ? 'good' : 'concern',
});

/** Members of what the collector `backups` wrote; ages grow until now. None when it is stale, or root listed no repository. */
const backupFacts = (
  sections: SectionTexts,
  now: number | undefined,
): ((name: string) => number | undefined) => {
  const members = asObject(jsonOf(sections.get('backups')));
  const at = typeof members['collected_at'] === 'string' ? Date.parse(members['collected_at']) / 1_000 : NaN;
  const age = now === undefined ? NaN : Math.round(now - at);
  const period = integerFact(members['period']);
  const isFresh = period !== undefined && age >= -1 && age <= STALE_PERIODS * period;
  if (!isFresh || members['repositories'] === 0) return () => undefined;
  return (name) => {
    const value = integerFact(members[name]);
    return value !== undefined && name.endsWith('age_seconds') ? value + Math.max(age, 0) : value;
  };
};

const integerFact = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;

const units = (sections: SectionTexts): SectionTexts => new Map([['units', sections.get('failed') ?? '']]);

/** stat(1) says a time where the file is, and nothing with exit code 1 where it is not. */
const existence = (sections: SectionTexts, codes: SectionCodes, name: string): string | undefined => {
  const code = codes.get(name);
  if (code === 0) return integerOf(sections.get(name)?.trim()) === undefined ? undefined : 'yes';
  return code === 1 ? 'no' : undefined;
};

/** Days until the next transport key expires; `never` when none does; undefined without a list, or with lines that cannot be read. */
const keyDays = (sections: SectionTexts, codes: SectionCodes): number | 'never' | undefined => {
  const { count, unreadable, keys } = keyExpiry(sections, codes);
  if (codes.get('keys') !== 0 || count === 0 || unreadable !== 0 || !Array.isArray(keys)) return undefined;
  const days = keys.flatMap((key: { readonly expires: string; readonly days_left: number | undefined }) =>
    key.expires === 'never' ? [] : [key.days_left],
  );
  if (days.length === 0) return 'never';
  return days.includes(undefined) ? undefined : Math.min(...days.map(Number));
};
