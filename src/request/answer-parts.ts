import type { FactRow, Facts } from '../catalog/types.ts';
import type { LogEntry } from './compact-log.ts';

/** What of one host's answer has not been shown yet: clean facts, and lines of clean text. */
export interface Whole {
  readonly facts: Facts;
  readonly lines: readonly LogEntry[];
  /** Of a log the newest lines count most; of anything else the first. */
  readonly isLog: boolean;
}

/** Rows of tables and lines of text that are not in a part. */
export interface LeftOut {
  readonly rows: number;
  readonly lines: number;
}

/** As much of an answer as there is room for, and the rest of it; undefined when that was all. */
export interface Part {
  readonly facts: Facts;
  readonly text: string;
  readonly rest: Whole | undefined;
}

/** What there is room for, in characters. */
export interface Room {
  readonly facts: number;
  readonly text: number;
}

/** Characters of facts as they are shown (JSON), and of text. */
export const sizeOf = ({ facts, lines }: Whole): Room => ({
  facts: Object.keys(facts).length === 0 ? 0 : JSON.stringify(facts).length,
  text: lines.reduce((sum, { text }) => sum + text.length + 1, 0),
});

/** What an answer still has. */
export const leftOutOf = ({ facts, lines }: Whole): LeftOut => ({
  rows: Object.values(facts).reduce<number>(
    (sum, value) => sum + (typeof value === 'object' ? value.length : 1),
    0,
  ),
  lines: lines.reduce((sum, entry) => sum + entry.lines, 0),
});

/** Divides room fairly: whoever wants less than an equal share leaves the rest of it to the others. Sums up to at most `room`. */
export const share = (room: number, claims: readonly number[]): readonly number[] => {
  const order = claims.map((_, index) => index).sort((a, b) => (claims[a] ?? 0) - (claims[b] ?? 0));
  const given = claims.map(() => 0);
  let left = room;
  order.forEach((index, served) => {
    const most = Math.floor(left / (order.length - served));
    const gets = Math.min(claims[index] ?? 0, most);
    given[index] = gets;
    left -= gets;
  });
  return given;
};

/** The most important part of an answer that fits. With all the room of a call it is never empty. */
export const takePart = (whole: Whole, room: Room): Part => {
  const facts = takeFacts(whole.facts, room.facts);
  const text = takeText(whole, room.text);
  const rest = { facts: facts.rest, lines: text.rest, isLog: whole.isLog };
  const isAll = Object.keys(rest.facts).length === 0 && rest.lines.length === 0;
  return { facts: facts.taken, text: text.taken, rest: isAll ? undefined : rest };
};

/** The next part of an answer, with all of the room for itself: facts first. */
export const nextPart = (whole: Whole, characters: number): Part => {
  const size = sizeOf(whole);
  if (size.facts === 0) return takePart(whole, { facts: 0, text: characters });
  const facts = Math.min(size.facts, characters);
  return takePart(whole, { facts, text: characters - facts });
};

/** So much room shows something of any row (bounded-value.ts). */
const ROOM_FOR_A_ROW = 1_500;
/** Characters of a cell of a row that would not fit otherwise. */
const SHORT_CELL = 60;

/** Single values first, then of each table the first rows, which are its biggest. */
const takeFacts = (facts: Facts, room: number): { readonly taken: Facts; readonly rest: Facts } => {
  const taken: [string, Facts[string]][] = [];
  const rest: [string, Facts[string]][] = [];
  // The braces, less the comma that the last value does not have.
  let left = room - 1;
  const fits = (size: number): boolean => {
    if (size > left) return false;
    left -= size;
    return true;
  };
  const named = Object.entries(facts);
  for (const [name, value] of named)
    if (typeof value !== 'object')
      (fits(JSON.stringify({ [name]: value }).length - 1) ? taken : rest).push([name, value]);
  for (const [name, value] of named) {
    if (typeof value !== 'object') continue;
    if (!fits(name.length + (value.length === 0 ? 6 : 5))) {
      rest.push([name, value]);
      continue;
    }
    let shown = value.findIndex((row) => !fits(JSON.stringify(row).length + 1));
    if (shown < 0) shown = value.length;
    const rows = value.slice(0, shown);
    // A single row that no part has room for is shown as far as it goes.
    const [first] = value;
    if (shown === 0 && taken.length === 0 && first !== undefined && room >= ROOM_FOR_A_ROW) {
      rows.push(shortRow(first, left));
      shown = 1;
      left = 0;
    }
    if (rows.length > 0 || value.length === 0) taken.push([name, rows]);
    if (shown < value.length) rest.push([name, value.slice(shown)]);
  }
  return { taken: Object.fromEntries(taken), rest: Object.fromEntries(rest) };
};

const shortRow = (row: FactRow, room: number): FactRow => {
  let left = room - 3;
  const cells = Object.entries(row).map(
    ([name, cell]) =>
      [name, typeof cell === 'string' ? cell.slice(0, SHORT_CELL).toWellFormed() : cell] as const,
  );
  return Object.fromEntries(
    cells.filter(([name, cell]) => (left -= JSON.stringify({ [name]: cell }).length) >= 0),
  );
};

interface TakenText {
  readonly taken: string;
  readonly rest: readonly LogEntry[];
}

/** Of a log: characters for the line that says what is missing. */
const GAP = 60;
/** Less room than that shows no text. Characters. */
const LEAST_TEXT = 80;

const takeText = ({ lines, isLog }: Whole, room: number): TakenText => {
  const total = lines.reduce((sum, { text }) => sum + text.length + 1, 0);
  if (total <= room) return { taken: lines.map(({ text }) => `${text}\n`).join(''), rest: [] };
  if (room < LEAST_TEXT) return { taken: '', rest: lines };
  return isLog ? endsOf(lines, room) : beginningOf(lines, room);
};

const beginningOf = (lines: readonly LogEntry[], room: number): TakenText => {
  let left = room;
  let shown = lines.findIndex(({ text }) => (left -= text.length + 1) < 0);
  if (shown < 0) shown = lines.length;
  const [first] = lines;
  if (shown === 0 && first !== undefined) {
    const { head, tail } = splitLine(first, room - 1);
    return { taken: `${head.text}\n`, rest: [tail, ...lines.slice(1)] };
  }
  return {
    taken: lines
      .slice(0, shown)
      .map(({ text }) => `${text}\n`)
      .join(''),
    rest: lines.slice(shown),
  };
};

/** How the log began, and its newest lines, which are what somebody asks a log for. */
const endsOf = (lines: readonly LogEntry[], room: number): TakenText => {
  const chosen = new Set<number>();
  let left = room - GAP;
  const begin = left - Math.floor(left / 5);
  for (const [index, { text }] of lines.entries()) {
    if (left - text.length - 1 < begin) break;
    left -= text.length + 1;
    chosen.add(index);
  }
  const head = chosen.size;
  const byAge = lines
    .map((_, index) => index)
    .sort((a, b) => (lines[b]?.newest ?? 0) - (lines[a]?.newest ?? 0));
  for (const index of byAge) {
    const size = (lines[index]?.text.length ?? 0) + 1;
    if (chosen.has(index)) continue;
    if (size > left) break;
    left -= size;
    chosen.add(index);
  }
  const newest = byAge[0] ?? 0;
  const monster = lines[newest];
  if (!chosen.has(newest) && monster !== undefined) {
    // Longer than all there is room for: as far as it goes, in place of what came before it.
    const { head: part, tail } = splitLine(monster, room - 1);
    return { taken: `${part.text}\n`, rest: lines.map((line, index) => (index === newest ? tail : line)) };
  }
  const rest = lines.filter((_, index) => !chosen.has(index));
  const missing = rest.reduce((sum, entry) => sum + entry.lines, 0);
  const gap = `[… ${missing.toLocaleString('en')} lines between are left out]\n`;
  const said = lines.flatMap(({ text }, index) => [
    ...(index === head ? [gap] : []),
    ...(chosen.has(index) ? [`${text}\n`] : []),
  ]);
  return { taken: said.join(''), rest };
};

/** Between two characters, never within one. */
const splitLine = (line: LogEntry, at: number): { readonly head: LogEntry; readonly tail: LogEntry } => {
  const cut = /[\ud800-\udbff]$/u.test(line.text.slice(0, at)) ? at - 1 : at;
  return { head: { ...line, text: line.text.slice(0, cut) }, tail: { ...line, text: line.text.slice(cut) } };
};
