// What a terminal would obey or a reader could not see, made visible. Order in a read: cap → neutralise → mask → frame.

const lenientUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** A control sequence of a terminal (ECMA-48 CSI): colours, cursor moves. It carries no text, so it is dropped. */
const CONTROL_SEQUENCE = /\u001b\[[0-?]{0,64}[ -/]{0,8}[@-~]/gu;

/**
 * Tag characters and the supplementary variation selectors spell hidden ASCII. Escaped one by one they would still be a
 * message to whoever can decode them, so a run of them becomes its length. The same for a run of plain variation selectors.
 */
const HIDDEN_RUN = /[\u{e0000}-\u{e0fff}]+|[\ufe00-\ufe0f]{2,}/gu;

/** Embeddings, overrides and isolates: a reader sees another order than the one that is there. The marks of Arabic and Hebrew text are not among them. */
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/u;

/** A single emoji selector is ordinary text; without it the same character shows. */
const EMOJI_SELECTOR = /[\ufe00-\ufe0f]/gu;

/**
 * Controls but LF and TAB (so also a lone CR), format characters (bidi controls and isolates, zero-width, soft hyphen,
 * byte order mark, interlinear marks), line and paragraph separators, and what fonts show as nothing.
 */
export const UNSEEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

const escape = (character: string): string => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;

/**
 * Host text without anything that moves a cursor, reorders or hides: invalid UTF-8 becomes U+FFFD, CRLF a line end,
 * terminal sequences are dropped, hidden runs become `\u{hidden 12}` and other unseen characters their visible `\u{202e}`.
 * `changed` says that something was not plain text, `hidden` that some of it hid or reordered text. The text is a fixed point.
 */
export const neutralise = (
  input: Buffer | string,
): { readonly text: string; readonly changed: boolean; readonly hidden: boolean } => {
  const raw = typeof input === 'string' ? input.toWellFormed() : lenientUtf8.decode(input);
  const text = raw
    .replaceAll('\r\n', '\n')
    .replace(CONTROL_SEQUENCE, '')
    .replace(HIDDEN_RUN, (run) => `\\u{hidden ${String(Array.from(run).length)}}`)
    .replace(EMOJI_SELECTOR, '')
    .replace(UNSEEN, escape);
  const same = typeof input === 'string' ? text === input : Buffer.from(text).equals(input);
  return { text, changed: !same, hidden: raw.search(HIDDEN_RUN) >= 0 || REORDERING.test(raw) };
};
