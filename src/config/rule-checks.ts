import { BlockList } from 'node:net';
import { nearest } from '../nearest.ts';
import type { ConfigProblem } from './problem.ts';
import { NETWORK } from './schema.ts';
import type { ConfigSource, KeyPath } from './source.ts';

type Loose = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const object = (value: unknown): Loose => (isObject(value) ? value : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** A rule that cannot mean what was meant would not apply when it should: all of these are errors. */
export const ruleProblems = (root: Loose, source: ConfigSource): ConfigProblem[] => {
  const rules = list(object(root['policy'])['rules']);
  const names = rules.map((rule) => object(rule)['name']);
  return rules.flatMap((rule, index) => {
    const here: KeyPath = ['policy', 'rules', index];
    return [
      ...(names.indexOf(names[index]) < index && names[index] !== undefined
        ? [
            source.problem(
              [...here, 'name'],
              'another rule has that name',
              'give each rule a name of its own',
            ),
          ]
        : []),
      ...effectProblems(object(rule), here, source),
      ...whenProblems(object(object(rule)['when']), [...here, 'when'], root, source),
    ];
  });
};

const effectProblems = (rule: Loose, here: KeyPath, source: ConfigSource): ConfigProblem[] => {
  const effects = ['raise', 'refuse'].filter((key) => Object.hasOwn(rule, key));
  return effects.length === 1
    ? []
    : [source.problem(here, 'a rule has exactly one effect', "write one of 'raise' and 'refuse'")];
};

const whenProblems = (when: Loose, here: KeyPath, root: Loose, source: ConfigSource): ConfigProblem[] => {
  const hosts = object(root['hosts']);
  const known: readonly (readonly [key: string, names: readonly string[], kind: string])[] = [
    ['hosts', Object.keys(hosts), 'hosts'],
    ['groups', Object.keys(object(root['groups'])), 'groups'],
    [
      'tags',
      Object.values(hosts).flatMap((host) => list(object(host)['tags']).map(String)),
      'the tags of any host',
    ],
  ];
  return [
    ...known.flatMap(([key, names, kind]) => unknownNames(when, [...here, key], names, kind, source)),
    ...['from', 'not_from'].flatMap((key) => networkProblems(when, [...here, key], source)),
    ...['between', 'outside'].flatMap((key) => windowProblems(when, [...here, key], source)),
    ...duringProblems(when, [...here, 'during'], source),
  ];
};

const keyOf = (path: KeyPath): string => String(path.at(-1));

const unknownNames = (
  when: Loose,
  path: KeyPath,
  names: readonly string[],
  kind: string,
  source: ConfigSource,
): ConfigProblem[] =>
  list(when[keyOf(path)]).flatMap((name, index) => {
    if (typeof name !== 'string' || names.includes(name)) return [];
    const meant = nearest(name, names);
    const advice = meant === undefined ? 'take it out here, or add it there' : `write '${meant}'`;
    return [source.problem([...path, index], `'${name.slice(0, 63)}' is not in ${kind}`, advice)];
  });

const networkProblems = (when: Loose, path: KeyPath, source: ConfigSource): ConfigProblem[] =>
  list(when[keyOf(path)]).flatMap((network, index) =>
    typeof network !== 'string' || isNetwork(network)
      ? []
      : [
          source.problem(
            [...path, index],
            'this is no IP address and no network',
            'write 192.0.2.0/24, 2001:db8::/32, an address or local',
          ),
        ],
  );

const isNetwork = (network: string): boolean => {
  const [whole, address = '', prefix] = NETWORK.exec(network) ?? [];
  if (whole === undefined) return false;
  if (whole === 'local') return true;
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  const bits = family === 'ipv6' ? 128 : 32;
  try {
    new BlockList().addSubnet(address, prefix === undefined ? bits : Number(prefix), family);
    return true;
  } catch {
    return false;
  }
};

const windowProblems = (when: Loose, path: KeyPath, source: ConfigSource): ConfigProblem[] => {
  const window = when[keyOf(path)];
  if (!isObject(window)) return [];
  const { hours, days, time_zone: zone } = window;
  const problems: ConfigProblem[] = [];
  if (hours === undefined && days === undefined)
    problems.push(source.problem(path, 'a window needs hours or days', "add 'hours', 'days' or both"));
  if (typeof hours === 'string' && hours.split('-')[0] === hours.split('-')[1])
    problems.push(
      source.problem(
        [...path, 'hours'],
        'this window has no length',
        'leave hours out for whole days, or correct one end',
      ),
    );
  if (typeof zone === 'string' && !isTimeZone(zone))
    problems.push(
      source.problem([...path, 'time_zone'], 'no such time zone', 'write a name such as Europe/Paris or UTC'),
    );
  return problems;
};

/** Names only: what Intl makes of `+01:00` differs between releases. */
const isTimeZone = (name: string): boolean => {
  if (!/^[A-Za-z]/u.test(name)) return false;
  try {
    return Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
};

const duringProblems = (when: Loose, path: KeyPath, source: ConfigSource): ConfigProblem[] => {
  const { during } = when;
  if (!isObject(during)) return [];
  const { from, until } = during;
  if (from === undefined && until === undefined)
    return [source.problem(path, 'a time needs a beginning or an end', "add 'from', 'until' or both")];
  const isOver =
    typeof from === 'string' && typeof until === 'string' && Date.parse(until) <= Date.parse(from);
  return isOver
    ? [source.problem([...path, 'until'], 'this is not after its beginning', "correct 'from' or 'until'")]
    : [];
};
