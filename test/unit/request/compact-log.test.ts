import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compactLog } from '../../../src/request/compact-log.ts';

const texts = (lines: readonly string[]): readonly string[] => compactLog(lines).map(({ text }) => text);
/** A time of the night of a log, `at` seconds after 03:12:01. */
const stamp = (at: number): string =>
  `${new Date(Date.UTC(2026, 10, 22, 3, 12, 1) + at * 1_000).toISOString().slice(0, 19)}+0000`;

describe('a log made short', () => {
  it('lines that differ in numbers, addresses and names become one, with count and times', () => {
    const lines = Array.from(
      { length: 1_240 },
      (_, at) =>
        `${stamp(at)} sshd[${String(800 + at)}]: Failed password for invalid user u${String(at)} from 203.0.113.${String(at % 250)} port ${String(40_000 + at)} ssh2`,
    );
    const listening = `${stamp(0)} sshd[7]: Server listening on 0.0.0.0 port 22.`;
    expect(compactLog([lines[0] ?? '', listening, ...lines.slice(1)])).toEqual([
      {
        text: '[×1,240] sshd[<n>]: Failed password for invalid user <*> from <ip> port <n> ssh2 (2026-11-22 03:12:01–03:32:40)',
        lines: 1_240,
        newest: 1_240,
      },
      { text: listening, lines: 1, newest: 1 },
    ]);
  });

  it('what never differs stays, and up to three values are named', () => {
    const line = (who: string, from: string): string =>
      `sshd[7]: Accepted publickey for ${who} from ${from} port 22`;
    expect(texts([line('root', '::1'), line('bob', '::1'), line('root', '::1')])).toEqual([
      '[×3] sshd[7]: Accepted publickey for <root|bob> from ::1 port 22',
    ]);
    expect(texts(['a', 'b', 'c', 'd'].map((who, at) => line(who, `2001:db8::${String(at)}`)))).toEqual([
      '[×4] sshd[7]: Accepted publickey for <*> from <ip> port 22',
    ]);
  });

  it.each([
    ['hexadecimal', (at: number) => `commit 9f2c41d${String(at)}ab arrived`, '[×5] commit <hex> arrived'],
    ['an address of memory', (at: number) => `fault at 0xdead${String(at)}`, '[×5] fault at <hex>'],
    [
      'an id',
      (at: number) => `unit 0f1e2d3c-0000-4000-8000-00000000000${String(at)} gone`,
      '[×5] unit <id> gone',
    ],
    ['a quoted text', (at: number) => `GET "/x/${String(at)}" 200`, '[×5] GET <*> 200'],
    [
      'an apostrophe is no quote',
      (at: number) => `can't open ${String(at)}: it's gone`,
      "[×5] can't open <n>: it's gone",
    ],
    ['what was masked', (at: number) => `login [masked:email-a${String(at)}]`, '[×5] login <masked>'],
    [
      'times of syslog',
      (at: number) => `Nov 22 03:00:0${String(at)} app: tick`,
      '[×5] app: tick (Nov 22 03:00:00–03:00:04)',
    ],
    [
      'times of the kernel',
      (at: number) => `[    ${String(at)}.500000] eth0: up`,
      '[×5] eth0: up (0.500000 s–4.500000 s)',
    ],
    [
      'more than a day',
      (at: number) => `2026-11-2${String(at)}T00:00:00Z app: tick`,
      '[×5] app: tick (2026-11-20 00:00:00 – 2026-11-24 00:00:00)',
    ],
  ])('%s', (_, line, text) => {
    expect(texts([0, 1, 2, 3, 4].map(line))).toEqual([text]);
  });

  it('other words are another line; two of a form stay as they are, three do not', () => {
    const words = ['disk is full', 'disk is empty', 'net is full'];
    expect(texts(words)).toEqual(words);
    expect(texts(['try 1', 'x', 'try 2'])).toEqual(['try 1', 'x', 'try 2']);
    expect(texts(['try 1', 'x', 'try 2', 'try 3'])).toEqual(['[×3] try <1|2|3>', 'x']);
  });

  it('a line cannot pose as another form, and a monster stays as it is', () => {
    expect(texts(['try <n>', 'try 1', 'try 2', 'try <n>'])).toHaveLength(4);
    const long = 'x 1 '.repeat(501);
    expect(texts([long, long, long])).toEqual([long, long, long]);
  });

  const anyLine = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          'user ',
          'for ',
          'bob',
          ' from ',
          '"',
          "'",
          '[masked:',
          ']',
          ':',
          '0x',
          '203.0.113.7',
          'deadbeef0',
          '\u2014',
        ),
        fc.nat(99).map(String),
        fc.string({ maxLength: 4 }).map((text) => text.replaceAll(/[\n\0]/gu, '')),
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.join(''));

  it('loses no line, and keeps the order of first appearance, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(anyLine, { maxLength: 60 }), (lines) => {
        const entries = compactLog(lines);
        expect(entries.reduce((sum, entry) => sum + entry.lines, 0)).toBe(lines.length);
        // What is alone is verbatim.
        const single = entries.filter((entry) => entry.lines === 1);
        expect(single.map(({ text }) => text)).toEqual(single.map(({ newest }) => lines[newest]));
        // Every entry's newest line is another one, and the last line of all is among them.
        expect(new Set(entries.map(({ newest }) => newest)).size).toBe(entries.length);
        expect(Math.max(-1, ...entries.map(({ newest }) => newest))).toBe(lines.length - 1);
        const alone = single.map(({ newest }) => newest);
        expect(alone).toEqual([...alone].sort((a, b) => a - b));
      }),
    );
  });

  it('says of lines that are all alike what they are', () => {
    fc.assert(
      fc.property(anyLine, fc.integer({ min: 3, max: 50 }), (line, count) => {
        expect(compactLog(Array.from({ length: count }, () => line))).toMatchObject([{ lines: count }]);
      }),
    );
  });
});
