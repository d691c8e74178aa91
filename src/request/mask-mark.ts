import { createHmac, randomBytes } from 'node:crypto';

/** What a masked text was, as far as its name or its shape tells. */
export type SecretKind =
  | 'private-key'
  | 'secret'
  | 'token'
  | 'hash'
  | 'cookie'
  | 'email'
  | 'phone'
  | 'card'
  | 'iban'
  | 'nir'
  | 'ssn';

/**
 * Made when the process starts, and nowhere else: pseudonyms of one process mean nothing in another one, and nobody who
 * has a pseudonym can look for its secret elsewhere.
 */
const SESSION_KEY = randomBytes(32);

/** RFC 4648 section 6, in small letters. */
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
/** 30 bits: among a thousand secrets of a session, two share a pseudonym once in two thousand sessions. */
const ID_LETTERS = 6;

/** Source of a pattern for what is masked already: it is never masked again. */
export const MARKED = `\\[masked(?::[a-z-]{3,16}-[a-z2-7]{${String(ID_LETTERS)}})?\\]`;

/** Source of a pattern: not right behind a mark. What was no word of its own before the masking is none after it. */
export const NOT_BEHIND_MARK = '(?<!\\[masked:[a-z-]{3,16}-[a-z2-7]{6}\\])';

const HAS_MARK = new RegExp(MARKED, 'u');

/** Whether there is a mark in the text. */
export const hasMark = (text: string): boolean => HAS_MARK.test(text);

const ONLY_MARKS = new RegExp(`^(?:[\\s[\\]\\\\"'\`,;(){}<>]|${MARKED})*$`, 'u');

/** Whether there is nothing in the text but marks, and what may stand around a value. */
export const isMasked = (text: string): boolean => hasMark(text) && ONLY_MARKS.test(text);

/** Stands for a line that belongs to the secret of another line. */
export const CONTINUED = '[masked]';

/**
 * What stands in place of a secret: `[masked:token-k3f9ab]`. The same secret has the same six letters wherever it is
 * found in this process, whatever kind it is taken for.
 */
export const markOf = (kind: SecretKind, secret: string): string =>
  `[masked:${kind}-${idOf(sameForm(kind, secret))}]`;

/** An HMAC takes longer than the finding of a secret, and a log says the same again and again. */
const ids = new Map<string, string>();
const MOST_IDS = 1_024;

const idOf = (secret: string): string => {
  const known = ids.get(secret);
  if (known !== undefined) return known;
  if (ids.size >= MOST_IDS) ids.clear();
  const bits = createHmac('sha256', SESSION_KEY).update(secret).digest().readUInt32BE(0);
  const id = Array.from({ length: ID_LETTERS }, (_, at) => BASE32[(bits >>> (5 * at)) & 31]).join('');
  ids.set(secret, id);
  return id;
};

/** One form for one secret: without quotes and punctuation around it, without separators between its digits. */
const sameForm = (kind: SecretKind, secret: string): string => {
  if (kind === 'email') return secret.replace(/%40/iu, '@').toLowerCase();
  if (kind === 'phone')
    return secret
      .replace('(0)', '')
      .replace(/^00/u, '+')
      .replaceAll(/[^\d+]/gu, '');
  if (kind === 'card' || kind === 'iban' || kind === 'nir' || kind === 'ssn')
    return secret.replaceAll(/[^0-9A-Za-z]/gu, '').toUpperCase();
  return bare(secret);
};

const AROUND = /["'`\s,;.)\]}\\]/u;

/** Without the quotes, brackets and punctuation that a value may have around it. */
const bare = (text: string): string => {
  let [from, to] = [0, text.length];
  while (to > from && AROUND.test(text[to - 1] ?? '')) to -= 1;
  while (from < to && /["'`\s\\]/u.test(text[from] ?? '')) from += 1;
  return text.slice(from, to);
};
