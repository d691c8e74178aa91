import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { configFile } from '../../src/cli/init/config-file.ts';
import { editConfig, type ConfigChange } from '../../src/config/edit.ts';

const FILE = `version: 1

hosts:                                   # nothing else can be reached
  web1: {address: 192.0.2.10, tags: [web]}
  # the database
  db1:
    address: db1.example.net   # moved in May
    port: 2222

# who goes through what
jumps:      # with an account of their own
  door: {address: 192.0.2.1, user: hop, key: keys/hop}

groups:
  web: [web1]       # front
  all-of-it:
    - web1
    - db1 # x
  nobody: []
keys:                                    # see keys.example
  reader: keys/reader
`;

const add = (...path: string[]) => ({
  of: (value: unknown): ConfigChange => ({ path, value }),
});

/** What an edit adds (`+`) and takes away (`-`), line by line. */
const changed = (before: string, after: string): readonly string[] => {
  const [old, now] = [before.split('\n'), after.split('\n')];
  return [
    ...old.filter((line) => !now.includes(line)).map((line) => `-${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+${line}`),
  ];
};

describe('what is added is all that changes', () => {
  test.each<[what: string, change: ConfigChange, lines: readonly string[]]>([
    [
      'a host',
      add('hosts', 'web2').of({ address: '192.0.2.11', port: 22 }),
      ['+  web2: {address: 192.0.2.11, port: 22}'],
    ],
    [
      'a host with an IPv6 address',
      add('hosts', 'v6').of({ address: '2001:db8::1' }),
      ['+  v6: {address: 2001:db8::1}'],
    ],
    [
      'a jump host',
      add('jumps', 'gate').of({ address: 'g', user: 'hop' }),
      ['+  gate: {address: g, user: hop}'],
    ],
    ['a group', add('groups', 'new').of(['web1']), ['+  new: [web1]']],
    [
      'a member of a group',
      add('groups', 'web').of(['web1', 'db1']),
      ['-  web: [web1]       # front', '+  web: [web1, db1]       # front'],
    ],
    ['a member of a list', add('groups', 'all-of-it').of(['web1', 'db1', 'web2']), ['+    - web2']],
    [
      'a first member',
      add('groups', 'nobody').of(['web1', 'db1']),
      ['-  nobody: []', '+  nobody: [web1, db1]'],
    ],
    [
      'another address',
      add('hosts', 'db1', 'address').of('192.0.2.99'),
      ['-    address: db1.example.net   # moved in May', '+    address: 192.0.2.99   # moved in May'],
    ],
    ['a jump of a host', add('hosts', 'db1', 'jump').of('door'), ['+    jump: door']],
    [
      'a jump of a host in braces',
      add('hosts', 'web1', 'jump').of('door'),
      [
        '-  web1: {address: 192.0.2.10, tags: [web]}',
        '+  web1: {address: 192.0.2.10, tags: [web], jump: door}',
      ],
    ],
    [
      'a section',
      add('names', 'logs').of({ app: '/var/log/app' }),
      ['+names:', '+  logs: {app: /var/log/app}'],
    ],
  ])('%s', (_, change, lines) => {
    const after = editConfig(FILE, [change]);
    expect(changed(FILE, after)).toEqual(lines);
    expect(parse(after)).toBeTypeOf('object');
  });

  test('into the file that init writes', () => {
    const before = configFile('alice', []);
    const after = editConfig(before, [
      add('hosts', 'web1').of({ address: '192.0.2.10', port: 22 }),
      add('groups', 'web').of(['web1']),
    ]);
    expect(changed(before, after)).toEqual([
      '-hosts: {}',
      '+hosts:',
      '+  web1: {address: 192.0.2.10, port: 22}',
      '+groups:',
      '+  web: [web1]',
    ]);
    expect(parse(after)).toMatchObject({ hosts: { web1: { port: 22 } }, groups: { web: ['web1'] } });
  });

  test('a comment in empty braces is kept', () => {
    const after = editConfig('hosts: { # none yet\n}\nversion: 1\n', [
      add('hosts', 'a').of({ address: 'b' }),
    ]);
    expect(after).toContain('# none yet');
    expect(parse(after)).toEqual({ hosts: { a: { address: 'b' } }, version: 1 });
  });

  test('a file without a line end at its end', () => {
    const after = editConfig('hosts:\n  a: {address: b}', [add('hosts', 'c').of({ address: 'd' })]);
    expect(after).toBe('hosts:\n  a: {address: b}\n  c: {address: d}\n');
  });

  test('JSON stays JSON', () => {
    const after = editConfig('{"hosts": {"a": {"address": "b"}}}', [add('hosts', 'c').of({ address: 'd' })]);
    expect(parse(after)).toEqual({ hosts: { a: { address: 'b' }, c: { address: 'd' } } });
    // Lines of YAML have no place in it.
    const grouped = editConfig('{"hosts": {"a": {"address": "b"}}}', [add('groups', 'web').of(['a'])]);
    expect(parse(grouped)).toEqual({ hosts: { a: { address: 'b' } }, groups: { web: ['a'] } });
  });
});

test('what cannot be done in place is done by the library: comments and order are kept', () => {
  const after = editConfig(FILE, [add('hosts', 'db1', 'port').of(undefined)]);
  expect(parse(after).hosts.db1).toEqual({ address: 'db1.example.net' });
  expect([...after.matchAll(/#.*$/gmu)].map(([comment]) => comment)).toEqual(
    [...FILE.matchAll(/#.*$/gmu)].map(([comment]) => comment),
  );
});

test('whatever is set is what is read, and nothing else changes', () => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,20}$/u);
  const word = fc.oneof(
    name,
    fc.constantFrom('2001:db8::1', '0x1', '1e3', 'null', 'true', '~', '[::1]', 'a # b', 'a: b', ',', ' '),
  );
  const host = fc.record({ address: word, port: fc.integer({ min: 1, max: 65_535 }) });
  fc.assert(
    fc.property(
      name,
      host,
      fc.constantFrom(FILE, configFile('alice', []), 'hosts: {a: {address: b}}\n'),
      (key, value, file) => {
        const expected = parse(file) as { hosts: Record<string, unknown> };
        expected.hosts[key] = value;
        expect(parse(editConfig(file, [{ path: ['hosts', key], value }]))).toEqual(expected);
      },
    ),
  );
});
