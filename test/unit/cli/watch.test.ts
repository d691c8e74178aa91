import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { keysOf } from '../../../src/cli/watch/keys.ts';
import { watchFrame, type WatchState } from '../../../src/cli/watch/watch-frame.ts';
import type { RequestView } from '../../../src/request/desk.ts';
import { sampleView } from './sample-request.ts';

const frame = (state: Partial<WatchState>, rows = 24, columns = 80): readonly string[] =>
  watchFrame({ waiting: [], chosen: undefined, news: '', ...state }, { rows, columns }, (_, text) => text);
const keys = (text: string): readonly string[] => keysOf(Buffer.from(text, 'latin1'));
const views = (count: number): readonly RequestView[] =>
  Array.from({ length: count }, (_, n) =>
    sampleView({ id: `abcdefghij2345${String(n + 22)}`, host: `web${String(n)}`, seconds_left: 30 + n }),
  );

test('keys: what a terminal sends for them', () => {
  expect(keys('jkadsq')).toEqual(['j', 'k', 'a', 'd', 's', 'q']);
  expect(keys('\u001b[A\u001b[B\u001bOA\u001bOB')).toEqual(['up', 'down', 'up', 'down']);
  expect(keys('\r\n\u0003\u0004\u001a\u000c')).toEqual([
    'enter',
    'enter',
    'quit',
    'quit',
    'suspend',
    'redraw',
  ]);
});

test('keys that mean nothing here, whole or torn, never become a command', () => {
  for (const other of [
    '\u001b[C',
    '\u001b[D',
    '\u001b[3~',
    '\u001b[1;5H',
    '\u001bOd',
    '\u001b',
    ' ',
    'é',
    '\u001b[200~',
  ])
    expect([other, keys(other)]).toEqual([other, []]);
  // The second half of an arrow that came in two reads.
  for (const rest of ['[A', '[D', 'OA', 'A', 'D', 'O', '['])
    for (const key of keys(rest)) expect(['a', 'd', 's', 'q', 'j', 'k']).not.toContain(key);
});

test('the list, what the chosen one is about, and the keys', () => {
  const [first, second] = [
    sampleView({ seconds_left: 247, rule: 'rules of this machine: night (HIGH)' }),
    sampleView({ id: 'zzzzzzzzzz234567', impact: 'HIGH', host: 'db1', seconds_left: 59 }),
  ];
  const lines = frame({ waiting: [first, second], chosen: first.id, news: 'Something happened.' });
  expect(lines).toHaveLength(24);
  expect(lines[0]).toMatch(/^mcp-pra {2}What waits for a person +2 waiting$/u);
  expect(lines[1]).toBe('   left  impact  action                 host             asked by');
  expect(lines[2]).toBe('>  4:07  MEDIUM  reload_proxy           web1             alice/claude-desktop');
  expect(lines[3]).toBe('   0:59  HIGH    reload_proxy           db1              alice/claude-desktop');
  expect(lines.slice(4, 9)).toEqual([
    '',
    '  reload_proxy proxy=nginx  @ web1  abcdefghij234567',
    '  rules of this machine: night (HIGH)',
    "  The requester's words; nobody has checked them",
    '  │ nginx still serves the old certificate',
  ]);
  expect(lines.at(-2)).toBe('Something happened.');
  expect(lines.at(-1)).toContain('a approve   d deny');
  expect(frame({ waiting: [first, second] }).join('\n')).not.toMatch(/^>|The requester/mu);
  expect(frame({})[2]).toContain('Nothing waits');
});

test('a long list scrolls with the choice and counts what is not shown', () => {
  const waiting = views(40);
  for (const chosen of [0, 5, 20, 39]) {
    const lines = frame({ waiting, chosen: waiting[chosen]?.id });
    expect(lines).toHaveLength(24);
    expect(lines.filter((line) => line.startsWith('> '))).toEqual([
      expect.stringContaining(` web${String(chosen)} `),
    ]);
    const listed = lines.filter((line) => / web\d+ /u.test(line) && !line.includes('@')).length;
    expect(lines).toContain(`  ${String(40 - listed)} more`);
  }
});

test('what somebody else wrote cannot leave its place', () => {
  const reason = '\u001b[2J\u001b]0;x\u0007fine\n> 4:00  LOW\r\u202eevil\u2066 q quit';
  const view = sampleView({ reason, requester: 'a\nb/c', rule: 'x\n\u001b[1Ay', args: { unit: 'a\u0007b' } });
  const lines = frame({ waiting: [view], chosen: view.id });
  // eslint-disable-next-line no-control-regex
  expect(lines.join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/u);
  expect(lines.filter((line) => line.startsWith('> '))).toHaveLength(1);
  for (const line of lines.filter((one) => one.includes('LOW'))) expect(line).toMatch(/^ {2}│ /u);
});

test('whatever the size: no line is too wide, never too many of them, and the chosen one is there', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 6, max: 60 }),
      fc.integer({ min: 20, max: 140 }),
      fc.integer({ min: 0, max: 30 }),
      fc.nat(29),
      (rows, columns, count, pick) => {
        const waiting = views(count);
        const chosen = waiting[pick]?.id;
        const lines = frame({ waiting, chosen, news: 'n'.repeat(200) }, rows, columns);
        expect(lines).toHaveLength(rows);
        expect(Math.max(...lines.map((line) => Array.from(line).length))).toBeLessThanOrEqual(columns);
        const marked = lines.filter((line) => line.startsWith('> '));
        expect(marked).toHaveLength(chosen === undefined ? 0 : 1);
      },
    ),
  );
});
