import type { RequestView } from '../../request/desk.ts';
import type { Paint } from '../cli-io.ts';
import { fit } from '../cells.ts';
import { IMPACT_STYLE } from '../impact-style.ts';
import { oneLine, wrap } from '../plain-text.ts';
import { say } from '../say.ts';

/** What the list looks like now. */
export interface WatchState {
  readonly waiting: readonly RequestView[];
  /** Id of the chosen request; none when it went away and nobody has chosen another. */
  readonly chosen: string | undefined;
  /** One line of news at the bottom; may be empty. */
  readonly news: string;
}

/** Below this the last column, who asked, is left out. Columns. */
const NARROW = 64;
/** Lines kept for what the chosen request is about, if there is room for a list besides. */
const DETAILS = 8;
/** Title, head of the table, news, keys. */
const FIXED = 4;
/** Less than this is red. Seconds. */
const HURRY = 60;

/** The lines of the whole screen, exactly `rows` (6 or more): list, chosen request, keys. No line is wider than `columns` (20 or more). */
export const watchFrame = (
  { waiting, chosen, news }: WatchState,
  size: { readonly rows: number; readonly columns: number },
  paint: Paint,
): readonly string[] => {
  const { rows, columns } = size;
  const keys = say(columns < NARROW ? 'watch.keys_short' : 'watch.keys');
  const bottom = [fit(oneLine(news), columns).trimEnd(), paint('dim', fit(keys, columns).trimEnd())];
  const title = titleLine(waiting.length, columns, paint);
  if (waiting.length === 0) {
    const empty = wrap(say('watch.none'), columns).slice(0, rows - FIXED);
    return padded([title, '', ...empty], bottom, rows);
  }
  const request = waiting.find(({ id }) => id === chosen);
  const room = rows - FIXED;
  const details = request === undefined ? [] : detailLines(request, columns, paint);
  const forDetails = Math.max(0, Math.min(details.length, DETAILS, room - 3));
  const list = listLines(waiting, chosen, { rows: room - forDetails, columns }, paint);
  const head = paint('dim', cells(headCells(), '  ', columns));
  return padded([title, head, ...list, ...details.slice(0, forDetails)], bottom, rows);
};

/** The bottom lines at the bottom. */
const padded = (top: readonly string[], bottom: readonly string[], rows: number): readonly string[] => [
  ...top,
  ...Array.from({ length: Math.max(0, rows - top.length - bottom.length) }, () => ''),
  ...bottom,
];

const titleLine = (count: number, columns: number, paint: Paint): string => {
  const right = say('watch.count', { count });
  const left = fit(`mcp-pra  ${say('watch.title')}`, columns - right.length - 2);
  return `${paint('bold', left)}  ${right}`;
};

const headCells = (): readonly string[] => say('watch.head').split('|');

/** As many rows as there is room for, the chosen one among them; the last line counts those that are not shown. */
const listLines = (
  waiting: readonly RequestView[],
  chosen: string | undefined,
  { rows, columns }: { readonly rows: number; readonly columns: number },
  paint: Paint,
): readonly string[] => {
  const isCut = waiting.length > rows;
  const most = Math.max(1, isCut ? rows - 1 : rows);
  const at = waiting.findIndex(({ id }) => id === chosen);
  const first = Math.max(0, Math.min(at - most + 1, waiting.length - most));
  const lines = waiting.slice(first, first + most).map((view) => {
    const mark = view.id === chosen ? '> ' : '  ';
    const text = cells(
      [clock(view.seconds_left), view.impact, view.action, view.host, oneLine(view.requester)],
      mark,
      columns,
    );
    if (view.id === chosen) return paint('bold', text);
    return (view.seconds_left ?? HURRY) < HURRY ? paint('red', text) : paint(IMPACT_STYLE[view.impact], text);
  });
  const more = fit(`  ${say('watch.more', { count: waiting.length - most })}`, columns).trimEnd();
  return isCut ? [...lines, paint('dim', more)] : lines;
};

const cells = (
  [left = '', impact = '', action = '', host = '', requester = '']: readonly string[],
  mark: string,
  columns: number,
): string => {
  const free = columns - mark.length - 5 - 2 - 6 - 2;
  const isNarrow = columns < NARROW;
  const forAction = Math.floor(free * (isNarrow ? 0.55 : 0.34));
  const forHost = Math.floor(free * (isNarrow ? 0.45 : 0.28)) - 2;
  const forRequester = free - forAction - forHost - 4;
  const parts = [left.padStart(5), fit(impact, 6), fit(action, forAction), fit(host, forHost)];
  if (!isNarrow) parts.push(fit(requester, forRequester));
  return fit(`${mark}${parts.join('  ')}`, columns).trimEnd();
};

const detailLines = (view: RequestView, columns: number, paint: Paint): readonly string[] => {
  const args = Object.entries(view.args).map(([name, value]) => `${name}=${value}`);
  const lines = [
    '',
    fit(`  ${[view.action, ...args].map(oneLine).join(' ')}  @ ${view.host}  ${view.id}`, columns).trimEnd(),
    ...(view.rule === null ? [] : [fit(`  ${oneLine(view.rule)}`, columns).trimEnd()]),
  ];
  const words = wrap(oneLine(view.reason), Math.max(8, columns - 4)).map(
    (part) => `  ${paint('dim', '│')} ${part}`,
  );
  return [...lines, paint('bold', fit(`  ${say('watch.words')}`, columns).trimEnd()), ...words];
};

/** `4:07` */
const clock = (seconds: number | null): string =>
  seconds === null ? '' : `${String(Math.floor(seconds / 60))}:${String(seconds % 60).padStart(2, '0')}`;
