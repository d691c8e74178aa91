import { describe, expect, test } from 'vitest';
import { checkExpiry } from '../../../src/cli/doctor-expiry.ts';
import type { TransportKey } from '../../../src/request/transport-keys.ts';

const NOW = Date.parse('2026-11-21T03:50:00Z');
const DAY = 86_400_000;
const FINGERPRINT = `SHA256:${'k'.repeat(43)}`;

const key = (expires: number | null, account = 'reader'): TransportKey => ({
  account,
  fingerprint: FINGERPRINT,
  expires,
});
const findings = (keys: readonly TransportKey[], unreadable = 0) =>
  checkExpiry('web1', { keys, unreadable }, { now: NOW, rotate: '/p/rotate-keys.yml' });

describe('how long a key lasts', () => {
  test.each([
    [30 * DAY + 1, 'ok', /^web1: keys expire: reader SHA256:k{43} 2026-12-21 03:50 UTC$/u],
    [30 * DAY, 'warn', /the reader key SHA256:k{43} expires in 30 days, at 2026-12-21 03:50 UTC: plan its/u],
    [14 * DAY + 1, 'warn', /expires in 14 days, .*: plan its rotation$/u],
    [14 * DAY, 'warn', /expires in 14 days, .*: rotate it this week$/u],
    [3 * DAY + 1, 'warn', /: rotate it this week$/u],
    [3 * DAY, 'warn', /expires in 3 day\(s\), at 2026-11-24 03:50 UTC: rotate it today/u],
    [1, 'warn', /expires in 0 day\(s\), at 2026-11-21 03:50 UTC/u],
    [0, 'fail', /^web1: the reader key SHA256:k{43} expired at 2026-11-21 03:50 UTC/u],
    [-400 * DAY, 'fail', /expired at 2025-10-17 03:50 UTC/u],
  ])('%d ms left: %s', (left, level, text) => {
    const [only, ...rest] = findings([key(NOW + left)]);
    expect(only).toMatchObject({ level, text: expect.stringMatching(text) as string });
    expect(only?.fix).toBe(level === 'ok' ? undefined : 'ansible-playbook /p/rotate-keys.yml --tags reader');
    expect(rest).toEqual([]);
  });

  test('the tag is the one of the playbook', () => {
    expect(findings([key(NOW, 'runner')])[0]?.fix).toBe('ansible-playbook /p/rotate-keys.yml --tags pra');
  });

  test('a break-glass key has no date: it is listed and never warned about', () => {
    expect(findings([key(null, 'break-glass'), key(NOW + 40 * DAY, 'runner')])).toEqual([
      {
        level: 'ok',
        text: `web1: keys expire: break-glass ${FINGERPRINT} never, runner ${FINGERPRINT} 2026-12-31 03:50 UTC`,
      },
    ]);
  });

  test('one key that ends does not hide the others', () => {
    const found = findings([key(NOW - 1), key(NOW + DAY, 'runner'), key(null, 'break-glass')]);
    expect(found.map(({ level }) => level)).toEqual(['ok', 'fail', 'warn']);
  });
});

test('a host that has no list, and one whose list is broken, are worth a word', () => {
  expect(checkExpiry('web1', undefined, { now: NOW, rotate: 'r' })).toEqual([
    expect.objectContaining({ level: 'warn', text: 'web1: does not say when its keys expire' }),
  ]);
  expect(findings([], 2)).toEqual([
    expect.objectContaining({ level: 'warn', text: expect.stringContaining('2 line(s)') as string }),
  ]);
});
