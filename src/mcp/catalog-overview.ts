import type { Catalog, Diagnostic } from '../catalog/types.ts';
import { tierNote } from '../catalog/tier-note.ts';
import { byTopic } from '../catalog/topics.ts';
import { overviewHead, tierNotes } from '../messages/mcp-en.ts';
import { detailText } from './diagnostic-texts.ts';

/** Characters of an answer about the catalog, at most: about 2,000 tokens, however large the catalog is. */
export const CATALOG_BUDGET = 8_000;
/** Of it, for the lines around a list. */
const FRAME = 600;
/** Of it, for the names of what did not fit. */
const LEFT_NAMES = 1_400;

/** The marks behind a name: `*` for a tool of its own, `~` for one with a note. */
const marked = (diagnostic: Diagnostic): string =>
  `${diagnostic.name}${diagnostic.promote ? '*' : ''}${tierNote(diagnostic) === '' ? '' : '~'}`;

/**
 * The whole catalog by topic in at most CATALOG_BUDGET characters: with titles while there is room, else names alone, else how many of
 * each topic, with its first names.
 */
const overviewLines = (catalog: Catalog): readonly string[] => {
  const topics = [...byTopic(catalog)];
  const lines = (shown: (found: readonly Diagnostic[]) => string): readonly string[] =>
    topics.map(([topic, found]) => `${topic} (${String(found.length)}): ${shown(found)}`);
  const forms = [
    lines((found) => found.map((one) => `${marked(one)} ${one.title}`).join('; ')),
    lines((found) => found.map(marked).join(', ')),
    lines((found) => `${found.slice(0, 3).map(marked).join(', ')}${found.length > 3 ? ', …' : ''}`),
  ];
  const room = CATALOG_BUDGET - FRAME;
  return forms.find((form) => form.join('\n').length <= room) ?? fitting(forms.at(-1) ?? [], room);
};

/** The same below a line that says how to go on. */
export const overviewText = (catalog: Catalog): string => {
  const hasRecorded = [...catalog.diagnostics.values()].some(({ tier }) => tier === 3);
  return [
    overviewHead(catalog.diagnostics.size, hasRecorded ? tierNotes[3] : ''),
    ...overviewLines(catalog),
  ].join('\n');
};

/** Some diagnostics as far as their details fit; of the others the names, as far as these fit. */
export const detailParts = (
  diagnostics: readonly Diagnostic[],
): { readonly shown: readonly Diagnostic[]; readonly left: readonly string[] } => {
  const room = CATALOG_BUDGET - FRAME - LEFT_NAMES;
  const count = Math.max(1, fitting(diagnostics.map(detailText), room).length);
  const left = diagnostics.slice(count).map(({ name }) => name);
  return { shown: diagnostics.slice(0, count), left: fitting(left, LEFT_NAMES) };
};

/** The first of some texts, as many as fit with a character or two between them. */
const fitting = (texts: readonly string[], room: number): readonly string[] => {
  let free = room;
  const end = texts.findIndex((text) => (free -= text.length + 2) < 0);
  return end < 0 ? texts : texts.slice(0, end);
};
