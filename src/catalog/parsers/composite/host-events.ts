import { integerOf, outputLines, words } from '../../output-lines.ts';
import { jsonObject, type JsonObject } from '../json-output.ts';
import type { SectionTexts } from '../parser.ts';

/** Something that happened on a host, by its own clock. */
export interface HostEvent {
  /** Seconds since 1970. */
  readonly at: number;
  readonly kind: string;
  readonly what: string;
}

/** Message ids of the journal (systemd's message catalog, `journalctl --list-catalog`). */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['98268866d1d54a499c4e98921d93bc40', 'shutdown'],
  ['c7a787079b354eaaa9e77b371893cd27', 'clock_set'],
  ['d9b373ed55a64feb8242e02dbe79a49c', 'unit_failed'],
  ['be02cf6855d2428ba40df7e9d022f03d', 'start_failed'],
  ['fe6faa94e7774663a0da52717891d8ef', 'unit_oom'],
  ['5eb03494b6584870a536b337290809b3', 'unit_restarting'],
  ['39f53479d3a045ac8e11786248231fbf', 'unit_started'],
  ['9d1aaa27d60140bd96365438aad20286', 'unit_stopped'],
  ['fc2e22bc6ee647b6b90729ab34a250b1', 'core_dump'],
  ['8d45620c1a4348dbb17410da57c60c66', 'login'],
]);

/** What happens all the time by itself and says nothing: our own collectors, the units around logins, and all that each boot starts. */
const NOISE = /^(?:mcp-pra-collect-|user@|user-runtime-dir@|session-)|\.(?:scope|slice|device)$/u;
const BOOT_NOISE = /^(?:systemd-|modprobe@|dev-|sys-|dracut-|initrd-)|(?<!\.(?:service|timer))$/u;
const COMINGS_AND_GOINGS: ReadonlySet<string> = new Set(['unit_started', 'unit_stopped']);

/** Events of the sections `events`, `units`, `kernel` and `actions` (journalctl --output=json, one object a line) and `boots`. */
export const journalEvents = (sections: SectionTexts): readonly HostEvent[] => [
  ...['events', 'units'].flatMap((section) => entriesOf(sections.get(section))).flatMap(journalEvent),
  ...entriesOf(sections.get('kernel')).flatMap(({ at, fields }) =>
    at === undefined ? [] : [{ at, kind: 'oom_kill', what: victimOf(stringOf(fields['MESSAGE'])) }],
  ),
  ...entriesOf(sections.get('actions')).flatMap(actionEvent),
  ...boots(sections),
];

/** journalctl --list-boots under TZ=UTC: `-1 <id> Sat 2026-11-21 18:00:00 UTC …`, the first entry of each boot; only those within the window. */
const boots = (sections: SectionTexts): readonly HostEvent[] => {
  const [from, to] = windowOf(sections);
  return outputLines(sections.get('boots') ?? '').flatMap((line) => {
    const [, day, time] =
      /^ *-?[0-9]{1,5} [0-9a-f]{32} [A-Z][a-z]{2} ([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}) UTC/u.exec(
        line,
      ) ?? [];
    const at = day === undefined ? NaN : Date.parse(`${day}T${String(time)}Z`) / 1_000;
    return at >= from && at <= to ? [{ at, kind: 'boot', what: 'first entry of a boot' }] : [];
  });
};

interface Entry {
  readonly at: number | undefined;
  readonly fields: JsonObject;
}

const entriesOf = (text: string | undefined): readonly Entry[] =>
  outputLines(text ?? '').flatMap((line) => {
    const fields = jsonObject(line);
    if (fields === undefined) return [];
    const micros = integerOf(stringOf(fields['__REALTIME_TIMESTAMP']));
    return [{ at: micros === undefined ? undefined : Math.floor(micros / 1_000_000), fields }];
  });

const stringOf = (value: unknown): string => (typeof value === 'string' ? value : '');

const journalEvent = ({ at, fields }: Entry): readonly HostEvent[] => {
  const kind = KINDS.get(stringOf(fields['MESSAGE_ID']));
  if (at === undefined || kind === undefined) return [];
  const what =
    kind === 'login'
      ? `user ${stringOf(fields['USER_ID'])}`
      : kind === 'core_dump'
        ? stringOf(fields['COREDUMP_COMM'])
        : stringOf(fields['UNIT']);
  const isNoise = NOISE.test(what) || (COMINGS_AND_GOINGS.has(kind) && BOOT_NOISE.test(what));
  return isNoise ? [] : [{ at, kind, what }];
};

/** `Out of memory: Killed process 4711 (java) total-vm:…` (mm/oom_kill.c of Linux): who was killed. */
const victimOf = (message: string): string => {
  const [, pid, name] = /Killed process ([0-9]{1,10}) \(([^)]{1,64})\)/u.exec(message) ?? [];
  return pid === undefined ? 'a process' : `${String(name)} (pid ${pid})`;
};

/** An audit record of pra-run (docs/wire-protocol.md): what it says when an action has ended. */
const actionEvent = ({ at, fields }: Entry): readonly HostEvent[] => {
  const said = new Map(
    words(stringOf(fields['MESSAGE'])).map((word) => {
      const equals = word.indexOf('=');
      return [word.slice(0, equals), word.slice(equals + 1)] as const;
    }),
  );
  if (at === undefined || said.get('v') !== '1' || said.get('verdict') !== 'finished') return [];
  const [action, state, id, principal] = ['action', 'state', 'id', 'principal'].map(
    (key) => said.get(key) ?? '-',
  );
  return [
    {
      at,
      kind: 'action',
      what: `${String(action)} ${String(state)} (request ${String(id)}, ${String(principal)})`,
    },
  ];
};

export interface PackageChange {
  readonly at: number;
  readonly change: string;
  readonly package: string;
  readonly from: string;
  readonly to: string;
}

/** dpkg.log in the local time of the host: `2026-11-21 03:50:00 upgrade libc6:amd64 2.36-9 2.36-10` (dpkg(1)). */
const PACKAGE =
  /^([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}) (install|upgrade|remove|purge) (\S{1,128}) (\S{1,128}) (\S{1,128})$/u;

/** Changes of packages in the section `packages`, oldest first. */
export const packageChanges = (sections: SectionTexts): readonly PackageChange[] => {
  const clock = clockOf(/^Timezone=(\S{1,64})$/mu.exec(sections.get('zone') ?? '')?.[1]);
  return outputLines(sections.get('packages') ?? '').flatMap((line) => {
    const [, day, time, change = '', name = '', from = '', to = ''] = PACKAGE.exec(line) ?? [];
    const local = day === undefined ? NaN : Date.parse(`${day}T${String(time)}Z`) / 1_000;
    if (!Number.isFinite(local)) return [];
    return [{ at: local - (clock(local) - local), change, package: name, from, to }];
  });
};

/** What a clock on the wall of a time zone shows, as if it were UTC; of an unknown zone, or none: UTC itself. Seconds. */
const clockOf = (zone: string | undefined): ((at: number) => number) => {
  try {
    const clock = new Intl.DateTimeFormat('sv-SE', {
      timeZone: zone ?? 'UTC',
      dateStyle: 'short',
      timeStyle: 'medium',
    });
    return (at) => Date.parse(`${clock.format(at * 1_000).replace(' ', 'T')}Z`) / 1_000;
  } catch {
    return (at) => at;
  }
};

/** Both ends of the window in seconds since 1970: sections `clock` (now) and `window` (spans before now, a line each). */
export const windowOf = (sections: SectionTexts): readonly [from: number, to: number] => {
  const now = integerOf(sections.get('clock')?.trim()) ?? 0;
  const [since, until] = outputLines(sections.get('window') ?? '').map(secondsOf);
  return [since === undefined ? 0 : now - since, until === undefined ? Infinity : now - until];
};

const SPAN_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

const secondsOf = (line: string): number | undefined => {
  const [, amount, unit = ''] = /^([0-9]{1,4})([smhd])$/u.exec(line.trim()) ?? [];
  return amount === undefined ? undefined : Number(amount) * (SPAN_SECONDS[unit] ?? 0);
};
