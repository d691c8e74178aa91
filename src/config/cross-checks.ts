import { nearest } from '../nearest.ts';
import type { ConfigProblem } from './problem.ts';
import { ruleProblems } from './rule-checks.ts';
import { DEFINITION_NAME, NAME, TABLE_NAME } from './schema.ts';
import type { ConfigSource, KeyPath } from './source.ts';

type Loose = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const object = (value: unknown): Loose => (isObject(value) ? value : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/**
 * What one value says about another. Works on the file as it was written, whatever its shape, so that these problems are
 * said together with those of the schema.
 */
export const crossProblems = (file: unknown, source: ConfigSource): ConfigProblem[] => {
  const root = object(file);
  return [
    ...names(root, source),
    ...references(root, source),
    ...groupNames(root, source),
    ...passphrases(root, source),
    ...approverKey(root, source),
    ...certificates(root, source),
    ...endpoints(root, source),
    ...paths(root, source),
    ...promoted(root, source),
    ...ruleProblems(root, source),
  ];
};

const names = (root: Loose, source: ConfigSource): ConfigProblem[] => {
  const nameTables = Object.keys(object(root['names'])).map((kind) => ['names', kind] as const);
  const rules: readonly (readonly [KeyPath, RegExp, string])[] = [
    ...(['hosts', 'jumps', 'groups'] as const).map(
      (key) => [[key], NAME, 'small letters, digits, . and -, at most 63 characters'] as const,
    ),
    [['policy', 'raise'], DEFINITION_NAME, 'a name of the catalog'] as const,
    ...nameTables.map(
      (path) => [path, TABLE_NAME, 'small letters, digits, _ and -, at most 32 characters'] as const,
    ),
  ];
  return rules.flatMap(([path, pattern, expected]) =>
    Object.keys(at(root, path))
      .filter((key) => !pattern.test(key))
      .map((key) =>
        source.keyProblem(
          [...path, key],
          `'${key.slice(0, 40)}' is not a name that is allowed here`,
          `use ${expected}`,
        ),
      ),
  );
};

const at = (root: Loose, path: KeyPath): Loose =>
  path.reduce<Loose>((node, step) => object(node[step]), root);

/** Members of groups are hosts; a jump is an entry of jumps. */
const references = (root: Loose, source: ConfigSource): ConfigProblem[] => {
  const hosts = Object.keys(object(root['hosts']));
  const jumps = Object.keys(object(root['jumps']));
  const unknown = (path: KeyPath, name: unknown, known: readonly string[], kind: string): ConfigProblem[] => {
    if (typeof name !== 'string' || known.includes(name)) return [];
    const meant = nearest(name, known);
    const advice = meant === undefined ? `add it to ${kind}, or take it out here` : `write '${meant}'`;
    return [source.problem(path, `'${name.slice(0, 63)}' is not in ${kind}`, advice)];
  };
  return [
    ...Object.entries(object(root['groups'])).flatMap(([group, members]) =>
      list(members).flatMap((name, index) => unknown(['groups', group, index], name, hosts, 'hosts')),
    ),
    ...Object.entries(object(root['hosts'])).flatMap(([name, host]) =>
      unknown(['hosts', name, 'jump'], object(host)['jump'], jumps, 'jumps'),
    ),
  ];
};

/** One word names one thing on the command line. */
const groupNames = (root: Loose, source: ConfigSource): ConfigProblem[] => {
  const hosts = object(root['hosts']);
  return Object.keys(object(root['groups']))
    .filter((group) => Object.hasOwn(hosts, group))
    .map((group) =>
      source.keyProblem(['groups', group], `'${group}' is a host already`, 'give the group another name'),
    );
};

const passphrases = (root: Loose, source: ConfigSource): ConfigProblem[] => {
  const places: KeyPath[] = [
    ...Object.keys(object(root['keys'])).map((name) => ['keys', name, 'passphrase']),
    ...Object.keys(object(root['jumps'])).map((name) => ['jumps', name, 'passphrase']),
    ['certificates', 'issuer', 'passphrase'],
  ];
  return places.flatMap((path) => {
    const parent = at(root, path.slice(0, -1));
    if (!Object.hasOwn(parent, 'passphrase')) return [];
    const given = Object.keys(object(parent['passphrase'])).filter((key) =>
      ['env', 'fd', 'credential', 'agent'].includes(key),
    );
    return given.length === 1
      ? []
      : [
          source.problem(
            path,
            'exactly one source is needed',
            "write one of 'env', 'fd', 'credential' and 'agent: true'",
          ),
        ];
  });
};

/** The approver's key with another job would be read by the server: then its passphrase protects nothing. */
const approverKey = (root: Loose, source: ConfigSource): ConfigProblem[] => {
  const approver = object(root['approver'])['key'];
  if (typeof approver !== 'string') return [];
  const paths = Object.entries(object(root['keys'])).map(([name, key]) => ({
    name,
    path: typeof key === 'string' ? key : object(key)['path'],
  }));
  paths.push({ name: 'ca', path: at(root, ['certificates', 'issuer'])['ca_key'] });
  const seen = new Map<unknown, string>([[approver, 'approver']]);
  return paths.flatMap(({ name, path }) => {
    if (typeof path !== 'string') return [];
    const other = seen.get(path);
    seen.set(path, name);
    return other === undefined
      ? []
      : [
          source.problem(
            name === 'ca' ? ['certificates', 'issuer', 'ca_key'] : ['keys', name],
            `the key of ${other} cannot serve as ${name} too`,
            'make a key for each',
          ),
        ];
  });
};

/** A host that wants certificates gets them or nothing: never its account's key by a slip. */
const certificates = (root: Loose, source: ConfigSource): ConfigProblem[] => {
  const issuer = at(root, ['certificates', 'issuer']);
  const command = list(issuer['command'])[0];
  const here: KeyPath = ['certificates', 'issuer'];
  const given = ['ca_key', 'command'].filter((key) => Object.hasOwn(issuer, key)).length;
  const wants = Object.entries(object(root['hosts'])).filter(
    ([, host]) => object(host)['certificate'] === true,
  );
  const configured = Object.hasOwn(root, 'certificates');
  return [
    ...(configured && given !== 1
      ? [source.problem(here, 'exactly one issuer is needed', "write one of 'ca_key' and 'command'")]
      : []),
    ...(typeof command === 'string' && !command.startsWith('/')
      ? [
          source.problem(
            [...here, 'command', 0],
            'a program is named by its whole path',
            `write /usr/bin/${command.slice(0, 40)}, or where it is`,
          ),
        ]
      : []),
    ...(Object.hasOwn(issuer, 'passphrase') && !Object.hasOwn(issuer, 'ca_key')
      ? [source.problem([...here, 'passphrase'], 'only a ca_key has a passphrase', 'take it out')]
      : []),
    ...wants.flatMap(([name, host]) => [
      ...(object(host)['transport'] === 'openssh'
        ? []
        : [
            source.problem(
              ['hosts', name, 'certificate'],
              'ssh2 cannot use certificates',
              "add 'transport: openssh' to this host",
            ),
          ]),
      ...(configured
        ? []
        : [
            source.problem(
              ['hosts', name, 'certificate'],
              'nobody issues certificates',
              "add 'certificates' with an issuer, or take this out",
            ),
          ]),
    ]),
  ];
};

const endpoints = (root: Loose, source: ConfigSource): ConfigProblem[] =>
  Object.entries(at(root, ['names', 'endpoints'])).flatMap(([name, value]) => {
    const port =
      typeof value === 'string'
        ? Number(/^(?:https?:\/\/)?[^/]*:([0-9]+)(?:\/|$)/u.exec(value)?.[1] ?? 1)
        : 1;
    return port <= 65_535
      ? []
      : [source.problem(['names', 'endpoints', name], 'a port is at most 65535', `correct '${name}'`)];
  });

/** Both would mean neither. */
const promoted = (root: Loose, source: ConfigSource): ConfigProblem[] =>
  list(root['demote']).flatMap((name, index) =>
    typeof name === 'string' && list(root['promote']).includes(name)
      ? [
          source.problem(
            ['demote', index],
            `'${name.slice(0, 40)}' is in promote too`,
            'take it out of one of them',
          ),
        ]
      : [],
  );

/** `~user` would need the user database, and a NUL ends a path early. */
const paths = (root: Loose, source: ConfigSource): ConfigProblem[] => {
  const written: (readonly [KeyPath, unknown])[] = [
    [['known_hosts'], root['known_hosts']],
    [['approver', 'key'], object(root['approver'])['key']],
    [['certificates', 'issuer', 'ca_key'], at(root, ['certificates', 'issuer'])['ca_key']],
    ...Object.entries(object(root['keys'])).map(([name, key]): readonly [KeyPath, unknown] =>
      typeof key === 'string' ? [['keys', name], key] : [['keys', name, 'path'], object(key)['path']],
    ),
    ...Object.entries(object(root['jumps'])).map(([name, jump]): readonly [KeyPath, unknown] => [
      ['jumps', name, 'key'],
      object(jump)['key'],
    ]),
    ...list(object(root['catalog'])['dirs']).map((dir, index): readonly [KeyPath, unknown] => [
      ['catalog', 'dirs', index],
      dir,
    ]),
  ];
  return written
    .filter(([, path]) => typeof path === 'string' && (/^~[^/]/u.test(path) || path.includes('\0')))
    .map(([path]) =>
      source.problem(path, 'this path is not understood', 'write it out, or begin it with ~/'),
    );
};
