import { outputLines } from '../../output-lines.ts';
import { utcTime } from '../../utc-time.ts';
import { asList, jsonOf, numberOf, textOf } from '../json-output.ts';
import type { FactParser } from '../parser.ts';

/**
 * `boots`: journalctl --list-boots --output=json (systemd 251 and later; times in microseconds); `ended`: the message
 * "reached target shutdown.target" of each boot, which its last services come before; `now`: the current boot.
 */
export const bootHistory: FactParser = (sections) => {
  const list = jsonOf(sections.get('boots'));
  const now = sections.get('now')?.trim().replaceAll('-', '');
  const ended = new Set(
    outputLines(sections.get('ended') ?? '').map((line) => textOf(jsonOf(line), '_BOOT_ID')),
  );
  const history = asList(list)
    .map((boot) => {
      const [first, last] = [secondsOf(boot, 'first_entry'), secondsOf(boot, 'last_entry')];
      const id = textOf(boot, 'boot_id');
      return { id, first, last, clean: id === now ? undefined : ended.has(id) };
    })
    .filter(({ id, first, last }) => id !== undefined && first !== undefined && last !== undefined)
    .toSorted((a, b) => (b.first ?? 0) - (a.first ?? 0));
  const current = history.find(({ id }) => id === now);
  const [previous] = history.filter((boot) => boot !== current);
  const isAfter =
    current?.first !== undefined && previous?.last !== undefined && current.first >= previous.last;
  return {
    boots: Array.isArray(list) ? history.length : undefined,
    unclean: Array.isArray(list) ? history.filter(({ clean }) => clean === false).length : undefined,
    current_since: utcTime(current?.first),
    previous_ended: utcTime(previous?.last),
    previous_clean: previous?.clean,
    away_seconds: isAfter ? Math.round((current.first ?? 0) - (previous.last ?? 0)) : undefined,
    history: history.map(({ first, last, clean }) => ({
      first_time: utcTime(first),
      last_time: utcTime(last),
      seconds: Math.round((last ?? 0) - (first ?? 0)),
      clean,
    })),
  };
};

const secondsOf = (boot: unknown, name: string): number | undefined => {
  const micros = numberOf(boot, name);
  return micros === undefined ? undefined : micros / 1_000_000;
};
