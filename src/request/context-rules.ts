import { BlockList } from 'node:net';
import type { Impact } from '../catalog/types.ts';
import { higher } from './impact.ts';
import type { HostEntry } from './ports.ts';
import type { SessionSource } from './session-source.ts';

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** Hours of days, as the clock on the wall of `time_zone` shows them; the machine's own zone when none is named. */
export interface TimeWindow {
  /** `22:00-06:00`: from the first minute until just before the second, over midnight too. Absent: the whole day. */
  readonly hours?: string | undefined;
  /** Days on which the window begins; its end over midnight still belongs to them. Absent: every day. */
  readonly days?: readonly Weekday[] | undefined;
  /** IANA name. */
  readonly time_zone?: string | undefined;
}

/** When a rule applies: every key that is there has to match, of a list one entry. */
export interface RuleWhen {
  readonly actions?: readonly string[] | undefined;
  readonly hosts?: readonly string[] | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  /** Programs that requests come through, by the name they give themselves; `cli` is this program's own. */
  readonly clients?: readonly string[] | undefined;
  readonly channels?: readonly ('mcp' | 'cli')[] | undefined;
  /** Networks or addresses of the SSH session of who acts, `local` for no SSH session. */
  readonly from?: readonly string[] | undefined;
  readonly not_from?: readonly string[] | undefined;
  readonly between?: TimeWindow | undefined;
  readonly outside?: TimeWindow | undefined;
  /** Instants with an offset (RFC 3339): from the first until just before the second. */
  readonly during?: { readonly from?: string | undefined; readonly until?: string | undefined } | undefined;
}

/** A rule of `policy.rules`. It can raise or refuse; there is no effect that lowers. */
export interface ContextRule {
  readonly name: string;
  readonly when: RuleWhen;
  readonly effect:
    | { readonly kind: 'raise'; readonly impact: 'MEDIUM' | 'HIGH' }
    /** `sentence` is for people; a model gets the name of the rule. */
    | { readonly kind: 'refuse'; readonly sentence: string };
}

/** What rules look at. `client` is who asked, `source` where the step is taken now: proposing, reading, approving, running. */
export interface Situation {
  readonly action: string;
  readonly host: HostEntry;
  readonly client: string;
  readonly source: SessionSource;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What all matching rules say together; names in the order of the file. */
export interface Verdict {
  /** LOW when no rule raises. */
  readonly impact: Impact;
  readonly raisedBy: readonly { readonly name: string; readonly impact: Impact }[];
  readonly refusedBy: readonly { readonly name: string; readonly sentence: string }[];
}

/** The sentences that an operator wrote for a refusal: the cause of RULE_REFUSED, shown to people only. */
export class RuleSentences extends Error {
  override readonly name = 'RuleSentences';
  readonly refusedBy: Verdict['refusedBy'];

  constructor(refusedBy: Verdict['refusedBy']) {
    super(refusedBy.map(({ name }) => name).join(', '));
    this.refusedBy = refusedBy;
  }
}

/** The rules of this machine, ready to be asked. Throws RangeError for a time zone or network that the configuration would refuse. */
export const readRules = (rules: readonly ContextRule[]): ((situation: Situation) => Verdict) => {
  const ready = rules.map(({ name, when, effect }) => ({ name, effect, matches: matcherOf(when) }));
  return (situation) => {
    const matching = ready.filter(({ matches }) => matches(situation));
    const raisedBy = matching.flatMap(({ name, effect }) =>
      effect.kind === 'raise' ? [{ name, impact: effect.impact }] : [],
    );
    return {
      impact: raisedBy.reduce<Impact>((most, { impact }) => higher(most, impact), 'LOW'),
      raisedBy,
      refusedBy: matching.flatMap(({ name, effect }) =>
        effect.kind === 'refuse' ? [{ name, sentence: effect.sentence }] : [],
      ),
    };
  };
};

/** `night (HIGH), prod (MEDIUM)`, at most eight of them: for screens and errors. */
export const namesOf = (rules: readonly { readonly name: string; readonly impact?: Impact }[]): string => {
  const shown = rules
    .slice(0, MOST_NAMED)
    .map(({ name, impact }) => (impact === undefined ? name : `${name} (${impact})`));
  return rules.length > MOST_NAMED
    ? `${shown.join(', ')} and ${String(rules.length - MOST_NAMED)} more`
    : shown.join(', ');
};

/** As many names as a sentence of an error takes (errors.ts). */
const MOST_NAMED = 8;

type Matcher = (situation: Situation) => boolean;

const matcherOf = (when: RuleWhen): Matcher => {
  const conditions: Matcher[] = [];
  const { actions, hosts, groups, tags, clients, channels, between, outside, during } = when;
  if (actions !== undefined) conditions.push(({ action }) => actions.includes(action));
  if (hosts !== undefined) conditions.push(({ host }) => hosts.includes(host.name));
  if (groups !== undefined) conditions.push(({ host }) => groups.some((one) => host.groups.includes(one)));
  if (tags !== undefined) conditions.push(({ host }) => tags.some((one) => host.tags.includes(one)));
  if (clients !== undefined) conditions.push(({ client }) => clients.includes(client));
  // The server never lets a client call itself `cli` (src/mcp/server.ts).
  if (channels !== undefined)
    conditions.push(({ client }) => channels.includes(client === 'cli' ? 'cli' : 'mcp'));
  if (when.from !== undefined) {
    const isFrom = originOf(when.from);
    conditions.push(({ source }) => isFrom(source) !== false);
  }
  if (when.not_from !== undefined) {
    const isFrom = originOf(when.not_from);
    conditions.push(({ source }) => isFrom(source) !== true);
  }
  if (between !== undefined) conditions.push(windowOf(between));
  if (outside !== undefined) {
    const isWithin = windowOf(outside);
    conditions.push((situation) => !isWithin(situation));
  }
  if (during !== undefined) {
    const from = during.from === undefined ? -Infinity : Date.parse(during.from);
    const until = during.until === undefined ? Infinity : Date.parse(during.until);
    conditions.push(({ now }) => now >= from && now < until);
  }
  return (situation) => conditions.every((matches) => matches(situation));
};

/** Whether a session comes from one of the networks. Undefined when nobody knows: then a rule matches either way. */
const originOf = (networks: readonly string[]): ((source: SessionSource) => boolean | undefined) => {
  const list = new BlockList();
  for (const network of networks.filter((one) => one !== 'local')) addNetwork(list, network);
  return (source) => {
    if (source.kind === 'unknown') return undefined;
    return source.kind === 'local' ? networks.includes('local') : list.check(source.address, source.family);
  };
};

const addNetwork = (list: BlockList, network: string): void => {
  const [address = '', prefix] = network.split('/');
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  if (prefix === undefined) list.addAddress(address, family);
  else list.addSubnet(address, Number(prefix), family);
};

const windowOf = ({ hours, days = WEEKDAYS, time_zone: timeZone }: TimeWindow): Matcher => {
  const [start, end] = minutesOf(hours ?? '00:00-24:00');
  const clock = new Intl.DateTimeFormat('en-US', {
    ...(timeZone === undefined ? {} : { timeZone }),
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  return ({ now }) => {
    const parts = Object.fromEntries(clock.formatToParts(now).map(({ type, value }) => [type, value]));
    const minute = Number(parts['hour']) * 60 + Number(parts['minute']);
    const today = WEEKDAYS.findIndex((day) => day === parts['weekday']?.toLowerCase());
    const beginsOn = (day: number): boolean => days.some((one) => one === WEEKDAYS[(day + 7) % 7]);
    if (start < end) return beginsOn(today) && minute >= start && minute < end;
    return (minute >= start && beginsOn(today)) || (minute < end && beginsOn(today - 1));
  };
};

/** Both ends of `22:00-06:00` in minutes of the day. */
const minutesOf = (hours: string): readonly [start: number, end: number] => {
  const [start = 0, end = 0] = hours.split('-').map((time) => {
    const [hour, minute] = time.split(':');
    return Number(hour) * 60 + Number(minute);
  });
  return [start, end];
};
