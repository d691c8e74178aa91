/** A repeatable source of whole numbers below a bound (mulberry32). */
export type Random = (below: number) => number;

export const randomOf = (seed: number): Random => {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
};

/** The seed of this run: MCP_PRA_SEED to repeat or to look further. */
export const SEED = Number(process.env['MCP_PRA_SEED'] ?? 20_261_120);

export const pick = <T>(random: Random, items: readonly T[]): T => {
  const item = items[random(items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
};

// What parsers written by different hands disagree about: Unicode digits and letters, line ends beyond LF, white space
// beyond the space, numbers that read as numbers, encodings with two spellings.
const STRANGE = [
  '',
  ' ',
  '\t',
  '\r',
  '\n',
  '\0',
  '\u000b',
  '\u000c',
  '\u0085',
  '\u00a0',
  '\u2028',
  '\ufeff',
  '\u0661',
  '\uff11',
  'ſ',
  'K',
  'é',
  '\u{1f600}',
  '0',
  '00',
  '01',
  '-0',
  '+1',
  '-1',
  '1.0',
  '1e3',
  '0x1',
  '1_0',
  'NaN',
  'true',
  'null',
  '-',
  '--',
  '.',
  '..',
  '/',
  '//',
  '%',
  '%2',
  '%41',
  '%2f',
  '%2F',
  '%20',
  '%25',
  '%00',
  '%0A',
  '%7F',
  '%80',
  '%C3%A9',
  '%c3%a9',
  '%C0%80',
  '%ED%A0%80',
  '%EF%BB%BF',
  '%F4%90%80%80',
  '=',
  '==',
  'sha256:',
  'SHA256:',
  'LOW',
  'low',
];
const NUMBERS = [
  0,
  1,
  2,
  4,
  5,
  6,
  9,
  25,
  26,
  99,
  100,
  255,
  256,
  400,
  401,
  1_500,
  1_501,
  999_999_999,
  1_000_000_000,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  999_999_999_999_999,
  1e15,
];
const TIMES = [
  '1970-01-01T00:00:00Z',
  '1969-12-31T23:59:59Z',
  '2028-02-29T23:59:59Z',
  '2026-02-29T00:00:00Z',
  '2026-12-31T23:59:60Z',
  '2026-01-01T24:00:00Z',
  '9999-12-31T23:59:59Z',
  '0000-01-01T00:00:00Z',
  '0001-01-01T00:00:00Z',
];

/** A word changed into one that is nearly or just about allowed. */
const nearWord = (word: string, pool: readonly string[], random: Random): string => {
  const at = random(word.length + 1);
  const rules: readonly (() => string)[] = [
    () => word.slice(0, at) + pick(random, STRANGE) + word.slice(at),
    () => word.slice(0, at) + pick(random, STRANGE) + word.slice(at + 1),
    () => word.slice(0, at) + word.slice(at + 1),
    () => word + word.slice(-1),
    () => word.slice(0, at).toUpperCase() + word.slice(at),
    () => word.slice(0, at) + word.slice(at).toLowerCase(),
    () =>
      word.padEnd(
        pick(random, [39, 40, 41, 62, 63, 64, 65, 95, 96, 97, 399, 400, 401]),
        pick(random, ['a', '0', '_', '.', 'A', '%41']),
      ),
    () => pick(random, STRANGE),
    () => String(pick(random, NUMBERS)),
    () => pick(random, TIMES),
    () => pick(random, pool),
  ];
  return pick(random, rules)();
};

/** One text with one change by its lines and words, at times two. `pool` are texts of the same kind to take parts from. */
export const mutateText = (text: string, pool: readonly string[], random: Random): string => {
  const lines = text.split('\n');
  const at = random(lines.length);
  const words = (lines[at] ?? '').split(' ');
  const which = random(words.length);
  const otherLines = pick(random, pool).split('\n');
  const otherWords = pick(random, otherLines).split(' ');
  const changed = (): string[] =>
    lines.with(at, words.with(which, nearWord(words[which] ?? '', otherWords, random)).join(' '));
  const rules: readonly (() => string[])[] = [
    changed,
    changed,
    changed,
    changed,
    () => lines.with(at, words.toSpliced(which, 0, nearWord('', otherWords, random)).join(' ')),
    () => lines.with(at, words.toSpliced(which, 1).join(' ')),
    () => lines.toSpliced(at, 1),
    () => lines.toSpliced(at, 0, lines[at] ?? ''),
    () => lines.toSpliced(at, 0, pick(random, otherLines)),
    () => lines.with(at, pick(random, otherLines)),
    () => lines.toSpliced(at, 1).toSpliced(random(lines.length), 0, lines[at] ?? ''),
    () => [...lines.slice(0, at), ...otherLines.slice(random(otherLines.length))],
  ];
  const once = pick(random, rules)().join('\n');
  return random(6) === 0 ? mutateText(once, pool, random) : once;
};

/** Bytes with one change. */
export const mutateBytes = (bytes: Buffer, random: Random): Buffer => {
  const at = random(bytes.length + 1);
  const put = Buffer.from([random(256)]);
  const rules: readonly (() => Buffer)[] = [
    () =>
      Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from([(bytes[at] ?? 0) ^ (1 << random(8))]),
        bytes.subarray(at + 1),
      ]),
    () => Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + 1)]),
    () => Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at)]),
    () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(4))]),
    () => bytes.subarray(0, at),
  ];
  return pick(random, rules)();
};
