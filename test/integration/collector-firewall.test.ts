import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { RenderedTarget } from '../support/rendered-target.ts';

const SOURCE = resolve(import.meta.dirname, '../../target-scripts/collectors/firewall');
const rendered = new RenderedTarget();
const RENDERED = rendered.path('lib/collectors/firewall');
afterAll(() => rendered.remove());

/** Loads the collector without running it, and says what the rules on standard input do with TCP port 80 over IPv4 and IPv6. */
const ASK = `
import importlib.machinery, importlib.util, json, sys
loader = importlib.machinery.SourceFileLoader('firewall', sys.argv[1])
firewall = importlib.util.module_from_spec(importlib.util.spec_from_loader('firewall', loader))
loader.exec_module(firewall)
chains, rules = firewall.parts(json.load(sys.stdin))
print(json.dumps([firewall.reach(chains, rules, firewall.Packet('tcp', 80, version), [1000]) for version in (4, 6)]))
`;

type Json = Readonly<Record<string, unknown>>;

const chain = (name: string, more: Json = {}, family = 'inet'): Json => ({
  chain: { family, table: 't', name, ...more },
});
const input = (policy: string, family = 'inet'): Json =>
  chain('in', { type: 'filter', hook: 'input', prio: 0, policy }, family);
const rule = (expr: readonly Json[], of = 'in', family = 'inet'): Json => ({
  rule: { family, table: 't', chain: of, expr },
});
const match = (left: Json, right: unknown, op = '=='): Json => ({ match: { op, left, right } });
const port = (right: unknown): Json => match({ payload: { protocol: 'tcp', field: 'dport' } }, right);
const from = match({ payload: { protocol: 'ip', field: 'saddr' } }, '192.0.2.1');
const state = (right: unknown): Json => match({ ct: { key: 'state' } }, right, 'in');
const accept: Json = { accept: null };
const drop: Json = { drop: null };
const jump = (target: string, how = 'jump'): Json => ({ [how]: { target } });

const reached = (...objects: readonly Json[]): unknown => {
  const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-IBS', '-c', ASK, RENDERED], {
    input: JSON.stringify(objects),
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
};

const both = (verdict: string): readonly string[] => [verdict, verdict];

describe('what a stranger reaches', () => {
  test.each<readonly [what: string, rules: readonly Json[], verdicts: readonly string[]]>([
    ['nothing filters', [], both('open')],
    ['a policy that accepts', [input('accept')], both('open')],
    ['a policy that drops', [input('drop')], both('closed')],
    ['IPv4 alone is dropped', [input('drop', 'ip')], ['closed', 'open']],
    ['the port is let in', [input('drop'), rule([port(80), accept])], both('open')],
    ['another port is', [input('drop'), rule([port(81), accept])], both('closed')],
    ['the port is in a set', [input('drop'), rule([port({ set: [22, 80] }), accept])], both('open')],
    ['the first of a range', [input('drop'), rule([port({ range: [80, 90] }), accept])], both('open')],
    ['before a range', [input('drop'), rule([port({ range: [81, 90] }), accept])], both('closed')],
    ['a named set', [input('drop'), rule([port('@web'), accept])], both('partly_open')],
    ['one address', [input('drop'), rule([from, port(80), accept])], ['partly_open', 'closed']],
    ['one address is not', [input('accept'), rule([from, drop])], ['mostly_open', 'open']],
    [
      'the first rule wins',
      [input('accept'), rule([port(80), drop]), rule([port(80), accept])],
      both('closed'),
    ],
    [
      'answers alone',
      [input('drop'), rule([state({ set: ['established', 'related'] }), accept])],
      both('closed'),
    ],
    ['new connections', [input('drop'), rule([state(['new', 'established']), accept])], both('open')],
    [
      'the loopback alone',
      [input('drop'), rule([match({ meta: { key: 'iifname' } }, 'lo'), accept])],
      both('closed'),
    ],
    [
      'UDP alone',
      [input('drop'), rule([match({ meta: { key: 'l4proto' } }, 'udp'), accept])],
      both('closed'),
    ],
    ['a limit', [input('drop'), rule([port(80), { limit: { rate: 1 } }, accept])], both('partly_open')],
    ['what nobody knows', [input('drop'), rule([{ xt: null }, accept])], both('partly_open')],
    [
      'a chain that is called',
      [input('drop'), chain('c'), rule([jump('c')]), rule([port(80), accept], 'c')],
      both('open'),
    ],
    [
      'back from it, and on',
      [
        input('accept'),
        chain('c'),
        rule([jump('c')]),
        rule([drop]),
        rule([{ return: null }], 'c'),
        rule([accept], 'c'),
      ],
      both('closed'),
    ],
    [
      'gone to, and never back',
      [input('accept'), chain('c'), rule([jump('c', 'goto')]), rule([drop])],
      both('open'),
    ],
    [
      'a map of states',
      [
        input('drop'),
        rule([
          {
            vmap: {
              key: { ct: { key: 'state' } },
              data: {
                set: [
                  ['invalid', drop],
                  ['new', accept],
                ],
              },
            },
          },
        ]),
      ],
      both('open'),
    ],
    [
      'another chain lets nothing in',
      [input('accept'), chain('two', { type: 'filter', hook: 'input', policy: 'drop' })],
      both('closed'),
    ],
    [
      'a loop of chains',
      [input('drop'), chain('c'), rule([jump('c')]), rule([jump('c')], 'c')],
      both('unknown'),
    ],
    ['a chain that is not there', [input('drop'), rule([jump('gone')])], both('closed')],
    ['a rule of another form', [input('drop'), rule([{ match: 7 }, accept])], both('unknown')],
  ])('%s', (_, rules, verdicts) => {
    expect(reached(...rules)).toEqual(verdicts);
  });

  test('more rules than it follows', () => {
    const many = (count: number): unknown =>
      reached(input('drop'), ...Array.from({ length: count }, () => rule([port(81), accept])));
    expect(many(1_000)).toEqual(both('closed'));
    expect(many(1_001)).toEqual(both('unknown'));
  });
});

test('it takes no argument, and refuses as it stands in the repository', () => {
  expect(spawnSync(SOURCE).status).toBe(126);
  const given = spawnSync(RENDERED, ['/etc'], { encoding: 'utf8' });
  expect([given.status, given.stderr]).toEqual([126, 'refused firewall LOGIN\n']);
});
