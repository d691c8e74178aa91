import { isDeepStrictEqual } from 'node:util';
import { isCollection, isMap, isNode, isScalar, isSeq, parseDocument, stringify, type Document } from 'yaml';

/** A value to set at a place of the file, or to take away (undefined). Maps on the way are made when they are missing. */
export interface ConfigChange {
  readonly path: readonly string[];
  readonly value: unknown;
}

const ROUND_TRIP = { lineWidth: 0, flowCollectionPadding: false } as const;

/**
 * The text with the changes, comments and order kept. What is only added is added as lines of its own, and every other byte stays
 * as it is; where that cannot be done, or would not mean the same, the file is laid out anew by the YAML library, which keeps
 * comments too but not their columns. The text must be YAML without errors.
 */
export const editConfig = (text: string, changes: readonly ConfigChange[]): string => {
  const model = parseDocument(text);
  for (const { path, value } of changes) setIn(model, path, value);
  const wanted: unknown = model.toJS();
  const spliced = changes.reduce<string | undefined>(
    (so, change) => (so === undefined ? undefined : splice(so, change)),
    text,
  );
  if (spliced !== undefined) {
    const again = parseDocument(spliced);
    if (again.errors.length === 0 && isDeepStrictEqual(again.toJS(), wanted)) return spliced;
  }
  return model.toString(ROUND_TRIP);
};

const setIn = (model: Document, path: readonly string[], value: unknown): void => {
  if (value === undefined) {
    model.deleteIn(path);
    return;
  }
  const parent = model.getIn(path.slice(0, -1), true);
  // `{}` that something is put into is a list from then on; what was written in braces stays so.
  if (isMap(parent) && parent.items.length === 0) parent.flow = false;
  model.setIn(path, flowNode(model, value));
};

const flowNode = (model: Document, value: unknown): unknown =>
  typeof value === 'object' ? model.createNode(value, { flow: true }) : value;

/** The text with one change, nothing else touched; undefined where it is no plain addition or replacement of a word. */
const splice = (text: string, { path, value }: ConfigChange): string | undefined => {
  const [name = ''] = path.slice(-1);
  if (value === undefined) return undefined;
  const document = parseDocument(text);
  const old = document.getIn(path, true);
  if (old !== undefined) return replace(text, old, value);
  const parent = document.getIn(path.slice(0, -1), true);
  const pair = `${oneLine(name)}: ${oneLine(value)}`;
  if (parent === undefined && path.length === 2) return addSection(text, document, path[0] ?? '', pair);
  if (!isMap(parent)) return undefined;
  if (parent.flow === true && parent.items.length > 0)
    return insert(text, endOf(parent.items.at(-1)?.value), `, ${pair}`);
  return parent.flow === true
    ? intoEmpty(text, parent.range, pair)
    : intoBlock(text, parent.items.at(-1), pair);
};

/** A word for a word, or members that come after those of a list. */
const replace = (text: string, old: unknown, value: unknown): string | undefined => {
  if (isScalar(old) && typeof value !== 'object' && old.range !== undefined && old.range !== null)
    return text.slice(0, old.range[0]) + oneLine(value) + text.slice(old.range[1]);
  if (!isSeq(old) || !Array.isArray(value)) return undefined;
  const before: unknown[] = old.toJSON();
  const added = value.slice(before.length).map(oneLine);
  if (!isDeepStrictEqual(value.slice(0, before.length), before)) return undefined;
  if (old.flow === true) {
    if (before.length > 0)
      return insert(text, endOf(old.items.at(-1)), added.map((word) => `, ${word}`).join(''));
    return insert(text, (old.range?.[0] ?? -2) + 1, added.join(', '));
  }
  const start = old.items.map((item) => (isNode(item) ? item.range?.[0] : undefined))[0];
  const dash = start === undefined ? -1 : text.lastIndexOf('-', start - 1);
  const indent = dash < 0 ? undefined : indentAt(text, dash);
  if (indent === undefined) return undefined;
  return afterLine(text, endOf(old.items.at(-1)), added.map((word) => `${indent}- ${word}\n`).join(''));
};

/** A new section, after `hosts`. */
const addSection = (text: string, document: Document, name: string, pair: string): string | undefined => {
  const section = `\n${name}:\n  ${pair}\n`;
  const hosts = document.get('hosts', true);
  return isMap(hosts) ? afterLine(text, endOf(hosts), section) : undefined;
};

/** `hosts: {}   # why` becomes `hosts:   # why` and a line below. */
const intoEmpty = (
  text: string,
  range: readonly [number, number, number] | null | undefined,
  pair: string,
): string | undefined => {
  if (range === undefined || range === null) return undefined;
  if (!/^\{\s*\}$/u.test(text.slice(range[0], range[1]))) return undefined;
  const start = text.lastIndexOf('\n', range[0]) + 1;
  const indent = /^ */u.exec(text.slice(start))?.[0] ?? '';
  const without = text.slice(0, range[0]).trimEnd() + text.slice(range[1]);
  return afterLine(without, text.slice(0, range[0]).trimEnd().length, `${indent}  ${pair}\n`);
};

const intoBlock = (
  text: string,
  last: { readonly key: unknown; readonly value: unknown } | undefined,
  pair: string,
): string | undefined => {
  const start = isNode(last?.key) ? last.key.range?.[0] : undefined;
  const indent = start === undefined ? undefined : indentAt(text, start);
  if (indent === undefined) return undefined;
  return afterLine(text, endOf(last?.value), `${indent}${pair}\n`);
};

/** The spaces before an offset when there is nothing else on its line before it. */
const indentAt = (text: string, offset: number): string | undefined => {
  const before = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset);
  return /^ *$/u.test(before) ? before : undefined;
};

/** Where the text of a value ends: that of its last part, so that comments after it do not count. */
const endOf = (node: unknown): number => {
  if (isCollection(node) && node.flow !== true) {
    const last: unknown = node.items.at(-1);
    if (last === undefined) return -1;
    return endOf(isMap(node) ? (last as { readonly value: unknown }).value : last);
  }
  return isNode(node) ? (node.range?.[1] ?? -1) : -1;
};

const insert = (text: string, offset: number, more: string): string | undefined =>
  offset < 0 ? undefined : text.slice(0, offset) + more + text.slice(offset);

/** Behind the line of an offset, and the comment on it. */
const afterLine = (text: string, offset: number, more: string): string | undefined => {
  if (offset < 0) return undefined;
  // A value that ends its line may have its line end in it.
  const end = text.indexOf('\n', Math.max(0, text[offset - 1] === '\n' ? offset - 1 : offset));
  return end < 0 ? `${text}\n${more}` : text.slice(0, end + 1) + more + text.slice(end + 1);
};

/** As it stands inside braces. */
const oneLine = (value: unknown): string => {
  // In a list of one, so that the library quotes what braces and brackets would divide.
  const written = stringify([value], { ...ROUND_TRIP, collectionStyle: 'flow' }).trim();
  return written.slice(1, -1);
};
