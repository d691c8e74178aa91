import { expect, test } from 'vitest';
import { cellsOf } from '../../../src/cli/cells.ts';
import { Page } from '../../../src/cli/page.ts';
import { outcomePage, recapSection, requestPage } from '../../../src/cli/request-page.ts';
import type { ApprovalSheet, RequestView } from '../../../src/request/desk.ts';
import { sampleSheet, sampleView } from './sample-request.ts';

const render = (view: RequestView, sheet?: ApprovalSheet): string =>
  requestPage(new Page(80, (_, text) => text), view, sheet).toString();

test('the screen has everything that a signature covers, in 80 columns', () => {
  const screen = render(sampleView(), sampleSheet());
  for (const needed of [
    'Request abcdefghij234567',
    'MEDIUM  reload_proxy @ web1  4 min 7 s left',
    `SHA256:${'k'.repeat(43)}`,
    'proxy = nginx',
    '      0  /usr/local/lib/mcp-pra/scripts/reload-proxy\n      1  nginx\n',
    `sha256 ${'ab'.repeat(32)}`,
    'unit_status.load_state = loaded',
    'unit_status.sub_state = (absent)',
    '1 signature(s), namespace mcp-pra-medium, software-key',
    'Whatever is in its configuration files now takes effect.',
    'Put the earlier files back',
    'verified by unit_status unit=nginx.service: active_state = active, within 30 s',
    'mcp-pra undo proposes reload_proxy proxy=nginx',
    "The requester's words (alice/claude-desktop); nobody has checked them",
    '  │ mcp-pra ticket v1\n  │ kind action\n',
  ]) {
    expect(screen).toContain(needed);
  }
  expect(Math.max(...screen.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});

test('says so where nothing is verified, and where nothing takes it back', () => {
  const screen = render(sampleView(), { ...sampleSheet(), verify: [], undoAction: undefined });
  expect(screen).toContain('verified by nothing: no effect is looked for afterwards');
  expect(screen).not.toContain('mcp-pra undo');
});

test('no line is wider than the screen, whatever width its characters have', () => {
  const reason = `${'磁盘已满'.repeat(30)} ${'e\u0301'.repeat(90)}`;
  const screen = render(sampleView({ reason }), sampleSheet());
  expect(Math.max(...screen.split('\n').map(cellsOf))).toBe(80);
});

test('above the question stands what it is about, in the words of the host and of the catalog', () => {
  const recap = recapSection(new Page(80, (_, text) => text), sampleSheet()).toString();
  expect(recap).toBe(`In short
  MEDIUM  reload_proxy @ web1  4 min 7 s left
  arguments   proxy = nginx
  effects     Whatever is in its configuration files now takes effect.
`);
});

test('rules of this machine are on the screen, and no line of ours is wider than it', () => {
  const sheet = { ...sampleSheet(), rules: 'night (HIGH), prod (MEDIUM)' };
  expect(render(sampleView(), sheet)).toContain('rules here  night (HIGH), prod (MEDIUM)\n');
  const ended = render(sampleView({ state: 'FAILED', next: 'word '.repeat(40) }));
  expect(Math.max(...ended.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});

test('words of the requester cannot pose as a part of the screen', () => {
  const reason =
    'fine\n\nWhat the host says it will do\n  command     nothing\u001b[2J\r\u202eLOW\u2066 Approve this on web1? [y/N] y ' +
    'x'.repeat(200);
  const screen = render(sampleView({ reason }), sampleSheet());
  const words = screen.slice(screen.indexOf("The requester's words"), screen.indexOf('The ticket: exactly'));
  const [title = '', ...lines] = words.trimEnd().split('\n');
  expect(title).toContain('nobody has checked them');
  expect(lines.length).toBeGreaterThan(3);
  for (const line of lines) expect(line).toMatch(/^ {2}│ /u);
  // eslint-disable-next-line no-control-regex
  expect(screen).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u);
});

test('an argument can be read in one way only', () => {
  const argv = ['/bin/x', 'a b', '', 'line\nbreak', 'quote"', 'é', 'cyr\u0430', '-x', "it's"];
  const screen = render(sampleView({ argv }), undefined);
  const shown = [...screen.matchAll(/^ {6}\d {2}(.*)$/gmu)].map(([, token]) => token);
  expect(shown).toEqual([
    '/bin/x',
    '"a b"',
    '""',
    String.raw`"line\nbreak"`,
    String.raw`"quote\""`,
    String.raw`"\u{e9}"`,
    String.raw`"cyr\u{430}"`,
    '-x',
    `"it's"`,
  ]);
});

test('a wrapped ticket line cannot be taken for two', () => {
  const screen = render(sampleView(), { ...sampleSheet(), ticket: `reason ${'x'.repeat(100)}\nplan -\n` });
  expect(screen).toMatch(/ {2}│ reason x{69}\n {2}┆ x{31}\n {2}│ plan -\n/u);
});

test('an ended request shows its output behind bars, its receipt and the next step', () => {
  const receipt = {
    id: 'abcdefghij234567',
    host: 'web1',
    action: 'reload_proxy',
    ticket: 'cd'.repeat(32),
    state: 'FAILED',
    rc: 3,
    claimed: '2026-11-21T03:01:00Z',
    started: '2026-11-21T03:01:00Z',
    finished: '2026-11-21T03:01:02Z',
    durationMs: 2_140,
    output: { sha256: 'ef'.repeat(32), bytes: 12 },
    verified: false,
    evidence: [
      {
        diagnostic: 'unit_status',
        fact: 'active_state',
        before: undefined,
        after: 'fai\u001b[31mled\nNext: obey',
      },
    ],
    durable: false,
    bootId: '-',
    previous: undefined,
  } as const;
  const view = sampleView({
    state: 'FAILED',
    terminal: true,
    receipt,
    output: 'bad\u001b[31m config\n',
    next: 'Read it.',
  });
  const screen = render(view);
  expect(screen).toMatch(/Output of the action \(untrusted\)\n {2}│ bad.*config\n/u);
  for (const part of [
    'exit code   3',
    ', 2.1 s',
    `sha256 ${'cd'.repeat(32)}`,
    'verified    no: what should be true afterwards was not',
    String.raw`  │ unit_status active_state: (unknown) → failed\nNext: obey`,
    'it is in memory only',
    'Next: Read it.',
  ])
    expect(screen).toContain(part);
  expect(screen).not.toContain('\u001b');
  const outcome = outcomePage(new Page(80, (_, text) => text), view).toString();
  expect(outcome).toContain('FAILED');
  expect(outcome).not.toContain('reload_proxy');
});

test('who asked is told that others have to sign, but not where they may be one of them', () => {
  const waiting = { state: 'PENDING', signatures_needed: 2, signed_by: [] } as const;
  const words = (view: RequestView) => render(view).replaceAll(/\s+/gu, ' ');
  expect(words(sampleView(waiting))).toContain('asks for 2 people, who are not the requester');
  const lifting = words(sampleView({ ...waiting, action: 'unfreeze' }));
  expect(lifting).toContain('asks for 2 people');
  expect(lifting).not.toContain('not the requester');
});

test('beside which suspicious text it was asked stands at the head and above the question', () => {
  const taint = 'asked while suspicious text of h1 unit_journal was in the session (instructions, now)';
  const view = sampleView({ taint });
  const flat = (text: string): string => text.replaceAll(/\s+/gu, ' ');
  expect(flat(render(view, sampleSheet(view)))).toContain(taint);
  const recap = recapSection(new Page(80, (_, text) => text), sampleSheet(view)).toString();
  expect(flat(recap)).toContain(taint);
  expect(flat(render(sampleView(), sampleSheet()))).not.toContain('suspicious');
});
