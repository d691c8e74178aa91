import { asPraError } from '../errors.ts';
import { checkExpiry } from './doctor-expiry.ts';
import { check, failure, type Finding } from './finding.ts';
import type { DoctorPorts, TargetVersion } from './doctor-ports.ts';
import { say } from './say.ts';

export interface HostCheck {
  readonly host: string;
  readonly ports: DoctorPorts;
  /** Definitions of this machine; undefined when they do not load, which was said already. */
  readonly catalog: ReadonlyMap<string, string> | undefined;
  readonly knownHosts: string;
  /** The provisioning playbook, for the fixes. */
  readonly playbook: string;
  /** The playbook that rotates keys, for the fixes. */
  readonly rotate: string;
  /** Our clock, in milliseconds since the epoch: what expiry is judged by. */
  readonly now: number;
  readonly signal: AbortSignal;
}

const KEY_LIST = 'diagnostic transport_keys';

/** More than this is worth a word. A wrong clock refuses nothing. */
const CLOCK_WARN_MS = 5_000;

/** Host key, both channels, name, definitions, clock and expiry of the keys of one host. */
export const checkHost = async (from: HostCheck): Promise<readonly Finding[]> => {
  const { host, ports, signal } = from;
  const hostKey = await checkHostKey(from);
  if (hostKey.level !== 'ok') return [hostKey, ...(await unreviewedHere(from))];
  const reader = await ask('reader', host, () => ports.readerVersion(host, signal));
  const runner = await ask('runner', host, () => ports.runnerVersion(host, signal));
  const versions = [reader.version, runner.version].filter((version) => version !== undefined);
  return [
    hostKey,
    ...reader.findings,
    ...runner.findings,
    ...name(host, runner.version),
    ...definitions(from, reader.version, runner.version),
    ...clock(host, versions),
    ...(runner.version === undefined ? await unreviewedHere(from) : stops(host, runner.version)),
    ...(await expiry(from, reader.version)),
  ];
};

/** Asked only where both sides have the same diagnostic; a difference was said with the definitions. */
const expiry = async (
  { host, ports, catalog, rotate, now, signal }: HostCheck,
  reader: TargetVersion | undefined,
): Promise<readonly Finding[]> => {
  const digest = catalog?.get(KEY_LIST);
  if (digest === undefined || reader?.digests.get(KEY_LIST) !== digest) return [];
  try {
    return checkExpiry(host, await ports.transportKeys(host, signal), { now, rotate });
  } catch (thrown) {
    return failure(asPraError(thrown));
  }
};

const checkHostKey = async ({ host, ports, knownHosts }: HostCheck): Promise<Finding> => {
  try {
    const keys = await ports.hostKeys(host);
    if (keys.length > 0)
      return { level: 'ok', text: say('doctor.host_key', { host, keys: keys.join(', ') }) };
    return {
      level: 'fail',
      text: say('doctor.no_host_key', { host, path: knownHosts }),
      fix: say('doctor.no_host_key_fix', { host }),
    };
  } catch (thrown) {
    const { message, hint, layer, code } = asPraError(thrown);
    return { level: 'fail', text: `${host}: ${message} [${layer} ${code}]`, fix: hint };
  }
};

const ask = async (
  channel: 'reader' | 'runner',
  host: string,
  version: () => Promise<TargetVersion>,
): Promise<{ readonly findings: readonly Finding[]; readonly version: TargetVersion | undefined }> => {
  let answer: TargetVersion | undefined;
  const findings = await check(async () => {
    answer = await version();
    return say(`doctor.${channel}`, { host });
  });
  return { findings, version: answer };
};

const name = (host: string, version: TargetVersion | undefined): readonly Finding[] =>
  version === undefined || version.host === null || version.host === host
    ? []
    : [
        {
          level: 'fail',
          text: say('doctor.name', {
            host,
            name: /^[a-z0-9.-]{1,63}$/u.test(version.host) ? version.host : '?',
          }),
          fix: say('doctor.name_fix', { host }),
        },
      ];

/** Each side that answered is compared for itself: the reader lists both kinds, the runner its actions. */
const definitions = (
  { host, catalog, playbook }: HostCheck,
  reader: TargetVersion | undefined,
  runner: TargetVersion | undefined,
): readonly Finding[] => {
  if (catalog === undefined || (reader === undefined && runner === undefined)) return [];
  const fix = say('doctor.digest_fix', { playbook });
  const bad = [...catalog].flatMap(([definition, digest]): readonly Finding[] => {
    const sides = [
      ...(reader === undefined ? [] : [reader.digests.get(definition)]),
      ...(runner === undefined || !definition.startsWith('action ') ? [] : [runner.digests.get(definition)]),
    ];
    const wrong = sides.find((side) => side !== digest);
    if (sides.every((side) => side === digest)) return [];
    const key = wrong === undefined ? 'doctor.digest_missing' : 'doctor.digest_differs';
    return [{ level: 'fail', text: say(key, { host, definition }), fix }];
  });
  const there = [...(reader?.digests.keys() ?? []), ...(runner?.digests.keys() ?? [])];
  const extra = [...new Set(there)]
    .filter(
      (definition) =>
        !catalog.has(definition) && /^(?:diagnostic|action) [a-z][a-z0-9_]{0,39}$/u.test(definition),
    )
    .map((definition): Finding => ({
      level: 'warn',
      text: say('doctor.digest_extra', { host, definition }),
      fix: say('doctor.digest_extra_fix'),
    }));
  const good: readonly Finding[] =
    bad.length > 0 ? [] : [{ level: 'ok', text: say('doctor.digests', { host, count: catalog.size }) }];
  return [...good, ...bad, ...extra];
};

/** A frozen host is a state that somebody wanted; a session without its review must not stay. */
const stops = (host: string, version: TargetVersion): readonly Finding[] => {
  const { frozen, unreviewed } = version;
  const freeze: readonly Finding[] =
    frozen === undefined || frozen === null
      ? []
      : [
          {
            level: 'warn',
            text: say('doctor.frozen', { host, since: frozen.since ?? '?', by: frozen.by ?? '?' }),
            fix: `mcp-pra unfreeze --host ${host}`,
          },
        ];
  if (unreviewed === undefined) return freeze;
  if (unreviewed === 'unreadable')
    return [
      ...freeze,
      {
        level: 'fail',
        text: say('doctor.glass_unreadable', { host }),
        fix: say('doctor.glass_unreadable_fix'),
      },
    ];
  const { incident, principal, opened } = unreviewed;
  const text = say('doctor.unreviewed', { host, incident, principal, opened });
  return [...freeze, { level: 'fail', text, fix: `mcp-pra review ${incident} --host ${host}` }];
};

/** Of a host that cannot be asked: what was sent to it from here. A broken database was said already. */
const unreviewedHere = async ({ host, ports }: HostCheck): Promise<readonly Finding[]> => {
  const missing = await ports.reviewsMissing().catch(() => []);
  return missing
    .filter((review) => review.host === host)
    .map(({ incident, principal }) => ({
      level: 'fail',
      text: say('doctor.unreviewed_here', { host, incident, principal }),
      fix: `mcp-pra review ${incident} --host ${host}`,
    }));
};

const clock = (host: string, versions: readonly TargetVersion[]): readonly Finding[] => {
  const offsets = versions.flatMap(({ clockOffsetMs }) => (clockOffsetMs === null ? [] : [clockOffsetMs]));
  const worst = offsets.sort((a, b) => Math.abs(b) - Math.abs(a))[0];
  if (worst === undefined) return [];
  const text = say('doctor.clock', { host, seconds: (worst / 1_000).toFixed(1) });
  return [
    Math.abs(worst) <= CLOCK_WARN_MS
      ? { level: 'ok', text }
      : { level: 'warn', text, fix: say('doctor.clock_fix') },
  ];
};
