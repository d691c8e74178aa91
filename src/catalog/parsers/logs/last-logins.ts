import { outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** util-linux writes `+00:00`, wtmpdb `+0000`. */
const TIME = /^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\+00:?00$/u;

/**
 * last --fullnames --time-format=iso under TZ=UTC (last(1) of util-linux, or wtmpdb(8) of Debian 13 under that name): `user line [from] begun - ended (duration)`, or words for how it
 * ended.
 */
export const lastLogins: FactParser = (sections) => {
  const entries = outputLines(sections.get('logins') ?? '')
    .map((line) => entryOf(words(line)))
    .filter((entry) => entry !== undefined);
  const logins = entries.filter(({ user }) => !PSEUDO.has(user));
  const [last] = logins;
  return {
    count: logins.length,
    users: new Set(logins.map(({ user }) => user)).size,
    open: logins.filter(({ ended }) => ended === 'still').length,
    reboots: entries.filter(({ user }) => user === 'reboot').length,
    last_user: last?.user,
    last_from: last?.from,
    last_time: last?.time,
    entries: entries.slice(0, 100),
  };
};

/** Entries of wtmp(5) that are no logins. */
const PSEUDO: ReadonlySet<string> = new Set(['reboot', 'shutdown', 'runlevel']);
/** How the last line begins: `wtmp begins <time>`. */
const FOOT: ReadonlySet<string> = new Set(['wtmp', 'wtmpdb']);

const entryOf = (fields: readonly string[]) => {
  const at = fields.findIndex((field) => TIME.test(field));
  const [user = '', line = '', ...from] = fields.slice(0, at);
  if (at < 2 || FOOT.has(user)) return undefined;
  return {
    user,
    line: PSEUDO.has(user) ? undefined : line,
    from: PSEUDO.has(user) || from.length === 0 ? undefined : from.join(' '),
    time: utc(fields[at] ?? ''),
    ended: endOf(fields.slice(at + 1)),
  };
};

const utc = (text: string): string | undefined => {
  const time = TIME.exec(text)?.[1];
  return time === undefined ? undefined : `${time}Z`;
};

/** `- <time> (…)`, `- crash`, `- down`, `still logged in`, `still running`, `gone - no logout`. */
const endOf = ([first = '', second = '']: readonly string[]): string | undefined =>
  first === '-' ? (utc(second) ?? second) : first === '' ? undefined : first;
