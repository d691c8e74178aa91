/** Characters that take two columns of a terminal: East Asian wide and full-width ones, and emoji shown as pictures. */
const WIDE =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u4dbf\u4e00-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u;
/** What stands on the character before it: combining marks, format characters, the inner letters of a Hangul syllable. */
const NONE = /[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]/u;

const cellsOfCharacter = (character: string): number =>
  NONE.test(character) ? 0 : WIDE.test(character) ? 2 : 1;

/** Columns that a text of one line takes on a terminal. */
export const cellsOf = (text: string): number =>
  Array.from(text).reduce((sum, character) => sum + cellsOfCharacter(character), 0);

/** Pieces of at most `width` columns, each at least one character; an empty text is one empty piece. */
export const chunks = (text: string, width: number): readonly string[] => {
  const pieces: string[] = [];
  let [piece, used] = ['', 0];
  for (const character of text) {
    const wide = cellsOfCharacter(character);
    if (piece !== '' && used + wide > width) {
      pieces.push(piece);
      [piece, used] = ['', 0];
    }
    piece += character;
    used += wide;
  }
  return [...pieces, piece];
};

/** The same filled up with blanks, never cut. */
export const padTo = (text: string, width: number): string =>
  text + ' '.repeat(Math.max(0, width - cellsOf(text)));

/** Exactly `width` columns: cut with a mark, or filled up. */
export const fit = (text: string, width: number): string => {
  if (width <= 0) return '';
  if (cellsOf(text) <= width) return padTo(text, width);
  const [first = ''] = width === 1 ? [''] : chunks(text, width - 1);
  return padTo(cellsOf(first) < width ? `${first}…` : '…', width);
};
