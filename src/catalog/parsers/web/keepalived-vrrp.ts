import { integerOf, outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** `2026-11-22T08:13:48+0000 Keepalived_vrrp[1074]: (lab) Entering MASTER STATE`, newest first; version 1 wrote VRRP_Instance(lab). */
const CHANGE =
  /^([0-9-]{10}T[0-9:]{8})\+00:?00 \S+: (?:VRRP_Instance)?\(([^)]{1,64})\) Entering (MASTER|BACKUP|FAULT) STATE/u;
const DAY = 86_400;

/** The state of each instance is the last one it said it entered. */
export const keepalivedVrrp: FactParser = (sections) => {
  const unit = sections.get('unit') ?? '';
  const now = integerOf(sections.get('now')?.trim());
  const changes = outputLines(sections.get('journal') ?? '').flatMap((line) => {
    const [, time = '', instance = '', state = ''] = CHANGE.exec(line) ?? [];
    return time === '' ? [] : [{ instance, state, since: `${time}Z`, seconds: ageOf(now, `${time}Z`) }];
  });
  const newest = new Map<string, (typeof changes)[number]>();
  for (const change of changes) if (!newest.has(change.instance)) newest.set(change.instance, change);
  const active = /^ActiveState=(.+)$/mu.exec(unit)?.[1];
  const inState = (state: string): number | undefined =>
    active === 'active' ? [...newest.values()].filter((row) => row.state === state).length : undefined;
  return {
    installed: /^LoadState=loaded$/mu.test(unit),
    active_state: active,
    instances: newest.size,
    masters: inState('MASTER'),
    faults: inState('FAULT'),
    changes_last_day: changes.filter(({ seconds }) => seconds !== undefined && seconds <= DAY).length,
    addresses: addresses(sections.get('addresses') ?? ''),
    rows: [...newest.values()].map(({ instance, state, since, seconds }) => ({
      instance,
      state,
      since,
      since_seconds: seconds,
      changes: changes.filter((change) => change.instance === instance).length,
    })),
  };
};

const ageOf = (now: number | undefined, time: string): number | undefined => {
  const at = Date.parse(time) / 1_000;
  return now === undefined || Number.isNaN(at) ? undefined : now - at;
};

/** `ip -j address show`: an array of links with `addr_info`. */
const addresses = (text: string): string | undefined => {
  const found = [...text.matchAll(/"local":"([0-9a-f.:]{2,45})"/gu)].map(([, address = '']) => address);
  const shown = found.filter((address) => !/^(?:127\.|::1$|fe80:)/u.test(address));
  return shown.join(' ') || undefined;
};
