// Log lines that differ only in what varies become one line with a count: what a model reads of 1,240 failed logins is one
// sentence. Linear in the text; memory is bounded by the text, since a group is never larger than its lines.

/** A line of a log, or what stands for several. */
export interface LogEntry {
  readonly text: string;
  /** How many lines it stands for. */
  readonly lines: number;
  /** Place of the newest of them, from 0. */
  readonly newest: number;
}

/** So many lines of one form become one: two are as short as what would be said of them. */
const LEAST = 3;
/** Longer lines stay as they are. Characters. */
const LONGEST = 2_000;
/** So many values of a place are still named. */
const NAMED = 3;
/** A longer value is not. Characters. */
const LONGEST_VALUE = 32;

/** What a line begins with: RFC 3339, syslog's, the kernel's. */
const TIME =
  /^(?:(?<day>\d{4}-\d\d-\d\d)[T ](?<clock>\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?|(?<date>[A-Z][a-z]{2} [ \d]\d) (?<hour>\d\d:\d\d:\d\d)|\[ {0,8}(?<boot>\d{1,10}\.\d{1,6})\])\s/u;

/** What may differ between two lines of one form; NAMES says what to call what each group finds. Bounded or greedy without a way back. */
const VARIABLE = new RegExp(
  [
    String.raw`(\[masked[^\]\n]{0,40}\])`,
    String.raw`("[^"\n]*"|(?<![\w'])'[^'\n]*'(?!\w))`,
    // A name: after `user`, and where somebody logs in, after `for`.
    String.raw`((?<=\b[Uu]ser[ =])[\w.@$-]{1,64}|(?<=\bfor )[\w.@$-]{1,64}(?= from\b| by\b|\())`,
    String.raw`(\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)`,
    String.raw`(\b\d{1,3}(?:\.\d{1,3}){3}\b|(?<![\w:])(?=[0-9a-f:]{0,39}(?:::|[a-f]))(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:]))`,
    String.raw`(\b0x[0-9a-f]+|\b(?=[a-f]*\d)[0-9a-f]{8,}\b)`,
    String.raw`(\d+(?:[.,:]\d+)*)`,
  ].join('|'),
  'gu',
);

/** A character that neutralised text cannot have: no line can pose as a form. */
const HOLE = '\u0000';

interface Hole {
  /** What was there, up to one more than are named. */
  readonly values: string[];
  name: string;
}

interface Group {
  /** What is between the holes. */
  readonly parts: readonly string[];
  readonly holes: readonly Hole[];
  readonly first: number;
  readonly firstTime: string;
  newest: number;
  lastTime: string;
  lines: number;
}

/** The lines of a log in the order of their first appearance. A line that is alone in its form stays as it is. */
export const compactLog = (lines: readonly string[]): readonly LogEntry[] => {
  const keys = lines.map((line) => (line.length > LONGEST ? undefined : keyOf(line)));
  const counts = new Map<string, number>();
  for (const key of keys) if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
  const groups = new Map<string, Group>();
  const places: (LogEntry | Group)[] = [];
  lines.forEach((text, at) => {
    const key = keys[at];
    if (key === undefined || (counts.get(key) ?? 0) < LEAST) {
      places.push({ text, lines: 1, newest: at });
      return;
    }
    const known = groups.get(key);
    const { time, parts, found } = formOf(text);
    const group = known ?? newGroup(parts, found, time, at);
    if (known === undefined) {
      groups.set(key, group);
      places.push(group);
    }
    addLine(group, found, time, at);
  });
  return places.map((place) =>
    'parts' in place ? { text: textOf(place), lines: place.lines, newest: place.newest } : place,
  );
};

interface Found {
  readonly name: string;
  readonly value: string;
}

const newGroup = (parts: readonly string[], found: readonly Found[], time: string, at: number): Group => ({
  parts,
  holes: found.map(({ name }) => ({ values: [], name })),
  first: at,
  firstTime: time,
  newest: at,
  lastTime: time,
  lines: 0,
});

const addLine = (group: Group, found: readonly Found[], time: string, at: number): void => {
  group.lines += 1;
  group.newest = at;
  group.lastTime = time;
  found.forEach(({ name, value }, index) => {
    const hole = group.holes[index];
    if (hole === undefined) return;
    if (hole.values.length <= NAMED && !hole.values.includes(value)) hole.values.push(value);
    if (hole.name !== name) hole.name = '*';
  });
};

/** A line without its time and with a hole for each thing that varies. With and without a time are two forms. */
const keyOf = (line: string): string => {
  const time = TIME.exec(line)?.[0] ?? '';
  return `${time === '' ? '' : HOLE}${line.slice(time.length).replace(VARIABLE, HOLE)}`;
};

const formOf = (
  line: string,
): { readonly time: string; readonly parts: readonly string[]; readonly found: readonly Found[] } => {
  const time = TIME.exec(line)?.[0] ?? '';
  const text = line.slice(time.length);
  const parts: string[] = [];
  const found: Found[] = [];
  let from = 0;
  for (const match of text.matchAll(VARIABLE)) {
    parts.push(text.slice(from, match.index));
    found.push({
      name: NAMES[match.findIndex((value, index) => index > 0 && value !== undefined)] ?? '*',
      value: match[0],
    });
    from = match.index + match[0].length;
  }
  parts.push(text.slice(from));
  return { time, parts, found };
};

/** What to call what each group found. */
const NAMES = ['', 'masked', '*', '*', 'id', 'ip', 'hex', 'n'];

const textOf = ({ parts, holes, lines, firstTime, lastTime }: Group): string => {
  const said = parts.map((part, index) => {
    const hole = holes[index];
    return hole === undefined ? part : part + holeText(hole);
  });
  const count = `[×${lines.toLocaleString('en')}]`;
  return `${count} ${said.join('')}${rangeOf(firstTime, lastTime)}`;
};

/** What never differed stays; up to three short values are named; more are said by their kind. */
const holeText = ({ values, name }: Hole): string => {
  const [only = ''] = values;
  if (values.length === 1) return only;
  const isShort = values.every((value) => value.length <= LONGEST_VALUE);
  return values.length <= NAMED && isShort ? `<${values.join('|')}>` : `<${name}>`;
};

const rangeOf = (first: string, last: string): string => {
  if (first === '') return '';
  const [from, to] = [TIME.exec(first)?.groups, TIME.exec(last)?.groups];
  const dayOf = (at: typeof from): string => at?.['day'] ?? at?.['date'] ?? '';
  const clockOf = (at: typeof from): string => at?.['clock'] ?? at?.['hour'] ?? `${at?.['boot'] ?? ''} s`;
  return dayOf(from) === dayOf(to)
    ? ` (${dayOf(from)} ${clockOf(from)}–${clockOf(to)})`.replace('( ', '(')
    : ` (${dayOf(from)} ${clockOf(from)} – ${dayOf(to)} ${clockOf(to)})`;
};
