import type { TransportKey, TransportKeys } from '../request/transport-keys.ts';
import type { Finding } from './finding.ts';
import { say, type LabelKey } from './say.ts';

const DAY_MS = 86_400_000;

/** From so many days on before a key expires it is a warning, in words of its own. The first that fits counts. */
const WARNINGS = [
  { days: 3, text: 'doctor.key_expires_now' },
  { days: 14, text: 'doctor.key_expires_soon' },
  { days: 30, text: 'doctor.key_expires' },
] as const satisfies readonly { readonly days: number; readonly text: LabelKey }[];

/** The tag of playbooks/rotate-keys.yml for an account. */
const TAG: Readonly<Record<string, string>> = { reader: 'reader', runner: 'pra' };

/**
 * Says which keys of a host expire within 30, 14 and 3 days, and which have: by our clock, which `clock` compares with the
 * host's. `rotate` is the playbook that makes new keys. A break-glass key has no date and is only listed.
 */
export const checkExpiry = (
  host: string,
  listed: TransportKeys | undefined,
  { now, rotate }: { readonly now: number; readonly rotate: string },
): readonly Finding[] => {
  if (listed === undefined)
    return [{ level: 'warn', text: say('doctor.no_key_list', { host }), fix: say('doctor.no_key_list_fix') }];
  const warned = listed.keys.flatMap((key) => {
    const finding = warning(host, key, now, rotate);
    return finding === undefined ? [] : [{ key, finding }];
  });
  const fine = listed.keys.filter((key) => warned.every((other) => other.key !== key));
  const list = fine.map((key) => keyUntil(key)).join(', ');
  return [
    ...(fine.length === 0 ? [] : [{ level: 'ok', text: say('doctor.keys_listed', { host, list }) } as const]),
    ...warned.map(({ finding }) => finding),
    ...(listed.unreadable === 0
      ? []
      : [
          {
            level: 'warn',
            text: say('doctor.keys_unreadable', { host, count: listed.unreadable }),
            fix: say('doctor.no_key_list_fix'),
          } as const,
        ]),
  ];
};

const warning = (host: string, key: TransportKey, now: number, rotate: string): Finding | undefined => {
  const { account, fingerprint, expires } = key;
  if (expires === null) return undefined;
  const left = expires - now;
  const values = {
    host,
    account,
    fingerprint,
    date: dateOf(key),
    days: Math.max(0, Math.floor(left / DAY_MS)),
  };
  const fix = say('doctor.key_expires_fix', { rotate, tag: TAG[account] ?? account });
  if (left <= 0) return { level: 'fail', text: say('doctor.key_expired', values), fix };
  const found = WARNINGS.find(({ days }) => left <= days * DAY_MS);
  return found === undefined ? undefined : { level: 'warn', text: say(found.text, values), fix };
};

const keyUntil = (key: TransportKey): string =>
  say('doctor.key_until', { account: key.account, fingerprint: key.fingerprint, date: dateOf(key) });

/** With the minute: on the last day that is what counts. */
const dateOf = ({ expires }: TransportKey): string =>
  expires === null
    ? say('doctor.key_never')
    : `${new Date(expires).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
