import { integerOf, outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** passwd(5) says an empty shell is /bin/sh. */
const DEFAULT_SHELL = '/bin/sh';
/** Programs that end at once: nobody gets a prompt from them. */
const NO_SHELL = /\/(?:nologin|false|sync|true|halt|shutdown)$/u;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._@$-]{0,63}$/u;
/** login.defs(5), UID_MIN as distributions have it. */
const FIRST_PERSON = 1_000;
const MOST_ROWS = 60;

interface Account {
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/** `accounts`: user, uid, gid, home and shell of passwd(5), with colons; `listed`: shells(5). */
export const loginUsers: FactParser = (sections) => {
  const accounts = outputLines(sections.get('accounts') ?? '')
    .map(accountOf)
    .filter((account) => account !== undefined);
  if (accounts.length === 0) return {};
  const listed = new Set(outputLines(sections.get('listed') ?? ''));
  const withShell = accounts.filter(({ shell }) => !NO_SHELL.test(shell));
  const roots = accounts.filter(({ uid }) => uid === 0).map(({ user }) => user);
  const uids = accounts.map(({ uid }) => uid);
  return {
    accounts: accounts.length,
    with_shell: withShell.length,
    uid_0_accounts: roots.join(' ') || 'none',
    extra_uid_0: roots.filter((user) => user !== 'root').length,
    shared_uids: new Set(uids.filter((uid, index) => uids.indexOf(uid) !== index)).size,
    users: withShell
      .toSorted((one, other) => rank(one) - rank(other) || one.uid - other.uid)
      .slice(0, MOST_ROWS)
      .map((account) => ({ ...account, listed: listed.has(account.shell) })),
  };
};

const accountOf = (line: string): Account | undefined => {
  const [user = '', uid, gid, home = '', shell = '', ...rest] = line.split(':');
  const [number, group] = [integerOf(uid), integerOf(gid)];
  if (!NAME.test(user) || number === undefined || group === undefined || rest.length > 0) return undefined;
  return { user, uid: number, gid: group, home, shell: shell === '' ? DEFAULT_SHELL : shell };
};

const rank = ({ uid }: Account): number => (uid === 0 ? 0 : uid >= FIRST_PERSON ? 1 : 2);
