import { integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** What stands for a key that no date ends. */
export const NEVER = 'never';

const DAY_SECONDS = 86_400;
const ACCOUNT = /^(?:reader|runner|break-glass)$/u;
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/u;
const TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/u;

interface TransportKey {
  readonly account: string;
  readonly fingerprint: string;
  /** Seconds since the epoch; undefined when it never expires. */
  readonly expires: number | undefined;
}

/**
 * `keys`: /etc/mcp-pra/key-expiry (ansible/README.md), `account fingerprint time|-` a line; `clock`: the host's own time, by which its sshd
 * judges. A line of another form is counted, so that it cannot pass for a key that does not expire.
 */
export const keyExpiry: FactParser = (sections) => {
  const lines = outputLines(sections.get('keys') ?? '');
  const keys = lines.map(keyOf).filter((key) => key !== undefined);
  const now = integerOf(sections.get('clock')?.trim());
  const times = keys.flatMap(({ expires }) => (expires === undefined ? [] : [expires]));
  return {
    count: keys.length,
    expired: now === undefined ? undefined : times.filter((time) => time <= now).length,
    next_expires: times.length === 0 ? NEVER : utc(Math.min(...times)),
    keys: keys.map(({ account, fingerprint, expires }) => ({
      account,
      fingerprint,
      expires: expires === undefined ? NEVER : utc(expires),
      days_left: expires === undefined || now === undefined ? undefined : daysLeft(expires, now),
    })),
    unreadable: lines.length - keys.length,
  };
};

/** Whole days from one second to another, rounded down: 0 is the last day, a negative number is past. */
export const daysLeft = (expires: number, now: number): number => Math.floor((expires - now) / DAY_SECONDS);

const keyOf = (line: string): TransportKey | undefined => {
  const [account = '', fingerprint = '', written = '', ...rest] = words(line);
  const expires = secondsOf(written);
  const isKey = ACCOUNT.test(account) && FINGERPRINT.test(fingerprint) && rest.length === 0;
  if (!isKey || expires === undefined) return undefined;
  return { account, fingerprint, expires: expires === NEVER ? undefined : expires };
};

const secondsOf = (written: string): number | typeof NEVER | undefined => {
  if (written === '-') return NEVER;
  const seconds = TIME.test(written) ? Date.parse(written) / 1_000 : Number.NaN;
  // A 30th of February is read as a day in March.
  return Number.isSafeInteger(seconds) && utc(seconds) === written ? seconds : undefined;
};

const utc = (seconds: number): string => `${new Date(seconds * 1_000).toISOString().slice(0, 19)}Z`;
