import { FormError } from './form-error.ts';

/** What a block holds; its name in the BEGIN and END lines. */
export type BlockKind = 'TICKET' | 'SIGNATURE';

/** Characters of a block, lines and all; of a mail or chat around it. */
export const BLOCK_CHARS = 65_536;
const INPUT_CHARS = 4 * BLOCK_CHARS;
const COLUMNS = 64;

const edge = (word: 'BEGIN' | 'END', kind: BlockKind): string => `-----${word} MCP-PRA ${kind}-----`;

/**
 * A text as a block that survives chats and mails: base64 in lines of 64 between a BEGIN and an END line. Throws FormError BLOCK_FORM
 * when it is larger than any reader takes.
 */
export const writeBlock = (kind: BlockKind, text: string): string => {
  const base64 = Buffer.from(text, 'latin1').toString('base64');
  const lines = base64.match(new RegExp(`.{1,${String(COLUMNS)}}`, 'gu')) ?? [];
  const block = [edge('BEGIN', kind), ...lines, edge('END', kind), ''].join('\n');
  if (block.length > BLOCK_CHARS) throw new FormError('BLOCK_FORM', 'size');
  return block;
};

/**
 * The text of the one block of this kind. Around it may be anything, and lines may end in CR LF; between BEGIN and END is exactly what
 * `writeBlock` writes: nothing quoted, indented, wrapped or left out. Throws FormError BLOCK_FORM.
 */
export const readBlock = (kind: BlockKind, input: string): string => {
  const wrong = (where: string): FormError => new FormError('BLOCK_FORM', where);
  if (input.length > INPUT_CHARS) throw wrong('size');
  const lines = input.split(/\r?\n/u);
  const begin = lines.indexOf(edge('BEGIN', kind));
  const end = lines.indexOf(edge('END', kind));
  if (begin < 0) throw wrong('BEGIN line');
  if (end < begin) throw wrong('END line');
  const isTwice =
    lines.lastIndexOf(edge('BEGIN', kind)) !== begin || lines.lastIndexOf(edge('END', kind)) !== end;
  if (isTwice) throw wrong('more than one block');
  const text = Buffer.from(lines.slice(begin + 1, end).join(''), 'base64').toString('latin1');
  const written = [...lines.slice(begin, end + 1), ''].join('\n');
  if (text === '' || writeBlock(kind, text) !== written) throw wrong('lines between BEGIN and END');
  return text;
};
