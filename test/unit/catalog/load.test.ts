import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkCatalogFiles, loadCatalog } from '../../../src/catalog/load.ts';
import { CatalogProblems, problemLine } from '../../../src/catalog/problem.ts';
import { undoOf } from '../../../src/catalog/undo.ts';
import { PraError } from '../../../src/errors.ts';
import { thrownBy } from './thrown-by.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-catalog-'));
  for (const folder of ['diagnostics', 'actions', 'plans', 'scripts']) mkdirSync(join(dir, folder));
});

afterEach(() => rmSync(dir, { recursive: true }));

const DIAGNOSTIC = `name: state
title: State of it
summary: What it is doing.
params:
  - {name: unit, type: unit, bounds: service, help: The unit.}
run:
  - section: show
    argv: [/usr/bin/systemctl, show, --property=LoadState, --, '{unit}']
parse: kv
facts:
  load_state: {type: string, from: LoadState, help: Whether it is loaded.}
  main_pid: {type: integer, from: MainPID, help: Its process.}
  reload: {type: boolean, from: NeedDaemonReload, help: Whether it changed.}
stable: [load_state]
limits: {seconds: 5, bytes: 4096}
example: {unit: cron.service}
`;

const ACTION = `name: nudge
title: Nudge it
summary: Does a little.
impact: LOW
params:
  - {name: unit, type: unit, bounds: service, help: The unit.}
argv: [/usr/bin/systemctl, kick, --, '{unit}']
effects: Nothing much.
undo: Not needed.
precheck:
  - diagnostic: state
    args: {unit: '{unit}'}
    expect:
      - {fact: load_state, op: eq, value: loaded}
limits: {seconds: 5, bytes: 4096}
idempotent: true
cooldown: 60
`;

const put = (path: string, text: string): void => writeFileSync(join(dir, path), text);

const problems = (): readonly string[] =>
  checkCatalogFiles([dir], { targetScripts: dir }).problems.map((problem) =>
    problemLine(problem).slice(dir.length + 1),
  );

/** Loads the diagnostic with one change; the problems it gives. */
const withDiagnostic = (from: string, to: string): readonly string[] => {
  expect(DIAGNOSTIC).toContain(from);
  put('diagnostics/state.yaml', DIAGNOSTIC.replace(from, to));
  return problems();
};

const withAction = (from: string, to: string): readonly string[] => {
  expect(ACTION).toContain(from);
  put('diagnostics/state.yaml', DIAGNOSTIC);
  put('actions/nudge.yaml', ACTION.replace(from, to));
  return problems();
};

/** The problems of a diagnostic with one word of a choice: state (5), a unit (1 + 96), two texts (1 + 192 each), 1 + the word. */
const withWord = (length: number): readonly string[] => {
  const params = [
    '{name: a, type: text, bounds: 96, default: x, help: The text.}',
    '{name: b, type: text, bounds: 96, default: x, help: The text.}',
    `{name: c, type: choice, bounds: ${'x'.repeat(length)}, help: The word.}`,
  ];
  const text = DIAGNOSTIC.replace('run:\n', `${params.map((line) => `  - ${line}\n`).join('')}run:\n`)
    .replace(", --, '{unit}'", ", '--a={a}', '--b={b}', --, '{unit}', '{c}'")
    .replace('cron.service}', `cron.service, c: ${'x'.repeat(length)}}`);
  put('diagnostics/state.yaml', text);
  return problems();
};

const digest = (text: string): string | undefined => {
  put('diagnostics/state.yaml', text);
  return loadCatalog([dir]).diagnostics.get('state')?.digest;
};

describe('a catalog that is right', () => {
  test('loads, with every default filled in', () => {
    put('diagnostics/state.yaml', DIAGNOSTIC);
    put('actions/nudge.yaml', ACTION);
    const catalog = loadCatalog([dir]);
    expect(catalog.diagnostics.get('state')).toMatchObject({
      kind: 'diagnostic',
      promote: false,
      tags: [],
      needs: {},
    });
    expect(catalog.actions.get('nudge')).toMatchObject({ kind: 'action', cancellable: false, verify: [] });
    expect(catalog.digest).toMatch(/^[0-9a-f]{64}$/u);
  });

  test('comments and layout do not change a digest; a word does', () => {
    const before = digest(DIAGNOSTIC);
    expect(digest(`# why\n${DIAGNOSTIC.replace('[load_state]', '\n  - load_state # so')}\n`)).toBe(before);
    expect(digest(DIAGNOSTIC.replace('seconds: 5', 'seconds: 6'))).not.toBe(before);
    expect(digest(DIAGNOSTIC.replace('doing.', 'doing now.'))).not.toBe(before);
  });

  test('the digest of an action covers the bytes of its script', () => {
    const argv = "argv: [/usr/bin/systemctl, kick, --, '{unit}']";
    put('diagnostics/state.yaml', DIAGNOSTIC);
    put('actions/nudge.yaml', ACTION.replace(argv, "argv: ['script:nudge', '{unit}']"));
    const load = (script: string) => {
      put('scripts/nudge', script);
      return loadCatalog([dir], { targetScripts: dir }).actions.get('nudge');
    };
    const first = load('#!/bin/sh\n');
    const second = load('#!/bin/sh\n:\n');
    expect(first?.script?.file).toBe('nudge');
    expect(first?.script?.sha256).not.toBe(second?.script?.sha256);
    expect(first?.digest).not.toBe(second?.digest);
  });

  test('a folder of the catalog may have scripts of its own, but not of a shipped name', () => {
    const shipped = join(dir, 'shipped');
    mkdirSync(join(shipped, 'scripts'), { recursive: true });
    put('diagnostics/state.yaml', DIAGNOSTIC);
    put(
      'actions/nudge.yaml',
      ACTION.replace("argv: [/usr/bin/systemctl, kick, --, '{unit}']", "argv: ['script:nudge', '{unit}']"),
    );
    const messages = (): readonly string[] =>
      checkCatalogFiles([dir], { targetScripts: shipped }).problems.map(({ message }) => message);
    expect(messages()).toEqual(['argv.0: there is no such script or helper']);
    put('scripts/nudge', '#!/bin/sh\n');
    expect(messages()).toEqual([]);
    put('shipped/scripts/nudge', '#!/bin/sh\n');
    expect(messages()).toEqual(['argv.0: a shipped script or helper has that name already']);
    rmSync(join(dir, 'scripts/nudge'));
    expect(messages()).toEqual([]);
  });

  test('a folder of a site adds to the one that is shipped', () => {
    put('diagnostics/state.yaml', DIAGNOSTIC);
    const site = join(dir, 'site');
    mkdirSync(join(site, 'diagnostics'), { recursive: true });
    put('site/diagnostics/other.yaml', DIAGNOSTIC.replace('name: state', 'name: other'));
    expect([...loadCatalog([dir, site]).diagnostics.keys()]).toEqual(['state', 'other']);
    put('site/diagnostics/state.yaml', DIAGNOSTIC);
    expect(() => loadCatalog([dir, site])).toThrow(PraError);
  });

  test('a helper is found beside the diagnostics, is in the digest, and has its place on the target', () => {
    const withHelper = DIAGNOSTIC.replace(/argv: .*/u, "argv: ['helper:show-it', '{unit}']");
    put('diagnostics/state.yaml', withHelper);
    expect(problems().join()).toContain('there is no such script or helper');
    mkdirSync(join(dir, 'helpers'));
    put('helpers/show-it', '#!/bin/sh\n');
    const first = loadCatalog([dir]).diagnostics.get('state');
    put('helpers/show-it', '#!/bin/sh\n:\n');
    const second = loadCatalog([dir]).diagnostics.get('state');
    expect(first?.run[0]?.argv).toEqual(['/usr/local/lib/mcp-pra/helpers/show-it', '{unit}']);
    expect(first?.helpers).toEqual([{ file: 'show-it', sha256: expect.stringMatching(/^[0-9a-f]{64}$/u) }]);
    expect(first?.digest).not.toBe(second?.digest);
    for (const name of ['../x', 'Show', 'a/b']) {
      put('diagnostics/state.yaml', withHelper.replace('helper:show-it', `helper:${name}`));
      expect(problems().join(), name).toContain('there is no such script or helper');
    }
  });

  test('an action runs no helper', () => {
    mkdirSync(join(dir, 'helpers'));
    put('helpers/show-it', '#!/bin/sh\n');
    put('diagnostics/state.yaml', DIAGNOSTIC);
    put('actions/nudge.yaml', ACTION.replace(/argv: .*/u, "argv: ['helper:show-it', '{unit}']"));
    expect(problems().join()).toContain('an absolute path or script:');
  });

  test('what was tried on recordings only is no tool of its own', () => {
    put('diagnostics/state.yaml', DIAGNOSTIC.replace('parse: kv', 'tier: 3\npromote: true\nparse: kv'));
    expect(problems().join()).toContain('tried on recordings only');
    put('diagnostics/state.yaml', DIAGNOSTIC.replace('parse: kv', 'tier: 2\npromote: true\nparse: kv'));
    expect(problems()).toEqual([]);
  });

  test('a collector becomes a read of its file and of the clock', () => {
    put(
      'diagnostics/facts.yaml',
      `name: facts\ntitle: Facts\nsummary: What was collected.\ncollector: things\nparse: json\nfacts:\n  total: {type: integer, help: How many.}\nlimits: {seconds: 5, bytes: 4096}\n`,
    );
    expect(loadCatalog([dir]).diagnostics.get('facts')?.run).toEqual([
      { section: 'facts', argv: ['/usr/bin/cat', '--', '/run/mcp-pra/facts/things.json'] },
      { section: 'clock', argv: ['/usr/bin/date', '-u', '+%s'] },
    ]);
  });
});

describe('what is wrong is said with its place', () => {
  test('all at once, each with file, line and column', () => {
    put('diagnostics/state.yaml', DIAGNOSTIC.replace('title:', 'titel:').replace('seconds: 5', 'seconds: 0'));
    put('actions/nudge.yaml', ACTION.replace('impact: LOW', 'impact: low'));
    const found = problems();
    expect(
      found.some((line) => line.startsWith('diagnostics/state.yaml:2:1 titel: there is no such key')),
    ).toBe(true);
    expect(found.some((line) => line.startsWith('diagnostics/state.yaml:15:10 limits.seconds: '))).toBe(true);
    expect(found.some((line) => line.startsWith('actions/nudge.yaml:4:1 impact: '))).toBe(true);
    expect(found.some((line) => line.includes(' title: '))).toBe(true);
  });

  test('as one error with the first in words that can be shown, and all of them in its cause', () => {
    put('diagnostics/state.yaml', DIAGNOSTIC.replace('name: state', 'name: "<b>`x`"'));
    const error = thrownBy(() => loadCatalog([dir]));
    expect(error?.code).toBe('CATALOG_INVALID');
    expect(error?.message).toContain('diagnostics/state.yaml:1:1');
    expect(error?.message).not.toContain('(not shown)');
    expect(error?.cause).toBeInstanceOf(CatalogProblems);
  });

  test.each([
    ['a syntax error', 'name: [', /state\.yaml:\d+:\d+ /u],
    ['a key twice', `${DIAGNOSTIC}name: state\n`, /17:1 .*unique/u],
    ['an alias', `${DIAGNOSTIC.replace('[load_state]', '&x [load_state]')}tags: *x\n`, /17:7 aliases/u],
    ['two documents', `${DIAGNOSTIC}---\n${DIAGNOSTIC}`, /multiple documents/u],
    ['a tag', DIAGNOSTIC.replace('title: State', 'title: !!js/function State'), /2:8 /u],
    ['nothing', '', /state\.yaml:1:1 /u],
    ['too many bytes', `${DIAGNOSTIC}#${'x'.repeat(65_536)}\n`, /1:1 is longer than 65536 bytes/u],
  ])('%s', (_, text, expected) => {
    put('diagnostics/state.yaml', text);
    expect(problems().join('\n')).toMatch(expected);
  });

  test('a file that is not *.yaml, and a folder that does not exist', () => {
    put('diagnostics/state.yml', DIAGNOSTIC);
    expect(problems()).toEqual(['diagnostics/state.yml:1:1 only *.yaml files belong here']);
    expect(checkCatalogFiles([join(dir, 'nowhere')]).problems).toHaveLength(1);
  });
});

describe('a diagnostic is refused when', () => {
  test.each([
    ['it is not called like its file', 'name: state', 'name: stat', 'must be as the file is called'],
    ['its name is no name', 'name: state', 'name: State', 'a small letter'],
    ['its program is relative', '/usr/bin/systemctl', 'systemctl', 'absolute path'],
    ['its program climbs', '/usr/bin/systemctl', '/usr/../bin/systemctl', 'absolute path'],
    ['its program is a shell', '/usr/bin/systemctl, show', '/bin/sh, -c', 'runs or writes what it is told'],
    ['its program is an interpreter', '/usr/bin/systemctl', '/usr/bin/python3.11', 'runs or writes'],
    ['its program runs another', '/usr/bin/systemctl', '/usr/bin/env', 'runs or writes'],
    ['it is a script', '/usr/bin/systemctl', 'script:state', 'scripts are for actions'],
    ['it shows everything', '--property=LoadState', '--all', 'prints environments'],
    ['it uses status', 'show, --property=LoadState', 'status', 'must not be called with status'],
    [
      'it talks to another host',
      '--property=LoadState',
      '--property=Id, --host=x',
      'must not be called with --host',
    ],
    ['a value stands alone before --', "--, '{unit}'", "'{unit}'", 'may stand alone only after --'],
    [
      'a value stands alone beside an early --',
      "--property=LoadState, --, '{unit}'",
      "--property=Id, '{unit}', --",
      'only after --',
    ],
    ['a value ends something else', "'{unit}'", "'unit={unit}'", 'may only end a --option='],
    ['a value is in the middle', "'{unit}'", "'--u={unit}.service'", 'a placeholder is'],
    ['two values are in a token', "'{unit}'", "'--u={unit}{unit}'", 'a placeholder is'],
    ['a placeholder is no parameter', "'{unit}'", "'{host}'", 'there is no parameter host'],
    ['a parameter is not used', "'{unit}'", 'cron', 'no command uses it'],
    ['a parameter is called hosts', 'name: unit, type', 'name: hosts, type', 'every call names its hosts'],
    ['a token has a tab', "'{unit}'", '"a\\tb"', 'printable ASCII'],
    [
      'bounds are not of the type',
      'bounds: service, help',
      'bounds: 1..2, help',
      'not bounds of the type unit',
    ],
    ['a unit kind does not exist', 'bounds: service, help', 'bounds: servce, help', 'unit kinds are'],
    [
      'a default is not a value',
      'bounds: service, help',
      'bounds: service, default: x, help',
      'not a value of this',
    ],
    ['a type does not exist', 'type: unit', 'type: path', 'Invalid option'],
    ['an example is wrong', 'cron.service}', 'cron}', 'The value of unit is not allowed'],
    ['an example is missing', 'example: {unit: cron.service}', 'tags: []', 'needs the parameter unit'],
    ['a stable fact does not exist', '[load_state]', '[state]', 'not a fact with a single value'],
    ['a stable fact is there twice', '[load_state]', '[load_state, load_state]', 'the same fact twice'],
    ['kv has rows', 'main_pid: {type: integer', 'main_pid: {type: rows', 'kv has no rows'],
    ['its parser does not exist', 'parse: kv', 'parse: {parser: nope}', 'parsers are: '],
    [
      'it has neither run nor collector',
      'run:\n  - section: show\n    argv',
      'x:\n  - section: show\n    argv',
      'no such key',
    ],
    [
      'it needs a file that nobody reads',
      'parse: kv',
      'needs: {file: /etc/state}\nparse: kv',
      'first command must read it',
    ],
    ['it needs a path with ..', 'parse: kv', 'needs: {file: /etc/../state}\nparse: kv', 'needs.file'],
    [
      'it needs a member of no collector',
      'parse: kv',
      'needs: {member: x}\nparse: kv',
      'what a collector wrote',
    ],
    ['it has both', 'parse: kv', 'collector: x\nparse: kv', 'either run or collector'],
    [
      'a section is there twice',
      'parse: kv',
      '  - {section: show, argv: [/bin/true]}\nparse: {parser: df}',
      'the same section twice',
    ],
    [
      'kv would read two sections',
      'parse: kv',
      '  - {section: more, argv: [/bin/true]}\nparse: kv',
      'exactly one section',
    ],
    ['it may take too long', 'seconds: 5', 'seconds: 21', 'limits.seconds'],
    ['its title has a line end', 'State of it', '"State\\nof it"', 'visible characters'],
    ['its title has a bidi control', 'State of it', '"State \\u202e of it"', 'visible characters'],
  ])('%s', (_, from, to, expected) => {
    expect(withDiagnostic(from, to).join('\n')).toContain(expected);
  });

  test('a request line could be longer than 512 bytes, and only then', () => {
    expect(withWord(23)).toEqual([]);
    expect(withWord(24).join()).toContain('could be longer than 512 bytes');
  });

  test('it would be the built-in verb', () => {
    put('diagnostics/version.yaml', DIAGNOSTIC.replace('name: state', 'name: version'));
    expect(problems().join()).toContain('is a built-in verb');
  });
});

describe('an action is refused when', () => {
  test.each([
    [
      'it is LOW and not idempotent',
      'idempotent: true',
      'idempotent: false',
      'a LOW action must be idempotent',
    ],
    ['it takes text', 'type: unit, bounds: service', 'type: text, bounds: 8', 'actions take no text'],
    [
      'its script does not exist',
      '/usr/bin/systemctl, kick, --',
      "'script:nudge'",
      'there is no such script',
    ],
    [
      'its script climbs',
      '/usr/bin/systemctl, kick, --',
      "'script:../nudge'",
      'a program is an absolute path or script:<file>',
    ],
    ['its program is sudo', '/usr/bin/systemctl', '/usr/bin/sudo', 'runs or writes what it is told'],
    ['its impact is unknown', 'impact: LOW', 'impact: NONE', 'impact'],
    ['its precheck names no diagnostic', 'diagnostic: state', 'diagnostic: stat', 'no such diagnostic'],
    [
      'its precheck has an argument too many',
      "{unit: '{unit}'}",
      "{unit: '{unit}', x: y}",
      'has no such parameter',
    ],
    ['its precheck lacks an argument', "args: {unit: '{unit}'}", 'args: {}', 'missing: unit'],
    [
      'its precheck has a literal that is none',
      "{unit: '{unit}'}",
      '{unit: cron}',
      'would not take every value',
    ],
    [
      'its precheck composes a value',
      "{unit: '{unit}'}",
      "{unit: '{unit}.service'}",
      'would not take every value',
    ],
    [
      'its parameter is wider than the diagnostic takes',
      'bounds: service,',
      'bounds: "service,timer",',
      'would not take every value',
    ],
    ['its precheck expects a fact that is none', 'fact: load_state', 'fact: state', 'there is no such fact'],
    ['its precheck expects another type', 'value: loaded', 'value: 1', 'the fact is of the type string'],
    ['its precheck orders words', 'op: eq', 'op: lt', 'only integers have an order'],
    ['its precheck has an unknown op', 'op: eq', 'op: like', 'op'],
    ['it reboots and is LOW', 'impact: LOW', 'impact: LOW\nends: reboot', 'what ends the host is not LOW'],
    ['it ends in another way', 'impact: LOW', 'impact: HIGH\nends: suspend', 'ends'],
    ['a word may move', 'expect:\n', 'tolerance: {load_state: 1}\n    expect:\n', 'not an integer among the'],
    ['what is not stable may move', 'expect:\n', 'tolerance: {main_pid: 1}\n    expect:\n', 'not an integer'],
    ['nothing may move', 'expect:\n', 'tolerance: {x: 1}\n    expect:\n', 'not an integer among the stable'],
    ['its tolerance is less than none', 'expect:\n', 'tolerance: {x: -1}\n    expect:\n', 'tolerance.x'],
    ['its precheck waits', 'expect:\n', 'within: 1\n    expect:\n', 'no such key'],
    ['its verification tolerates', 'precheck:', 'verify:\n  - tolerance: {}', 'no such key'],
    ['its way back is no action', 'undo:', 'undo_action: {action: nope}\nundo:', 'there is no such action'],
    [
      'its way back lacks an argument',
      'undo:',
      'undo_action: {action: nudge}\nundo:',
      'undo_action.args: missing: unit',
    ],
    [
      'its way back has an argument too many',
      'undo:',
      "undo_action: {action: nudge, args: {unit: '{unit}', x: y}}\nundo:",
      'nudge has no such parameter',
    ],
    [
      'its way back would not take every value',
      'undo:',
      'undo_action: {action: nudge, args: {unit: cron}}\nundo:',
      'nudge would not take every value',
    ],
    ['it waits too long between runs', 'cooldown: 60', 'cooldown: 604801', 'cooldown'],
  ])('%s', (_, from, to, expected) => {
    expect(withAction(from, to).join('\n')).toContain(expected);
  });

  test.each([
    ['300 s to become true', 'within: 300', []],
    ['a second more', 'within: 301', ['verify.0.within']],
    ['less than none', 'within: -1', ['verify.0.within']],
  ])('its verification has %s', (_, within, expected) => {
    const check = `verify:\n  - diagnostic: state\n    args: {unit: '{unit}'}\n    ${within}\n`;
    const found = withAction('limits:', `${check}    expect: [{fact: main_pid, op: gt, value: 0}]\nlimits:`);
    expect(found.map((line) => line.split(' ')[1]?.slice(0, -1))).toEqual(expected);
    expect(withAction('limits:', `${check}    expect: []\nlimits:`).join()).toContain('verify.0.expect');
    expect(withAction('limits:', `${check}limits:`).join()).toContain('verify.0.expect');
  });

  test.each([
    ['a fact', 'load_state', []],
    ['no fact', 'state', ['verify.0.evidence.0']],
    ['what is expected anyway', 'main_pid', ['verify.0.evidence.0']],
    ['a fact twice', 'load_state, load_state', ['verify.0.evidence.0', 'verify.0.evidence.1']],
  ])('its verification shows %s', (_, evidence, expected) => {
    const check = `verify:\n  - diagnostic: state\n    args: {unit: '{unit}'}\n    evidence: [${evidence}]\n`;
    const found = withAction('limits:', `${check}    expect: [{fact: main_pid, op: gt, value: 0}]\nlimits:`);
    expect(found.map((line) => line.split(' ')[1]?.slice(0, -1))).toEqual(expected);
  });

  test('its precheck reads what the target cannot', () => {
    put(
      'diagnostics/state.yaml',
      DIAGNOSTIC.replace('parse: kv', 'parse: {parser: df}').replaceAll(/, from: \w+/gu, ''),
    );
    put('actions/nudge.yaml', ACTION);
    expect(problems().join()).toContain('which the target can read');
  });

  test('an action has the name of a diagnostic, or of a reserved word', () => {
    put('diagnostics/state.yaml', DIAGNOSTIC);
    put('actions/state.yaml', ACTION.replace('name: nudge', 'name: state'));
    put('actions/fence.yaml', ACTION.replace('name: nudge', 'name: fence'));
    expect(problems().join()).toContain('is the name of a diagnostic');
    expect(problems().join()).toContain('is a reserved word');
  });

  test('a literal, and integers in their order, are fine', () => {
    expect(withAction("args: {unit: '{unit}'}", 'args: {unit: cron.service}')).toEqual([]);
    expect(
      withAction('{fact: load_state, op: eq, value: loaded}', '{fact: main_pid, op: gt, value: 0}'),
    ).toEqual([]);
    expect(
      withAction('{fact: load_state, op: eq, value: loaded}', '{fact: reload, op: ne, value: true}'),
    ).toEqual([]);
  });
});

describe('the way back', () => {
  const load = (from: string, to: string) => {
    expect(withAction(from, to)).toEqual([]);
    return loadCatalog([dir]).actions;
  };

  test('is an action with the values of this run, by their places', () => {
    const actions = load('undo:', "undo_action: {action: nudge, args: {unit: '{unit}'}}\nundo:");
    const nudge = actions.get('nudge');
    expect(nudge?.undo_action).toEqual({ action: 'nudge', args: { unit: '{unit}' } });
    expect(nudge && undoOf(nudge, new Map([['unit', 'cron.service']]))).toEqual({
      action: 'nudge',
      args: { unit: 'cron.service' },
    });
  });

  test('may be a fixed value, and may be missing', () => {
    const fixed = load('undo:', 'undo_action: {action: nudge, args: {unit: a.service}}\nundo:').get('nudge');
    expect(fixed && undoOf(fixed, new Map([['unit', 'b.service']]))?.args).toEqual({ unit: 'a.service' });
    const none = load('undo:', 'undo:').get('nudge');
    expect(none && undoOf(none, new Map())).toBeUndefined();
    expect(none).not.toHaveProperty('undo_action');
  });

  test('leads nowhere when its action is not right itself: both are left out', () => {
    put(
      'actions/back.yaml',
      ACTION.replace('name: nudge', 'name: back').replace('impact: LOW', 'impact: NO'),
    );
    expect(withAction('undo:', "undo_action: {action: back, args: {unit: '{unit}'}}\nundo:")).toHaveLength(2);
    expect(checkCatalogFiles([dir]).catalog.actions.size).toBe(0);
  });

  test('may be an action of another folder of the same catalog', () => {
    const site = join(dir, 'site');
    mkdirSync(join(site, 'actions'), { recursive: true });
    put('diagnostics/state.yaml', DIAGNOSTIC);
    put('actions/nudge.yaml', ACTION);
    put(
      'site/actions/poke.yaml',
      ACTION.replace('name: nudge', 'name: poke').replace(
        'undo:',
        "undo_action: {action: nudge, args: {unit: '{unit}'}}\nundo:",
      ),
    );
    expect([...loadCatalog([dir, site]).actions.keys()]).toEqual(['nudge', 'poke']);
  });
});

test('plans are checked for their form', () => {
  put(
    'plans/morning.yaml',
    'name: morning\ntitle: Morning\nsummary: First aid.\nsteps:\n  - {action: nudge, host: WEB}\n',
  );
  expect(problems().join()).toContain('plans/morning.yaml:5:');
});
