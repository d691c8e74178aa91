import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig, problemsOf, requireKnownNames, type Config } from '../../src/config.ts';
import { problemLine } from '../../src/config/problem.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-rules-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const load = (...rules: readonly string[]): Config => {
  const path = join(dir, 'mcp-pra.yaml');
  const text = `version: 1
hosts:
  web1: {address: 192.0.2.10, tags: [prod]}
groups: {web: [web1]}
keys: {reader: keys/reader, runner: keys/runner}
policy:
  rules:
${rules.map((rule) => `    - ${rule}\n`).join('')}`;
  writeFileSync(path, text, { mode: 0o600 });
  return loadConfig(path, { platform: 'linux', env: {}, home: '/home/alice' });
};

const problemsIn = (...rules: readonly string[]): string[] => {
  try {
    load(...rules);
  } catch (error) {
    return problemsOf(error).map(problemLine);
  }
  return [];
};

test('rules as they are written', () => {
  const { policy } = load(
    '{name: night, when: {tags: [prod], between: {hours: 22:00-06:00, days: [mon], time_zone: Europe/Paris}}, raise: HIGH}',
    "{name: holidays, when: {during: {from: 2026-12-20T00:00:00+01:00}}, refuse: 'Gel des changements, voir astreinte.'}",
    '{name: always, raise: MEDIUM}',
  );
  expect(policy.rules).toEqual([
    {
      name: 'night',
      when: {
        tags: ['prod'],
        between: { hours: '22:00-06:00', days: ['mon'], time_zone: 'Europe/Paris' },
      },
      effect: { kind: 'raise', impact: 'HIGH' },
    },
    {
      name: 'holidays',
      when: { during: { from: '2026-12-20T00:00:00+01:00' } },
      effect: { kind: 'refuse', sentence: 'Gel des changements, voir astreinte.' },
    },
    { name: 'always', when: {}, effect: { kind: 'raise', impact: 'MEDIUM' } },
  ]);
});

describe('a rule that cannot mean what was meant', () => {
  const rule = (when: string): string => `{name: a, raise: HIGH, when: {${when}}}`;
  test.each([
    ['{name: a}', 'policy.rules.0: a rule has exactly one effect'],
    ['{name: a, raise: HIGH, refuse: No}', 'policy.rules.0: a rule has exactly one effect'],
    ['{name: a, raise: LOW}', 'policy.rules.0.raise: it must be MEDIUM or HIGH'],
    ['{name: A b, raise: HIGH}', 'policy.rules.0.name: it must be small letters'],
    ['{raise: HIGH}', 'policy.rules.0.name: it is missing'],
    ['{name: a, refuse: ""}', 'policy.rules.0.refuse: it must be one line'],
    [String.raw`{name: a, refuse: "two\nlines"}`, 'policy.rules.0.refuse: it must be one line'],
    [String.raw`{name: a, refuse: "\u202eoN"}`, 'policy.rules.0.refuse: it must be one line'],
    [`{name: a, refuse: ${'x'.repeat(201)}}`, 'policy.rules.0.refuse: it must be one line'],
    [rule('host: [web1]'), "policy.rules.0.when: 'host' is not a key here. Fix: write 'hosts'"],
    [rule('hosts: [web2]'), "policy.rules.0.when.hosts.0: 'web2' is not in hosts. Fix: write 'web1'"],
    [rule('hosts: []'), 'policy.rules.0.when.hosts: it must be at least 1'],
    [rule('groups: [wbe]'), "policy.rules.0.when.groups.0: 'wbe' is not in groups"],
    [
      rule('tags: [prd]'),
      "policy.rules.0.when.tags.0: 'prd' is not in the tags of any host. Fix: write 'prod'",
    ],
    [rule('clients: [a/b]'), 'policy.rules.0.when.clients.0: it must be 1 to 64'],
    [rule('channels: [ssh]'), 'policy.rules.0.when.channels.0: it must be mcp or cli'],
    [rule('from: [192.0.2.0/33]'), 'policy.rules.0.when.from.0: this is no IP address and no network'],
    [rule('from: [192.0.2]'), 'policy.rules.0.when.from.0: this is no IP address and no network'],
    [rule('from: [2001:db8::/129]'), 'policy.rules.0.when.from.0: this is no IP address and no network'],
    [rule('from: [192.0.2.0/]'), 'policy.rules.0.when.from.0: this is no IP address and no network'],
    [rule('not_from: [office]'), 'policy.rules.0.when.not_from.0: this is no IP address and no network'],
    [rule('between: {}'), 'policy.rules.0.when.between: a window needs hours or days'],
    [rule('between: {hours: 22:00-22:00}'), 'policy.rules.0.when.between.hours: this window has no length'],
    [rule('between: {hours: 22-6}'), 'policy.rules.0.when.between.hours: it must be two times'],
    [rule('between: {hours: 24:00-06:00}'), 'policy.rules.0.when.between.hours: it must be two times'],
    [rule('outside: {hours: 22:00-24:01}'), 'policy.rules.0.when.outside.hours: it must be two times'],
    [rule('outside: {days: [Monday]}'), 'policy.rules.0.when.outside.days.0: it must be mon, tue'],
    [
      rule('between: {days: [mon], time_zone: Europe/Pari}'),
      'policy.rules.0.when.between.time_zone: no such time zone',
    ],
    [
      rule('between: {days: [mon], time_zone: "+01:00"}'),
      'policy.rules.0.when.between.time_zone: no such time zone',
    ],
    [rule('during: {}'), 'policy.rules.0.when.during: a time needs a beginning or an end'],
    [rule('during: {from: 2026-12-20}'), 'policy.rules.0.when.during.from: it must be a moment'],
    [rule('during: {from: 2026-12-20T00:00:00}'), 'policy.rules.0.when.during.from: it must be a moment'],
    [
      rule('during: {from: 2026-12-20T01:00:00+01:00, until: 2026-12-20T00:00:00Z}'),
      'policy.rules.0.when.during.until: this is not after its beginning',
    ],
  ])('%s', (written, expected) => {
    const [problem = 'the file was accepted', ...others] = problemsIn(written);
    expect(problem).toContain(expected);
    expect(problem).toMatch(/^mcp-pra\.yaml:8:\d+: .* Fix: /u);
    expect(others).toEqual([]);
  });

  test('limits from the good side, two of a name, and an action that the catalog does not have', () => {
    expect(problemsIn(`{name: a, refuse: ${'é'.repeat(200)}}`)).toEqual([]);
    expect(problemsIn(rule('from: [0.0.0.0/0, "::/0", 192.0.2.1, "::1", local]'))).toEqual([]);
    expect(problemsIn(rule('between: {hours: 00:00-24:00}'))).toEqual([]);
    const named = (n: number): string => `{name: rule-${String(n)}, raise: HIGH}`;
    expect(problemsIn(...Array.from({ length: 32 }, (_, n) => named(n)))).toEqual([]);
    expect(problemsIn(...Array.from({ length: 33 }, (_, n) => named(n)))).toEqual([
      expect.stringContaining('policy.rules: it must be at most 32 entries'),
    ]);
    expect(problemsIn(named(1), named(2), named(1))).toEqual([
      expect.stringMatching(/^mcp-pra.yaml:10:\d+: policy.rules.2.name: another rule has that name/u),
    ]);
    const config = load(rule('actions: [restart_servce]'));
    const catalog = { diagnostics: new Map(), actions: new Map([['restart_service', {}]]) };
    let problems: readonly string[] = [];
    try {
      requireKnownNames(config, catalog);
    } catch (error) {
      problems = problemsOf(error).map(problemLine);
    }
    expect(problems).toEqual([
      expect.stringContaining(
        "policy.rules.0.when.actions.0: the catalog has no action 'restart_servce'. Fix: write 'restart_service'",
      ),
    ]);
  });
});
